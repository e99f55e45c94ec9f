"""Drawing digits over a photograph: the frames of ``mnist_spring_color`` (paper-spec, section 4)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from skimage.transform import resize

from .windows import shrink_matrix, shrink_windows

ASSETS = Path(__file__).parent / "assets"
SUPERSAMPLING = 5  # large pixels per pixel
SIDE = 22  # of a digit, pixels: MNIST's 28 without 3 on each side
LARGE = SIDE * SUPERSAMPLING
DARKER = 0.2  # taken from the background's brightness
WIDTH = SIDE + 6  # pixels that a digit reaches: the blur adds 8 large ones on each side, the interpolation some more
COLORS = np.eye(3, dtype=np.float32)[:2, :, None, None]  # digit 0 is red, digit 1 green


@lru_cache
def _pictures(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of both digits, (2, LARGE, LARGE), and the large background, (3, 5 size, 5 size), float32 in [0, 1]."""
    digits = [imageio.imread(ASSETS / f"digit{j}.png")[3:-3, 3:-3] / 255 for j in range(2)]
    opacity = np.stack([resize(digit, (LARGE, LARGE), order=1) for digit in digits])
    photo = resize(imageio.imread(ASSETS / "truck.png") / 255, (size, size))
    photo = np.clip(photo - DARKER, 0, 1).transpose(2, 0, 1)
    large = photo.repeat(SUPERSAMPLING, 1).repeat(SUPERSAMPLING, 2)
    return opacity.astype(np.float32), large.astype(np.float32)


def draw_digits(centres: np.ndarray, size: int, radius: float = 2.0) -> np.ndarray:
    """Frames with digit 0 in red and digit 1 over it in green; what leaves the image is cut off.

    Args:
        centres: (N, 2, 2) as (x, y) in pixels; the image's top-left corner is (0, 0).
        size: side of the image, pixels.
        radius: unused, digits have their own size; here so that all sprites are drawn alike.
    Returns:
        (N, size, size, 3) uint8.
    """
    if centres.shape[1] != 2:
        raise ValueError(f"there are pictures of two digits, got {centres.shape[1]} objects")
    opacity, large = _pictures(size)
    shrink = shrink_matrix(size, SUPERSAMPLING).astype(np.float32)
    empty = shrink @ large @ shrink.T  # (3, size, size)
    start, windows = shrink_windows(size, SUPERSAMPLING, LARGE, WIDTH)
    windows = windows.astype(np.float32)
    canvas = np.pad(large, ((0, 0), (LARGE, LARGE), (LARGE, LARGE)))
    untouched = canvas.copy()
    # First large pixel of every digit on the padded canvas, (N, 2, 2).
    corners = np.floor(SUPERSAMPLING * centres).astype(np.int64) - LARGE // 2 + LARGE
    corners = corners.clip(0, len(start) - 1)
    frames = np.empty((len(centres), 3, size, size), np.uint8)
    change = np.empty((3, LARGE, LARGE), np.float32)
    for frame, places in zip(frames, corners, strict=True):
        image = empty.copy()
        for j, (x, y) in enumerate(places):
            below = canvas[:, y : y + LARGE, x : x + LARGE]
            np.multiply(opacity[j], np.subtract(COLORS[j], below, out=change), out=change)
            rows, columns = slice(start[y], start[y] + WIDTH), slice(start[x], start[x] + WIDTH)
            image[:, rows, columns] += windows[y] @ change @ windows[x].T
            if j == 0:
                below += change  # the next digit covers this one
        x, y = places[0]
        canvas[:, y : y + LARGE, x : x + LARGE] = untouched[:, y : y + LARGE, x : x + LARGE]
        frame[:] = image.clip(0, 1) * 255
    return torch.from_numpy(frames).movedim(1, -1).contiguous().numpy()  # much faster than numpy's copy
