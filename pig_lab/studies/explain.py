"""What makes the constants of a full run what they are: its positions, its velocities, and what each error does."""

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor

from pig_core.evaluate import judge
from pig_core.physics import Law
from pig_core.state import State, fit_state, guess_state, path_through
from pig_core.tasks import Task

from ..estimate import Estimate, estimate
from ..trained import Trained
from .measures import outside_share
from .template_origins import to_count

DOTS = 300  # of the figure of velocity errors
FITS = 8  # Gauss-Newton steps to the best state of a video


@torch.no_grad()
def explain(trained: Trained) -> dict[str, object]:
    """What the encoder's positions say, and what the velocity network makes of them, on fresh videos.

    Returns:
        "outside": share of the predicted positions that lie outside of the picture; "velocity": rms of the model's
        velocities and of the last differences of positions, pixels per second. If the run finds its objects, also:
        "origins": see :func:`pig_core.corrections.to_count`; "fitted": constants (value and bootstrap standard
        deviation) if every video's state is fitted to the positions; "centred": the same with positions counted from
        the origins. If it predicts, also:
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
    judged = judge(trained.evaluation.metrics, values, task)
    if not judged["discovered"]:
        return found
    from_templates = to_count(model, task.n_objects)
    fitted, centred = (fit(seen, task, substeps) if values else {} for seen in (positions, positions + from_templates))
    found["origins"] = from_templates.tolist()
    for name, fits in (("fitted", fitted), ("centred", centred)):
        found[name] = {constant: [each.value, each.bootstrap] for constant, each in fits.items()}
    if outside > 0.5 or not judged["predicted"]:
        return found
    law = task.physics(substeps, {name: each.value for name, each in fitted.items()})
    best = fit_state(positions, steps - 1, guess, law, FITS)
    error = theirs[1] - best[1]
    late = lag_of(best[0], law.acceleration(*best), error)
    ahead, learned = task.test_length - steps, task.physics(substeps, values)
    return {
        **found,
        "noise": noise_of(positions, path_through(*best, steps - 1, positions.shape[1], law)),
        "with_network": constants_given(theirs, positions[:, steps:], task.physics(substeps, values)) if values else {},
        "error_rms": _rms(error),
        **late,
        **({"drift": drifts(best, theirs, late["lag"], law, learned, ahead)} if values and late else {}),
    }


def fit(positions: Tensor, task: Task, substeps: int) -> dict[str, Estimate]:
    """Constants from positions (N, L+P, K, 2) alone; the start is what suits the last differences of positions."""
    physics, last = task.physics(substeps), task.input_steps - 1
    start = constants_given(guess_state(positions, last, physics), positions[:, last + 1 : last + 2], physics)
    return estimate(positions, task, start, substeps)


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
