"""Velocity and constants that start anew behind the trained eyes of a full run: is it the velocity that fails a seed?

Encoder and decoder of the run stay as they are. The velocity network and the constants are trained on the prediction's
pictures, by the run's own optimiser and rates. What differs is where they start: as the run left them ("kept"), at rest
(the network's last layer at zero), or at random; all but "kept" with constants of 1. Centred: velocity and physics see
every position moved by its template's origin (:mod:`pig_core.corrections`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pig_core.build import build_model
from pig_core.model import PAIG, image_loss, to_video
from pig_core.stages import Losses, Stage
from pig_core.training import Session, run_stage

from ..trained import Trained
from .measures import outside_share, thinned
from .template_origins import to_count

STEPS, BATCH = 25_000, 20  # as in the run
KEPT_STEPS = 1_000  # of the start "kept": either it moves at once or never
LAST = 0.02  # share of the steps over which the last losses are averaged


@dataclass(frozen=True)
class Start:
    """Where velocity and constants start."""

    kept: bool = False  # as the run left them
    velocity_init: str = "random"
    seed: int = 0
    centred: bool = False  # positions are counted from the discs, not from the templates


STARTS = {
    "kept": Start(kept=True), "rest": Start(velocity_init="zero"),
    **{f"random {seed}": Start(seed=seed) for seed in (1, 2, 3)},
    "rest centred": Start(velocity_init="zero", centred=True),
}  # fmt: skip


def restarts(
    trained: Trained, frames: Tensor, positions: Tensor, names: Sequence[str] = tuple(STARTS), steps: int = STEPS
) -> Iterator[tuple[str, dict[str, object]]]:
    """Start by start its name, and its "learned" constants, "pred_loss" and "outside" of the last steps, and "curves".

    Args:
        frames, positions: training video, uint8 (N, L+P, H, W, 3), and what the run's encoder sees in it.
        names: of the starts.
    """
    for name in names:
        yield name, _trained_again(trained, name, frames, positions, steps)


def _trained_again(trained: Trained, name: str, frames: Tensor, positions: Tensor, steps: int) -> dict[str, object]:
    model, config, session = _model(trained, name), trained.config, Session()
    steps = min(steps, KEPT_STEPS) if STARTS[name].kept else steps
    moved = to_count(model, positions.shape[2]) if STARTS[name].centred else torch.zeros(2)
    run_stage(model, config, _stage(model, trained, frames, positions, moved, steps), session)
    points = session.curves[-max(1, round(LAST * len(session.curves))) :]
    return {
        "learned": model.physics.values(),
        **{number: float(np.mean([point[number] for point in points])) for number in ("pred_loss", "outside")},
        "steps": session.step,
        "seconds": session.seconds,
        "curves": thinned(session.curves),
    }


def _model(trained: Trained, name: str) -> PAIG:
    """The run's model, with velocity and constants where this start has them."""
    config, start = trained.config, STARTS[name]
    if not start.kept:
        config = replace(config, velocity_init=start.velocity_init, seed=start.seed)
    model, eyes = build_model(config, trained.task), trained.model.state_dict()
    kept = {key: value for key, value in eyes.items() if start.kept or key.startswith(("encoder.", "decoder."))}
    model.load_state_dict({**model.state_dict(), **kept})
    model.encoder.requires_grad_(False)
    model.decoder.requires_grad_(False)
    return model


def _stage(model: PAIG, trained: Trained, frames: Tensor, positions: Tensor, moved: Tensor, steps: int) -> Stage:
    config, first = trained.config, model.input_steps

    def losses(step: int) -> Losses:
        index = torch.randint(len(frames), (BATCH,), generator=torch.Generator().manual_seed(step))
        rollout = model.predict(positions[index, :first] + moved, model.pred_steps)[0] - moved
        loss = image_loss(model.decode(rollout), to_video(frames[index, first:], config.color))
        return {"loss": loss, "pred_loss": loss, "outside": outside_share(rollout, trained.task.image_size).float()}

    groups = [
        {"params": list(model.velocity.parameters()), "lr": config.base_lr},
        {"params": list(model.physics.parameters()), "lr": config.base_lr * config.physics_lr_scale},
    ]
    return Stage("restart", steps, groups, losses, lambda step: 0.2 if step >= 0.75 * steps else 1.0)
