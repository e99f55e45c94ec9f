"""The training loop itself: what it waits for, and what its curves say."""

import traceback

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pig_core.run import Run
from pig_core.stages import STAGES
from pig_core.training import Session, run_stage

# Operations whose result has to reach Python, or decides on a size, before anything else can be sent to a GPU.
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim"}


class Waits(TorchDispatchMode):
    """Counts such operations, but for PyTorch's optimisers: their step counters are on the CPU whatever the device."""

    def __init__(self):
        super().__init__()
        self.places = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        if name in WAITS or by_mask:
            self.note()
        return func(*args, **(kwargs or {}))

    def note(self):
        frames = (f for f in reversed(traceback.extract_stack()) if "pig_core" in f.filename or "/optim/" in f.filename)
        nearest = next(frames)
        if "torch/optim" not in nearest.filename:
            self.places.append(str(nearest))


@pytest.mark.parametrize(
    ("stage", "task"),
    [
        *((stage, "spring_color") for stage in STAGES),
        ("decoder", "mnist_spring_color"),
        ("dynamics", "3bp_color"),
        ("joint", "3bp_color"),
        ("joint", "bouncing_balls"),
    ],
)
def test_no_step_waits_for_a_number(stage, task, tiny, tmp_path, monkeypatch):
    options = {"recipe": "paper", "epochs": 1} if stage == "joint" else {f"{stage}_steps": 8}
    config = tiny(task, datapoints=16, batch_size=2, print_interval=1000, save_dir=str(tmp_path / "run"), **options)
    run = Run.start(config)
    made = STAGES[stage](run.model, config, run.frames)
    waits, counts = Waits(), []
    losses = made.losses
    for name in ("tolist", "numpy", "cpu"):  # on the CPU these are no operations
        read = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda *a, read=read, **k: waits.note() or read(*a, **k))

    def counted(step):
        counts.append(len(waits.places))
        return losses(step)

    object.__setattr__(made, "losses", counted)
    with waits:
        run_stage(run.model, config, made, Session())
    assert len(counts) == made.steps == 8
    # The first step may wait, because its progress is shown; later ones only wait where a line or an epoch ends.
    assert counts[1] == counts[-1], set(waits.places[counts[1] :])


def test_the_curves_are_the_losses_of_their_steps_whenever_they_are_read(tiny, tmp_path):
    every, seldom = (
        Run.start(tiny(vision_steps=23, print_interval=interval, save_dir=str(tmp_path / str(interval))))
        for interval in (1, 1000)
    )
    for run in (every, seldom):
        run_stage(run.model, run.config, STAGES["vision"](run.model, run.config, run.frames), run.session)
    points = {point["step"]: point for point in every.session.curves}
    assert list(points) == list(range(23))
    assert [point["step"] for point in seldom.session.curves] == [0, 5, 10, 15, 20, 22]
    for point in seldom.session.curves:
        assert {**point, "seconds": 0} == {**points[point["step"]], "seconds": 0}
    assert len(np.unique([point["loss"] for point in points.values()])) == 23
