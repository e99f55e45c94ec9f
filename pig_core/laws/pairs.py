"""What objects that act on one another need: vectors between all of them, sums over those that pull, even starts."""

import numpy as np
from torch import Tensor

# Added to squared distances: keeps the gradient of the distance finite where two centres coincide.
DISTANCE_EPS = 1e-8


def pairs(pos: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors x_i - x_j between all objects, (..., K, K, 2), and their squared lengths, (..., K, K, 1)."""
    d = pos.unsqueeze(-2) - pos.unsqueeze(-3)
    x, y = d.square().split(1, -1)
    return d, x + y + DISTANCE_EPS


def total(pull: Tensor) -> Tensor:
    """Sum over the objects that pull, (..., K, K, 2) to (..., K, 2): for few objects faster than a reduction."""
    first, *others = pull.unbind(-2)
    for other in others:
        first = first + other
    return first


def around(arm: np.ndarray, k: int) -> np.ndarray:
    """The vectors (n, 2) and the same turned to ``k`` even directions, (n, k, 2)."""
    turn = 2 * np.pi * np.arange(k) / k
    cos, sin = np.cos(turn).round(15), np.sin(turn).round(15)  # half a turn is -1 and 0 to the last digit
    x, y = arm[:, :1], arm[:, 1:]
    return np.stack([x * cos - y * sin, x * sin + y * cos], -1)


def nearest(path: np.ndarray) -> np.ndarray:
    """The smallest squared distance between two objects in each scene, (n,), of positions (n, s, K, 2)."""
    i, j = np.triu_indices(path.shape[2], 1)
    square = np.square(path[:, :, i] - path[:, :, j])
    return (square[..., 0] + square[..., 1]).min(axis=(1, 2))
