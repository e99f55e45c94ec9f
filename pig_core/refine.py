"""Inverse graphics taken literally: move the positions until the drawn frame fits the seen one best."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .decoder import Decoder

PROBE = 0.5  # pixels an object is moved by to see how the frame changes
LARGEST = 2.0  # pixels a position may be corrected by in one step
DAMPING = 1e-2


@torch.no_grad()
def refine(decoder: Decoder, frames: Tensor, positions: Tensor, steps: int, search: float = 0.0) -> Tensor:
    """Gauss-Newton on the squared error of the drawn frame, over the positions of all objects at once.

    A centre of mass is off where an object is cut by the border or covered by another; drawing both is not. What
    is returned is the best place on the way: a step can make the error of a frame larger.

    Args:
        frames: (N, C, S, S) in [0, 1].
        positions: first guess, (N, K, 2) in pixels.
        steps: Gauss-Newton steps.
        search: start from the best of the first guess and eight places around each object, so many pixels away;
            detailed objects, such as digits, fit with a wrong part of themselves, too. 0: from the first guess.
    Returns:
        refined positions (N, K, 2), without gradient.
    """
    n, k, _ = positions.shape
    if search:
        positions = _best_around(decoder, frames, positions, search)
    moves = PROBE * torch.eye(2 * k, device=positions.device).view(2 * k, k, 2)
    best, best_error = positions, None
    for step in range(steps + 1):
        drawn = decoder(positions)
        residual = (frames - drawn).flatten(1)  # (N, C S S)
        error = residual.square().sum(1)
        if best_error is None:
            best_error = error
        better = (error < best_error)[:, None, None]
        best, best_error = torch.where(better, positions, best), torch.minimum(error, best_error)
        if step == steps:
            break
        # One move after the other: all at once would need 2 K times the memory and is not faster.
        jacobian = torch.stack([(decoder(positions + move) - drawn).flatten(1) / PROBE for move in moves], 1)
        normal = jacobian @ jacobian.mT + DAMPING * torch.eye(2 * k, device=positions.device)
        change = torch.linalg.solve_ex(normal, jacobian @ residual.unsqueeze(-1)).result.view(n, k, 2)
        positions = positions + change.clamp(-LARGEST, LARGEST)
    return best


def _best_around(decoder: Decoder, frames: Tensor, positions: Tensor, distance: float) -> Tensor:
    """The given positions, (N, K, 2), or with one object moved by ``distance`` in one of eight directions."""
    angles = torch.arange(8, device=positions.device) * math.pi / 4
    ring = distance * torch.stack([angles.cos(), angles.sin()], -1)  # (8, 2)
    k = positions.shape[1]
    moves = torch.zeros(1 + 8 * k, k, 2, device=positions.device)  # the first one stays
    for index in range(k):
        moves[1 + 8 * index : 9 + 8 * index, index] = ring
    errors = [(frames - decoder(positions + move)).square().sum((1, 2, 3)) for move in moves]
    return positions + moves[torch.stack(errors).argmin(0)]
