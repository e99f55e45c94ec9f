"""Constants with error bars from encoded positions alone: Gauss-Newton on the profile likelihood.

The state of each video at frame L is a nuisance parameter. It is projected out of the trajectory's change with a
constant: the rest of that change cannot be compensated by another state.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pig_core.data import simulate
from pig_core.physics import Law
from pig_core.state import differences, fit_state, guess_state, path_through, solve
from pig_core.tasks import Task

PROBE = 1e-4  # pixels, pixels per frame and logarithms of parameters that a trajectory is probed with (float64)
ROUNDS, MOST = 4, 20  # Gauss-Newton steps: four suffice from twice or half a value, from further away it takes more
LONGEST = 0.7  # of a step, in the logarithm of a constant: it may double or be halved
SETTLED = 1e-2  # of a last step
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Estimate:
    """One physical parameter: the best value on all frames, and two standard deviations of different origin."""

    value: float
    laplace: float  # curvature of the squared error, assuming independent errors of all positions
    bootstrap: float  # scatter when whole videos are drawn again, assuming nothing about errors within a video


def estimate(
    positions: Tensor, task: Task, learned: Mapping[str, float], substeps: int = 5, actions: Tensor | None = None
) -> dict[str, Estimate]:
    """Constants with their spread from positions alone.

    Args:
        positions: (N, T, K, 2) as an encoder sees them, pixels.
        learned: values to start from.
        actions: (N, T, A), for a law that knows some.
    """
    names, values = list(task.law.constants), dict(learned)
    positions = task.physics(substeps).coordinates(positions.double())
    actions = None if actions is None else actions[:, : positions.shape[1]].double()
    for done in range(1, MOST + 1):
        physics = task.physics(substeps, values).double()
        residual, change = _profile(positions, task.input_steps - 1, physics, actions)  # (N, M), (N, M, p)
        found = solve(change.flatten(0, 1), residual.flatten()).tolist()
        for name, step in zip(names, found, strict=True):
            factor = math.exp(min(max(step, -LONGEST), LONGEST))
            values[name] = values[name] * factor if task.law.constants[name].positive else values[name] + step
        if done >= ROUNDS and max(map(abs, found), default=0.0) < SETTLED:
            break
    information = change.mT @ change  # (N, p, p)
    push = (change.mT @ residual.unsqueeze(-1)).squeeze(-1)  # (N, p)
    n, observed, unknown = len(positions), residual.shape[1], 2 * positions.shape[2] * positions.shape[3]
    variance = residual.square().sum() / (n * (observed - unknown) - len(names))
    laplace = (variance * torch.linalg.inv(information.sum(0))).diagonal().sqrt()
    generator = torch.Generator().manual_seed(0)
    counts = torch.stack([
        torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n) for _ in range(BOOTSTRAPS)
    ]).double()  # fmt: skip
    again = torch.linalg.solve(
        torch.einsum("bn,npq->bpq", counts, information), torch.einsum("bn,np->bp", counts, push).unsqueeze(-1)
    )
    scatter = again.squeeze(-1).std(0)
    slope = {name: value if task.law.constants[name].positive else 1.0 for name, value in values.items()}
    return {
        name: Estimate(values[name], abs(slope[name]) * laplace[i].item(), abs(slope[name]) * scatter[i].item())
        for i, name in enumerate(names)
    }


def best_possible(task: Task, substeps: int = 5, n: int = 100, seed: int = 0) -> dict[str, float]:
    """The best that can be measured: constants fitted to the simulator's own positions of ``n`` training scenes.

    For judging only. The model takes fewer substeps than the simulation, so even this fit is not the truth exactly.
    """
    scenes = simulate(task, n, task.seen_steps, np.random.default_rng(seed))
    actions = None if scenes.actions is None else torch.from_numpy(scenes.actions)
    found = estimate(torch.from_numpy(scenes.positions), task, task.truth, substeps, actions)
    return {name: each.value for name, each in found.items()}


@torch.no_grad()
def _profile(positions: Tensor, last: int, physics: Law, actions: Tensor | None) -> tuple[Tensor, Tensor]:
    """Residuals of the best states, (N, M), and their change with each learned number, (N, M, p).

    Args:
        last: index of the frame whose state is projected out (the first one, if the law is not reversible).
    """
    n, steps, k, d = positions.shape
    at = last if physics.reversible else 0
    pos, vel = fit_state(positions, at, guess_state(positions, at, physics, actions), physics, 6, actions)
    state = torch.stack([pos, vel * physics.dt], 1).flatten(1)  # (N, 2 K D)

    def path(state: Tensor) -> Tensor:
        pos, vel = state.view(-1, 2, k, d).unbind(1)
        pushed = None if actions is None else actions.repeat_interleave(len(state) // n, 0)
        return path_through(pos, vel / physics.dt, at, steps, physics, pushed).flatten(1)

    here, by_state = differences(path, state, PROBE)  # (N, M), (N, M, 2 K D)
    by_constant = []
    for name in physics.constants:
        physics.learned(name).add_(PROBE)
        by_constant.append((path(state) - here) / PROBE)
        physics.learned(name).sub_(PROBE)
    by_constant = torch.stack(by_constant, -1)
    basis = torch.linalg.qr(by_state).Q
    return positions.flatten(1) - here, by_constant - basis @ (basis.mT @ by_constant)
