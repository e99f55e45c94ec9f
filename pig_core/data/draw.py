"""Drawing discs into frames exactly as the authors' generator does, but without drawing the large picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .digits import draw_digits
from .windows import shrink_windows

SUPERSAMPLING = 10  # large pixels per pixel


def draw_discs(centres: np.ndarray, size: int, radius: float = 2.0) -> np.ndarray:
    """Frames with one disc per object, object j in colour channel 2-j (0 blue, 1 green, 2 red), on black.

    Args:
        centres: (N, K, 2) as (x, y) in pixels, K <= 3; the image's top-left corner is (0, 0).
        size: side of the image, pixels.
        radius: of the discs, pixels.
    Returns:
        (N, size, size, 3) uint8.
    """
    n, k, _ = centres.shape
    if k > 3:
        raise ValueError(f"discs have one colour channel each: at most 3 objects, got {k}")
    large = int(SUPERSAMPLING * radius)
    span = np.arange(-(large - 1), large)
    disc = (span[:, None] ** 2 + span**2 < large**2).astype(np.float64)  # (2 half + 1, 2 half + 1)
    # The blur reaches 18 large pixels beyond the disc (4 sigma of 4.5), the interpolation 5 more.
    width = min(size, 2 * ((large + 18 + 5) // SUPERSAMPLING + 1))
    first, windows = shrink_windows(size, SUPERSAMPLING, len(disc), width)

    corner = np.floor(SUPERSAMPLING * centres).astype(np.int64) - (large - 1)
    cx, cy = np.clip(corner + len(disc), 0, len(first) - 1).transpose(2, 0, 1)  # (N, K)
    patches = (windows @ disc)[cy] @ windows.transpose(0, 2, 1)[cx]  # (N, K, width, width)
    patches = (patches * 255.0).astype(np.uint8)

    frames = np.zeros((n, size, size, 3), np.uint8)
    offsets = np.arange(width)
    rows = (first[cy][..., None] + offsets)[..., :, None]  # (N, K, width, 1)
    columns = (first[cx][..., None] + offsets)[..., None, :]  # (N, K, 1, width)
    channel = (2 - np.arange(k))[None, :, None, None]
    frames[np.arange(n)[:, None, None, None], rows, columns, channel] = patches
    return frames


# What an object can look like: name -> draw(centres (N, K, 2), image size, radius) -> uint8 (N, S, S, 3).
SPRITES: dict[str, Callable[[np.ndarray, int, float], np.ndarray]] = {"disc": draw_discs, "digit": draw_digits}
