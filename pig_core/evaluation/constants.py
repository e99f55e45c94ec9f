"""How well do positions determine k, l and g? An estimate with its spread, from the positions that a model sees.

Every video has a state of its own at frame L that nobody wants to know. It is projected out: what remains of the
trajectory's change with a parameter is what no other state could have done (Gauss-Newton on the profile likelihood).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..physics import PHYSICS, Dynamics
from ..runs.trained import Published
from ..tasks import TASKS, Task
from ..velocity import fit_state, path_through

PROBE = 1e-4  # pixels, pixels per frame and logarithms of parameters that a trajectory is probed with (float64)
ROUNDS = 4  # Gauss-Newton steps from the learned values; from twice or half a value they suffice, too
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Estimate:
    """One physical parameter: the best value on all frames, and two standard deviations of different origin."""

    value: float
    laplace: float  # curvature of the squared error, assuming independent errors of all positions
    bootstrap: float  # scatter when whole videos are drawn again, assuming nothing about errors within a video


def estimate(
    positions: Tensor, task: Task, learned: dict[str, float], at: int, substeps: int = 5
) -> dict[str, Estimate]:
    """Physical parameters with their spread from positions alone.

    Args:
        positions: (N, T, K, 2) as an encoder sees them, pixels.
        learned: values to start from.
        at: index of the frame whose state is projected out.
    """
    positions = positions.double()
    names, values = list(learned), dict(learned)
    for _ in range(ROUNDS):
        physics = PHYSICS[task.physics](task.dt, substeps, task.image_size, task.radius, values).double()
        residual, change = _profile(positions, at, physics, names)  # (N, M), (N, M, p)
        information = change.mT @ change  # (N, p, p)
        push = (change.mT @ residual.unsqueeze(-1)).squeeze(-1)  # (N, p)
        step = torch.linalg.solve(information.sum(0), push.sum(0))
        values = {name: values[name] * step[i].exp().item() for i, name in enumerate(names)}
    n, observed, unknown = len(positions), residual.shape[1], 2 * positions.shape[2] * 2
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
    return {
        name: Estimate(values[name], values[name] * laplace[i].item(), values[name] * scatter[i].item())
        for i, name in enumerate(names)
    }


def of_model(published: Published) -> dict[str, Estimate]:
    """Estimates from the positions that a trained model sees in its example videos, in the frames training uses."""
    task = TASKS[published.config.task]
    positions = torch.from_numpy(published.evaluation.positions)
    learned = published.model.physics.values()
    return estimate(positions, task, learned, task.input_steps - 1, published.config.substeps)


@torch.no_grad()
def _profile(positions: Tensor, at: int, physics: Dynamics, names: list[str]) -> tuple[Tensor, Tensor]:
    """What the best states leave unexplained, (N, M), and how that would change with each log parameter, (N, M, p)."""
    n, steps, k, _ = positions.shape
    guess = (positions[:, at], (positions[:, at] - positions[:, at - 1]) / physics.dt)
    pos, vel = fit_state(positions, at, guess, physics, iterations=6)
    state = torch.stack([pos, vel * physics.dt], 1).flatten(1)  # (N, 4 K)

    def path(state: Tensor) -> Tensor:
        pos, vel = state.view(-1, 2, k, 2).unbind(1)
        return path_through(pos, vel / physics.dt, at, steps, physics).flatten(1)

    here = path(state)  # (N, M)
    directions = PROBE * torch.eye(state.shape[1], dtype=state.dtype)
    moved = path((state.unsqueeze(1) + directions).flatten(0, 1)).unflatten(0, (n, -1))
    by_state = ((moved - here.unsqueeze(1)) / PROBE).mT  # (N, M, 4 K)
    by_parameter = []
    for name in names:
        physics.logs[name] += PROBE
        by_parameter.append((path(state) - here) / PROBE)
        physics.logs[name] -= PROBE
    by_parameter = torch.stack(by_parameter, -1)
    basis = torch.linalg.qr(by_state).Q
    return positions.flatten(1) - here, by_parameter - basis @ (basis.mT @ by_parameter)
