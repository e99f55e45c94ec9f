"""Inverse graphics taken literally: move the positions until the drawn frame fits the seen one best."""

from __future__ import annotations

import torch
from torch import Tensor

from .decoder import Decoder

PROBE = 0.5  # pixels an object is moved by to see how the frame changes
LARGEST = 2.0  # pixels a position may be corrected by in one step
DAMPING = 1e-2


@torch.no_grad()
def refine(decoder: Decoder, frames: Tensor, positions: Tensor, steps: int) -> Tensor:
    """Gauss-Newton on the squared error of the drawn frame, over the positions of all objects at once.

    A centre of mass is off where an object is cut by the border or covered by another; drawing both is not. A step
    that makes the error of a frame larger is not taken.

    Args:
        frames: (N, C, S, S) in [0, 1].
        positions: first guess, (N, K, 2) in pixels.
        steps: Gauss-Newton steps.
    Returns:
        refined positions (N, K, 2), without gradient.
    """
    n, k, _ = positions.shape
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
        moved = decoder((positions.unsqueeze(1) + moves).flatten(0, 1)).view(n, 2 * k, -1)
        jacobian = (moved - drawn.flatten(1).unsqueeze(1)) / PROBE  # (N, 2 K, C S S)
        normal = jacobian @ jacobian.mT + DAMPING * torch.eye(2 * k, device=positions.device)
        change = torch.linalg.solve_ex(normal, jacobian @ residual.unsqueeze(-1)).result.view(n, k, 2)
        positions = positions + change.clamp(-LARGEST, LARGEST)
    return best
