"""Inverse graphics taken literally: move the positions until the drawn frame fits the seen one best."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..gauss_newton import solve

PROBE, LARGEST = 0.5, 2.0  # pixels an object is moved by to see how the frame changes, and by at most in one step
DAMPING = 1e-2
Drawing = Callable[[Tensor], Tensor]  # of positions (N, K, 2), pixels, as frames (N, C, S, S)


@torch.no_grad()
def refine(drawing: Drawing, frames: Tensor, positions: Tensor, steps: int, search: float = 0.0) -> Tensor:
    """Move all positions of a frame at once until what is drawn fits it best, by Gauss-Newton on the squared error.

    A centre of mass is off where an object is cut by the border or covered by another; drawing both is not. What
    is returned is the best place on the way: a step can make the error of a frame larger.

    Args:
        frames: (N, C, S, S) in [0, 1].
        positions: first guess, (N, K, 2) in pixels.
        search: start from the best of the first guess and eight places around each object, so many pixels away;
            detailed objects, such as digits, fit with a wrong part of themselves, too. 0: from the first guess.
    Returns:
        refined positions (N, K, 2), without gradient.
    """
    shape, observed = positions.shape, frames.flatten(1)  # (N, C S S)
    if search:
        positions = _best_around(drawing, frames, positions, search)

    def draw(places: Tensor) -> Tensor:
        return drawing(places.view(shape)).flatten(1)

    places = best = positions.flatten(1)  # (N, 2 K)
    moves = PROBE * torch.eye(places.shape[1], device=places.device)
    smallest = None
    for step in range(steps + 1):
        drawn = draw(places)
        error = (observed - drawn).square().sum(1)
        smallest = error if smallest is None else smallest
        best = torch.where((error < smallest).unsqueeze(1), places, best)
        smallest = torch.minimum(error, smallest)
        if step < steps:
            # One move after the other: all at once would need 2 K times the memory and is not faster.
            jacobian = torch.stack([(draw(places + move) - drawn) / PROBE for move in moves], 1).mT
            places = places + solve(jacobian, observed - drawn, DAMPING).clamp(-LARGEST, LARGEST)
    return best.view(shape)


def _best_around(drawing: Drawing, frames: Tensor, positions: Tensor, distance: float) -> Tensor:
    """The given positions, (N, K, 2), or with one object moved by ``distance`` in one of eight directions."""
    angles = torch.arange(8, device=positions.device) * math.pi / 4
    ring = distance * torch.stack([angles.cos(), angles.sin()], -1)  # (8, 2)
    k = positions.shape[1]
    moves = torch.zeros(1 + 8 * k, k, 2, device=positions.device)  # the first one stays
    for index in range(k):
        moves[1 + 8 * index : 9 + 8 * index, index] = ring
    errors = [(frames - drawing(positions + move)).square().sum((1, 2, 3)) for move in moves]
    return positions + moves[torch.stack(errors).argmin(0)]
