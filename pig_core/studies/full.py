"""Full runs, hours each: what the project keeps of one, and what makes its constants what they are.

``python -m pig_core keep RUN_FOLDER ...`` writes into reports/results, or into ``--into`` a folder in it: the result,
its thinned curves, one video with what the model made of it (``shown``), and an explanation (``explained``). With
``--restart`` it only adds what becomes of velocity and constants that start anew (:mod:`pig_core.studies.restart`).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import least_squares
from torch import Tensor

from ..common.errors import RunError
from ..common.files import CHECKPOINT, METRICS, replacing, results_folder, write_json
from ..common.machine import commit, provenance
from ..data.videos import load_frames
from ..encoder import BACKGROUND_LOGIT
from ..evaluation.constants import estimate
from ..evaluation.evaluate import judge
from ..evaluation.pictures import to_bytes
from ..physics import Law
from ..runs.checkpoint import save_small
from ..runs.trained import Trained, open_checkpoint
from ..state import State, fit_state, guess_state, path_through
from .measures import outside_share, steps_to_discovery
from .restart import STARTS, restarts

POINTS = 400  # of a run's curves that are kept
VIDEOS = 600  # fresh ones, that an explanation looks at
DOTS = 300  # of the figure of velocity errors
FITS = 8  # Gauss-Newton steps to the best state of a video


def keep(run: Path, into: Path, weights: bool = False) -> Path:
    """Take over a finished run; returns the path of its result.

    Args:
        run: its folder, with its checkpoint.
        into: folder of results.
        weights: keep the small form of the checkpoint, too (3 MB).
    Raises:
        RunError: if the folder does not hold a finished run.
    """
    try:
        metrics, curves = (json.loads((run / name).read_text()) for name in (METRICS, "curves.json"))
        name = "{task}-{recipe}-s{seed}".format(**metrics)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{run} does not hold a finished run ({error})") from None
    trained = open_checkpoint(run / CHECKPOINT, VIDEOS)
    found = steps_to_discovery(pd.DataFrame(curves))
    explained = {"found_at": found, "steps": sum(metrics["steps"].values()), "commit": commit(), **explain(trained)}
    write_json(into / "explained" / f"{name}.json", explained)
    write_json(into / "curves" / f"{name}.json", thinned(curves))
    with replacing(into / "shown" / f"{name}.npz") as temporary:
        np.savez_compressed(temporary, **shown(trained))
    if weights:
        save_small(into / "weights" / f"{name}.safetensors", trained.model, trained.config)
    write_json(into / f"{name}.json", metrics)
    return into / f"{name}.json"


def keep_restarts(run: Path, into: Path, names: Sequence[str]) -> Path:
    """Start velocity and constants of a finished run anew, in the ways named; returns the path of what came out.

    What other ways gave before stays in the file.

    Raises:
        RunError: if the folder holds no checkpoint.
    """
    trained, about = open_checkpoint(run / CHECKPOINT), {"commit": commit(), **provenance(torch.device("cpu"))}
    task, config = trained.task, replace(trained.config, data_dir="")  # the run may be from another machine
    frames = load_frames(config, "train", task.train_length, task)[:, : task.seen_steps]
    path = into / "restart" / "{task}-{recipe}-s{seed}.json".format(**vars(trained.config))
    for name, found in restarts(trained, frames, names):  # each is kept as soon as it has ended
        before = json.loads(path.read_text()) if path.is_file() else {}
        write_json(path, before | {name: found | about | {"curves": thinned(found["curves"])}})
    return path


def thinned(curves: list[dict[str, object]]) -> list[dict[str, object]]:
    """Some hundred points of a run's curves, numbers to five digits; the first and the last one stay."""
    chosen = np.unique(np.linspace(0, len(curves) - 1, POINTS).round().astype(int))
    short = {float: lambda value: float(f"{value:.5g}")}
    return [{name: short.get(type(v), lambda v: v)(v) for name, v in curves[i].items()} for i in chosen]


def shown(trained: Trained, index: int = 0) -> dict[str, np.ndarray]:
    """One fresh video and what the model makes of it, uint8: "video", "recons", "prediction" (T, S, S, C), "masks".

    And what it draws objects with: "templates", (K, h, h, C), contents times masks.
    """
    evaluation, output = trained.evaluation, trained.evaluation.output
    pictures = {"video": evaluation.video, "recons": output.recons, "prediction": output.prediction}
    masks = (output.masks[index] * 255).round().byte().numpy()  # (L+P, K, S, S)
    contents, logits, _ = trained.model.appearance()
    drawn = {"masks": masks, "templates": to_bytes(contents * (logits - BACKGROUND_LOGIT).sigmoid())}
    return {**{name: to_bytes(images[index]) for name, images in pictures.items()}, **drawn}


@torch.no_grad()
def explain(trained: Trained) -> dict[str, object]:
    """What the encoder's positions say, and what the velocity network makes of them, on fresh videos.

    Returns:
        "outside": share of the predicted positions that lie outside of the picture; "velocity": rms of the model's
        velocities and of the last differences of positions, pixels per second. If the run predicts, also:
        "fitted": constants (value and bootstrap standard deviation) if every video's state is fitted to the positions;
        "with_network": those that suit the model's own states best; "error_rms": rms of the model's velocities against
        the fitted ones, pixels per second; "lag": seconds by which the model's velocity is late, if its error is seen
        as a multiple of the acceleration, "lag_share": the part of the squared outward error that this explains, and
        "dots" to draw it: outward acceleration (pixels per second squared) and outward velocity error (pixels per
        second); "drift": see :func:`drifts`.
    """
    task, model = trained.task, trained.model
    positions = torch.from_numpy(trained.evaluation.positions)  # (N, L+P, K, 2)
    rollout = torch.from_numpy(trained.evaluation.rollout)[:, : task.pred_steps]
    outside = outside_share(rollout, task.image_size).item()
    steps, substeps, values = task.input_steps, model.physics.substeps, model.physics.values()
    guess, theirs = guess_state(positions, steps - 1, model.physics), model.state(positions[:, :steps])
    found = {"outside": outside, "velocity": {"model": _rms(theirs[1]), "differences": _rms(guess[1])}}
    if outside > 0.5 or not judge(trained.evaluation.metrics, values, task)["predicted"]:  # nothing has been measured
        return found
    fitted = estimate(positions, task, values, substeps) if values else {}
    law = task.physics(substeps, {name: each.value for name, each in fitted.items()})
    best = fit_state(positions, steps - 1, guess, law, FITS)
    error = theirs[1] - best[1]
    late = lag_of(best[0], law.acceleration(*best), error)
    ahead, learned = task.test_length - steps, task.physics(substeps, values)
    return {
        **found,
        "noise": noise_of(positions, path_through(*best, steps - 1, positions.shape[1], law)),
        "fitted": {name: [each.value, each.bootstrap] for name, each in fitted.items()},
        "with_network": constants_given(theirs, positions[:, steps:], task.physics(substeps, values)) if values else {},
        "error_rms": _rms(error),
        **late,
        **({"drift": drifts(best, theirs, late["lag"], law, learned, ahead)} if values and late else {}),
    }


def constants_given(state: State, later: Tensor, law: Law) -> dict[str, float]:
    """The constants with which rollouts from states, (N, K, D) each, fit the later positions (N, P, K, D) best."""
    law, pos, vel = law.double(), state[0].double(), state[1].double()
    numbers = [law.learned(name) for name in law.constants]

    def residuals(values: np.ndarray) -> np.ndarray:
        for number, value in zip(numbers, values, strict=True):
            number.fill_(value)
        return (law.rollout(pos, vel, later.shape[1])[0] - later).flatten().numpy()

    # A trust region: the start may be far off.
    residuals(least_squares(residuals, [number.item() for number in numbers]).x)
    return law.values()


def lag_of(pos: Tensor, acceleration: Tensor | None, error: Tensor) -> dict[str, object]:
    """Outward parts of accelerations and velocity errors, (N, K, D) each, and the line through them."""
    if acceleration is None or pos.shape[1] < 2:
        return {}
    outward = _outward(pos)
    x, y = ((outward * vector).sum(-1).flatten() for vector in (acceleration, error))
    slope = (x * y).sum() / x.square().sum()
    share = 1 - (y - slope * x).square().sum() / y.square().sum()
    dots = [[round(number, 3) for number in pair] for pair in torch.stack([x, y], 1)[:DOTS].tolist()]
    return {"lag": -slope.item(), "lag_share": share.item(), "dots": dots}


def drifts(best: State, theirs: State, lag: float, law: Law, learned: Law, ahead: int) -> dict[str, float]:
    """How far each error alone, and all together, carry the last predicted frame away; rms of a coordinate, pixels.

    Args:
        best, theirs: the fitted states and the model's, (N, K, D) each.
        lag: by which the model's velocities are late, seconds.
        law, learned: the law with the fitted and with the learned constants.
        ahead: number of predicted frames.
    Returns:
        what is wrong -> distance from where the fitted states end: the "constants"; the velocity by its "delay"; both
        ("constants, delay"); by all "but the delay", and of that what all objects "share", what turns them around their
        middle ("turning") and what points away from it ("outward"); the whole "velocity"; "everything".
    """
    pos, vel = best
    delay = -lag * law.acceleration(pos, vel)
    rest = theirs[1] - vel - delay
    shared = rest.mean(1, keepdim=True).expand_as(rest)
    away = _outward(pos)
    outward = ((rest - shared) * away).sum(-1, keepdim=True) * away

    def end(pos: Tensor, vel: Tensor, law: Law) -> Tensor:
        return law.rollout(pos, vel, ahead)[0][:, -1]

    wrong = {
        "constants": (pos, vel, learned), "delay": (pos, vel + delay, law),
        "constants, delay": (pos, vel + delay, learned), "but the delay": (pos, vel + rest, law),
        "share": (pos, vel + shared, law), "turning": (pos, vel + rest - shared - outward, law),
        "outward": (pos, vel + outward, law),
        "velocity": (pos, theirs[1], law), "everything": (*theirs, learned),
    }  # fmt: skip
    right = end(pos, vel, law)
    return {name: _rms(end(*start) - right) for name, start in wrong.items()}


def _outward(pos: Tensor) -> Tensor:
    """Unit vectors from the objects' middle to each of them, (N, K, D)."""
    return torch.nn.functional.normalize(pos - pos.mean(1, keepdim=True), dim=-1)


def noise_of(positions: Tensor, paths: Tensor) -> float:
    """The rms noise of positions (N, T, K, D) from paths fitted to them; a state uses up two of T numbers."""
    frames = positions.shape[1]
    return _rms(positions - paths) * (frames / (frames - 2)) ** 0.5


def _rms(vectors: Tensor) -> float:
    return vectors.square().mean().sqrt().item()


def main(arguments: list[str]) -> None:
    """Keep the runs whose folders are named."""
    parser = argparse.ArgumentParser("python -m pig_core keep", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--into", default="", help="folder in reports/results; empty: that one itself")
    parser.add_argument("--weights", action="store_true", help="keep the weights, too")
    parser.add_argument("--restart", nargs="+", choices=STARTS, help="start the velocity anew, 20 minutes each")
    given = parser.parse_args(arguments)
    for run in given.runs:
        into = results_folder() / given.into
        print(keep_restarts(run, into, given.restart) if given.restart else keep(run, into, given.weights), flush=True)
