"""Drawing discs and digits into frames as the authors' generator does, but without drawing the large picture.

The authors draw every frame several times too large and shrink it with scikit-image's anti-aliased ``resize``.
Shrinking is linear and separable, ``small = R @ large @ R.T``, and an object covers only few large pixels, so a window
of R around it is all that is needed.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from skimage.transform import resize

from .system import SimulationError

DISC_SCALE = 10  # large pixels per pixel
DISC_CHANNELS = ((2,), (1,), (0,), (0, 1))  # of object 0, 1, ...: blue, green and red as the authors', then yellow

ASSETS = Path(__file__).parent / "assets"
DIGIT_SCALE = 5  # large pixels per pixel
SIDE = 22  # of a digit, pixels: MNIST's 28 without 3 on each side
LARGE = SIDE * DIGIT_SCALE
DARKER = 0.2  # taken from the background's brightness
WIDTH = SIDE + 6  # pixels that a digit reaches: the blur adds 8 large ones on each side, the interpolation some more
COLORS = np.eye(3, dtype=np.float32)[:2, :, None, None]  # digit 0 is red, digit 1 green


@lru_cache
def shrink_matrix(size: int, factor: int) -> np.ndarray:
    """The (size, factor * size) matrix R of the authors' anti-aliased resize along one axis."""
    # Resizing the identity along its first axis only gives the matrix of that operation.
    return resize(np.eye(factor * size), (size, factor * size), anti_aliasing=True)


@lru_cache
def shrink_windows(size: int, factor: int, length: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """For every place of an object of ``length`` large pixels: the ``width`` rows of R that it reaches.

    Entry ``i`` belongs to an object whose first large pixel is ``i - length``: it may leave the image on both sides,
    and what is outside is not drawn.

    Returns:
        first row of each window (factor * size + length,), and the windows (factor * size + length, width, length).
    """
    matrix = np.pad(shrink_matrix(size, factor), ((0, 0), (length, length)))
    places = np.arange(factor * size + length)
    middle = (places - length + length // 2) // factor
    first = np.clip(middle - width // 2, 0, size - width)
    return first, np.stack([matrix[f : f + width, c : c + length] for f, c in zip(first, places, strict=True)])


def draw_discs(centres: np.ndarray, size: int, radius: float = 2.0) -> np.ndarray:
    """Frames with one disc per object on black, in blue, green, red and yellow; where two overlap both are seen.

    Args:
        centres: (N, K, 2) as (x, y) in pixels, K <= 4; the image's top-left corner is (0, 0).
        size: side of the image, pixels.
        radius: of the discs, pixels.
    Returns:
        (N, size, size, 3) uint8.
    """
    n, k, _ = centres.shape
    if k > len(DISC_CHANNELS):
        raise SimulationError(f"discs have a colour each: at most {len(DISC_CHANNELS)} objects, got {k}")
    large = int(DISC_SCALE * radius)
    span = np.arange(-(large - 1), large)
    disc = (span[:, None] ** 2 + span**2 < large**2).astype(np.float64)  # (2 half + 1, 2 half + 1)
    # The blur reaches 18 large pixels beyond the disc (4 sigma of 4.5), the interpolation 5 more.
    width = min(size, 2 * ((large + 18 + 5) // DISC_SCALE + 1))
    first, windows = shrink_windows(size, DISC_SCALE, len(disc), width)

    corner = np.floor(DISC_SCALE * centres).astype(np.int64) - (large - 1)
    cx, cy = np.clip(corner + len(disc), 0, len(first) - 1).transpose(2, 0, 1)  # (N, K)
    patches = (windows @ disc)[cy] @ windows.transpose(0, 2, 1)[cx]  # (N, K, width, width)
    # Fully covered is 1 but for rounding, to which side depends on the processor; what is truncated must not.
    patches = (patches * 255.0 + 1e-9).astype(np.uint8)

    frames = np.zeros((n, size, size, 3), np.uint8)
    offsets = np.arange(width)
    rows = (first[cy][..., None] + offsets)[..., :, None]  # (N, K, width, 1)
    columns = (first[cx][..., None] + offsets)[..., None, :]  # (N, K, 1, width)
    every = np.arange(n)[:, None, None]
    for j, channels in enumerate(DISC_CHANNELS[:k]):
        for channel in channels:
            place = every, rows[:, j], columns[:, j], channel
            frames[place] = np.maximum(frames[place], patches[:, j])
    return frames


@lru_cache
def _pictures(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of both digits, (2, LARGE, LARGE), and the large background, (3, 5 size, 5 size), float32 in [0, 1]."""
    digits = [imageio.imread(ASSETS / f"digit{j}.png")[3:-3, 3:-3] / 255 for j in range(2)]
    opacity = np.stack([resize(digit, (LARGE, LARGE), order=1) for digit in digits])
    photo = resize(imageio.imread(ASSETS / "truck.png") / 255, (size, size))
    photo = np.clip(photo - DARKER, 0, 1).transpose(2, 0, 1)
    large = photo.repeat(DIGIT_SCALE, 1).repeat(DIGIT_SCALE, 2)
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
        raise SimulationError(f"there are pictures of two digits, got {centres.shape[1]} objects")
    opacity, large = _pictures(size)
    shrink = shrink_matrix(size, DIGIT_SCALE).astype(np.float32)
    empty = shrink @ large @ shrink.T  # (3, size, size)
    start, windows = shrink_windows(size, DIGIT_SCALE, LARGE, WIDTH)
    windows = windows.astype(np.float32)
    canvas = np.pad(large, ((0, 0), (LARGE, LARGE), (LARGE, LARGE)))
    untouched = canvas.copy()
    # First large pixel of every digit on the padded canvas, (N, 2, 2).
    corners = np.floor(DIGIT_SCALE * centres).astype(np.int64) - LARGE // 2 + LARGE
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


# What an object can look like: name -> draw(centres (N, K, 2), image size, radius) -> uint8 (N, S, S, 3).
SPRITES: dict[str, Callable[[np.ndarray, int, float], np.ndarray]] = {"disc": draw_discs, "digit": draw_digits}
