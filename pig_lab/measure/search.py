"""Where in a frame an object is: what differs from the background, and a look drawn everywhere by correlation."""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from pig_core.system import ConfigError

from .appearance import Appearance
from .video import Clip

BACKGROUND_FRAMES = 80
LEAST_NOISE = 1.5 / 255
PEAKS = 5  # places of a frame that are looked at more closely


@dataclass
class Scene:
    """A clip and what it shows where nothing moves.

    Attributes:
        frames: (T, h, w, 3) uint8; objects that were found are painted out of it.
        background: (h, w, 3) in [0, 1].
        noise: standard deviation of a pixel around the background.
    """

    frames: np.ndarray
    background: np.ndarray
    noise: float

    @classmethod
    def of(cls, clip: Clip) -> "Scene":
        """The background is the median of frames spread over the clip."""
        chosen = np.unique(np.linspace(0, len(clip.frames) - 1, BACKGROUND_FRAMES).round().astype(int))
        few = clip.frames[chosen]
        background = (np.median(few, 0) / 255).astype(np.float32)
        off = np.abs(few[:: max(1, len(few) // 20)] / np.float32(255) - background)
        return cls(clip.frames.copy(), background, max(1.48 * float(np.median(off)), LEAST_NOISE))

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.background.shape[:2]

    def moved(self, t: int) -> np.ndarray:
        """What differs from the background in frame ``t``, (h, w, 3)."""
        return self.frames[t] / np.float32(255) - self.background

    def paint_out(self, look: Appearance, positions: np.ndarray) -> None:
        """Put the background where the object is, in all frames; positions (T, 2) of its centroid."""
        area = ndimage.binary_dilation(look.mask > 0.1, iterations=2)
        rows, columns = np.nonzero(np.pad(area, 1))
        height, width = self.sides
        plain = (self.background * 255).round().astype(np.uint8)
        for t, (x, y) in enumerate((positions - look.centroid).round().astype(int)):
            r, c = rows + y - look.half - 1, columns + x - look.half - 1
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            self.frames[t, r[inside], c[inside]] = plain[r[inside], c[inside]]


class Search:
    """Draws a look at every pixel of some frames; their spectra are computed once.

    Args:
        index: numbers of the frames.
        reach: the largest half of a window, pixels.
        step: 2: on pictures of half the size, which is enough for objects of ten pixels.
    """

    def __init__(self, scene: Scene, index: np.ndarray, reach: int, step: int = 1):
        self.scene, self.index, self.step = scene, index, step
        self.behind = _reduced(scene.background, step)
        self.sides = self.behind.shape[:2]
        self.shape = tuple(fft.next_fast_len(side + reach // step + 2, real=True) for side in self.sides)
        b = self.behind
        self.still = self._spectrum([*np.moveaxis(b, -1, 0), (b**2).sum(-1)])
        self.spectra = [self._of_frame(t) for t in index]

    def _spectrum(self, layers: list[np.ndarray]) -> np.ndarray:
        return np.stack([fft.rfft2(np.asarray(layer, np.float32), self.shape) for layer in layers])

    def _of_frame(self, t: int) -> np.ndarray:
        moved = _reduced(self.scene.frames[t] / np.float32(255), self.step) - self.behind
        return self._spectrum([*np.moveaxis(moved, -1, 0), np.einsum("hwc,hwc->hw", moved, self.behind)])

    def peaks(self, look: Appearance, count: int = PEAKS) -> tuple[np.ndarray, np.ndarray]:
        """The best places: positions (n, count, 2) and what is gained there in squared error, (n, count)."""
        a = look.mask.astype(np.float32)[..., None]
        drawn = [_reduced(np.pad(x, [(0, 1), (0, 1), (0, 0)]), self.step) for x in (a, a * look.content)]
        a, ac = drawn
        half = look.half // self.step
        safe = np.maximum(a, 1e-3)
        kernel = self._spectrum([*np.moveaxis(2 * ac, -1, 0), -2 * a[..., 0]])
        steady = self._spectrum([*np.moveaxis(2 * a * ac, -1, 0), -(a[..., 0] ** 2)])
        kernel, steady = np.conj(kernel), np.conj(steady)
        rows, columns = (np.arange(side) - half for side in self.sides)
        part = np.ix_(rows, columns)
        constant = (fft.irfft2(_dot(steady, self.still), self.shape)[part] - ((ac / safe * a) ** 2).sum()).astype(
            np.float32
        )
        apart = max(1, round(0.6 * look.diameter / self.step))
        where, gains = np.zeros((len(self.index), count, 2)), np.full((len(self.index), count), -1e9)
        for n, of_frame in enumerate(self.spectra):
            gain = fft.irfft2(_dot(kernel, of_frame), self.shape)[part]
            gain += constant
            for k in range(count):
                y, x = divmod(int(gain.argmax()), self.sides[1])
                if k and gain[y, x] < 0.05 * gains[n, 0]:
                    break
                where[n, k], gains[n, k] = (x, y), gain[y, x]
                gain[max(0, y - apart) : y + apart + 1, max(0, x - apart) : x + apart + 1] = -1e9
        return self.step * where + (self.step - 1) / 2, gains


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum of the products of layers (4, h, w): for so few much faster than a reduction."""
    total = left[0] * right[0]
    for x, y in zip(left[1:], right[1:], strict=True):
        total += x * y
    return total


def _reduced(picture: np.ndarray, step: int) -> np.ndarray:
    """A picture (h, w, c) made smaller by averaging ``step`` x ``step`` pixels; what is left over is cut off."""
    if step == 1:
        return picture
    height, width = (side // step for side in picture.shape[:2])
    picture = picture[: height * step, : width * step]
    parts = [picture[i::step, j::step] for i in range(step) for j in range(step)]
    return sum(parts[1:], parts[0]) / np.float32(len(parts))


SIZES = (0.015, 0.03, 0.05, 0.08)  # of half a window in which something may be found, as shares of the long side


def starts_at(clip: Clip, scene: Scene, time: float, x: float, y: float) -> list:
    """Windows around the place at which somebody points: seconds, and pixels of the file.

    Raises:
        ConfigError: if that is outside of the picture.
    """
    column, row = clip.from_file(np.array([x, y])).round().astype(int)
    height, width = scene.sides
    if not (0 <= column < width and 0 <= row < height):
        raise ConfigError(f"at points outside of the picture that is looked at: {x:g}, {y:g}")
    t = int(np.abs(clip.times - time).argmin())
    return [(t, int(column), int(row), max(2, round(size * max(scene.sides)))) for size in SIZES]


def starts(scene: Scene, times: int = 8, sizes: tuple[float, ...] = SIZES, most: int = 3) -> list:
    """Windows in which something moves: (frame, x, y, half), spread over the clip.

    Energy inside a window, less that of the ring around it.
    """
    long_side = max(scene.sides)
    found = []
    for t in np.unique(np.linspace(0, len(scene.frames) - 1, times).round().astype(int)):
        energy = np.clip((scene.moved(t) ** 2).sum(-1) - 27 * scene.noise**2, 0, 0.1)
        if not energy.any():
            continue
        for half in sorted({max(2, round(size * long_side)) for size in sizes}):
            inner, outer = 2 * half + 1, 4 * half + 1
            box = ndimage.uniform_filter(energy, inner, mode="constant") * inner**2
            ring = ndimage.uniform_filter(energy, outer, mode="constant") * outer**2 - box
            value = box - ring
            for _ in range(most):
                y, x = np.unravel_index(int(value.argmax()), value.shape)
                if value[y, x] <= 0:
                    break
                found.append((int(t), int(x), int(y), half))
                value[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = -1
    return found


def look_at(scene: Scene, start: tuple[int, int, int, int]) -> Appearance:
    """A first look from one window of one frame: what differs from the background there."""
    t, x, y, half = start
    rows, columns = (
        np.clip(np.arange(-half, half + 1) + p, 0, n - 1) for p, n in zip((y, x), scene.sides, strict=True)
    )
    image = scene.frames[t][np.ix_(rows, columns)] / np.float32(255)
    moved = np.sqrt(((image - scene.background[np.ix_(rows, columns)]) ** 2).sum(-1) / 3)
    mask = np.clip((moved - 3 * scene.noise) / (3 * scene.noise), 0, 1)
    return Appearance(image.astype(np.float32), mask.astype(np.float32))
