"""Finding what moves: looks are learned from the frames they were found in, and found again, until both agree."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from pig_core.system import ConfigError

from .look import Appearance, learn, refine, without_quarters
from .scene import Scene
from .video import Clip

# Where in a frame an object is: what differs from the background, and a look drawn everywhere by correlation.

PEAKS = 5  # places of a frame that are looked at more closely


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


def place_at(clip: Clip, time: float, x: float, y: float) -> tuple[int, np.ndarray]:
    """The frame and the place in it, working pixels (2,), that somebody points at by seconds and pixels of the file.

    Raises:
        ConfigError: if that is outside of the image.
    """
    place = clip.from_file(np.array([x, y]))
    height, width = clip.frames.shape[1:3]
    if not (0 <= round(place[0]) < width and 0 <= round(place[1]) < height):
        raise ConfigError(f"at points outside of the image that is looked at: {x:g}, {y:g}")
    return int(np.abs(clip.times - time).argmin()), place


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


BLOCK = 8  # consecutive frames: only such show whether a path is smooth
JUDGED, LEARNED = 32, 96  # frames that a first look is judged by, and a look is learned from
ROUNDS = 5
BESIDE = 3  # things that are painted out at most to find the one that somebody points at
REACH = 14  # pixels across, within which somebody points at an object, however small it is
BEST = 3  # first looks that are learned on
SEEN = 0.35  # of what moves in a frame that a drawn object must explain to count as seen
BEND = 0.3  # price of a change of velocity by one diameter a frame, as a share of a frame's gain
SMALL = 10  # pixels across
LARGEST = 0.15  # half of a window, as a share of the long side
SHARP = 0.15  # intensity by which a pixel may be off until it counts less, where an object is followed to the end


# Shown the frames (T, h, w, 3), a look, the numbers of some frames (n,), and where it was found in them (n, 2).
Watch = Callable[[np.ndarray, Appearance, np.ndarray, np.ndarray], None]


@dataclass
class Track:
    """One object through all frames, in pixels of the working size.

    Attributes:
        positions: (T, 2) of the mask's centroid.
        drawn: (T,) how much of what moves around the object is explained by drawing it, at most 1.
        seen: (T,) bool.
        score: how much this is an object: drawn well, moving smoothly and far, in contrast with the background.
        quarters: (turns, quarters, T, 2) by how much the positions move if a quarter of the object is left out.
    """

    look: Appearance
    positions: np.ndarray
    drawn: np.ndarray
    seen: np.ndarray
    score: float
    contrast: float
    quarters: np.ndarray


Judged = list[tuple[float, tuple[int, int, int, int]]]  # how much a window (frame, x, y, half) moves like an object
Anchors = Mapping[int, np.ndarray]  # where somebody says that an object is: frame -> (2,) working pixels


def find_mover(
    scene: Scene, anchors: Anchors | None = None, watch: Watch | None = None, judged: Judged | None = None
) -> Track | None:
    """The thing that moves most like an object, through all frames; None if nothing does.

    Args:
        anchors: places where the object is; None: it may be wherever something moves.
        watch: is shown every look that is tried, and where.
        judged: windows that were judged already.
    """
    total = len(scene.frames)
    cap = int(LARGEST * max(scene.sides))
    if judged is None:
        judged = _judged(scene, starts(scene) if anchors is None else _windows(scene, anchors))
    if not judged:
        return None
    some = _blocks(total, LEARNED)
    search, best, tried = Searches(scene, some, cap), None, []
    watch = watch or (lambda *_: None)
    for _, start in judged:
        if len(tried) == BEST:
            break
        if any(start[0] == t and abs(start[1] - x) + abs(start[2] - y) < half for t, x, y, half in tried):
            continue
        tried.append(start)
        look = learned_look(scene, search, look_at(scene, start), cap, watch)
        if look is None:
            continue
        where, drawn, _ = _locate(scene, search.of(look), look)
        score, _ = judge(look, some, where, drawn, scene)
        if best is None or score > best[0]:
            best = score, look
    if best is None or best[0] <= 0:
        return None
    track = follow(scene, best[1])
    watch(scene.frames, track.look, np.arange(total), track.positions)
    return track


def _judged(scene: Scene, first: list[tuple[int, int, int, int]]) -> Judged:
    """Windows with how much what they show moves like an object, the best first; some frames are enough for that."""
    few = _blocks(len(scene.frames), JUDGED)
    quick = Searches(scene, few, int(LARGEST * max(scene.sides)))
    judged = []
    for start in first:
        look = look_at(scene, start)
        if look.mask.sum() < 2:
            continue
        where, drawn, _ = _locate(scene, quick.of(look), look)
        judged.append((judge(look, few, where, drawn, scene)[0], start))
    return sorted(judged, key=lambda pair: -pair[0])


def glimpse(scene: Scene) -> tuple[Track | None, Judged]:
    """Something that moves, as it looks in one frame, nothing learned, and the window it is in; None: nothing moves."""
    judged = _judged(scene, starts(scene, times=4, most=2))[:1]
    return (follow(scene, look_at(scene, judged[0][1])) if judged and judged[0][0] > 0 else None), judged


def _windows(scene: Scene, anchors: Anchors) -> list[tuple[int, int, int, int]]:
    """Windows (frame, x, y, half) around places, of all sizes."""
    halves = [max(2, round(size * max(scene.sides))) for size in SIZES]
    return [(t, *(int(part) for part in place.round()), half) for t, place in anchors.items() for half in halves]


def find_pointed(scene: Scene, anchors: Anchors, watch: Watch | None = None) -> Track | None:
    """The object at some places, or None.

    What stands out more draws the search away, as an object does from its shadow: it is painted out, in a copy.
    """
    scene = dataclasses.replace(scene, frames=scene.frames.copy())
    for _ in range(BESIDE):
        track = find_mover(scene, anchors, watch)
        if track is None:
            break
        near = max(track.look.diameter, REACH) / 2
        if any(np.linalg.norm(track.positions[t] - place) < near for t, place in anchors.items()):
            return follow(scene, track.look, anchors) if len(anchors) > 1 else track
        scene.paint_out(track.look, track.positions)
    return None


class Searches:
    """Searches in the same frames, made when they are needed: small objects need all pixels, others do not."""

    def __init__(self, scene: Scene, index: np.ndarray, reach: int):
        self.scene, self.index, self.reach, self.made = scene, index, reach, {}

    def of(self, look: Appearance) -> Search:
        """The search that finds an object of this size."""
        step = 1 if look.diameter < SMALL else 2
        if step not in self.made:
            self.made[step] = Search(self.scene, self.index, self.reach, step)
        return self.made[step]


def learned_look(scene: Scene, search: Searches, look: Appearance, cap: int, watch: Watch) -> Appearance | None:
    """A look learned from the frames of ``search``; None if nothing is left of it."""
    for turn in range(ROUNDS):
        if turn in (0, 1, 3):
            where, drawn, _ = _locate(scene, search.of(look), look)
        else:
            where, drawn = refine(scene.frames, search.index, scene.background, look, where)
        weights = np.clip(drawn, 0, 1) ** 2 + 1e-6
        half = min(look.half + 3, cap)
        before = look if turn else None
        look, shift = learn(scene.frames, search.index, scene.background, where, weights, half, before, scene.noise)
        if look.mask.sum() < 2:
            return None
        where = where + shift
        watch(scene.frames, look, search.index, where)
    return look


def follow(scene: Scene, look: Appearance, anchors: Anchors | None = None) -> Track:
    """A look in all frames of a scene; where there are anchors, the object is there."""
    index = np.arange(len(scene.frames))
    where, drawn = [], []
    gains = []
    cap = look.half + 1
    for part in np.array_split(index, max(1, len(index) // 100)):
        search = Search(scene, part, cap, 1 if look.diameter < SMALL else 2)
        peaks, gain = search.peaks(look)
        where.append(peaks)
        gains.append(gain)
    where, gains = np.concatenate(where), np.concatenate(gains)
    for t, place in (anchors or {}).items():
        where[t] = place - look.centroid
    path = smoothest(where, gains, look.diameter, index)
    positions, drawn = refine(scene.frames, index, scene.background, look, path, tau=SHARP)
    quarters = without_quarters(scene.frames, index, scene.background, look, positions, SHARP)
    height, width = scene.sides
    inside = ((positions > -0.5) & (positions < np.array([width, height]) - 0.5)).all(1)
    score, contrast = judge(look, index, positions, drawn, scene)
    return Track(look, positions + look.centroid, drawn, inside & (drawn > SEEN), score, contrast, quarters)


def _locate(scene: Scene, search: Search, look: Appearance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions in the frames of ``search``, how well the object is drawn there, and the gains."""
    peaks, gains = search.peaks(look)
    path = smoothest(peaks, gains, look.diameter, search.index)
    where, drawn = refine(scene.frames, search.index, scene.background, look, path, rounds=2)
    return where, drawn, gains


def smoothest(peaks: np.ndarray, gains: np.ndarray, diameter: float, index: np.ndarray) -> np.ndarray:
    """The path through one peak a frame with the best sum of gains, less a price for changes of velocity.

    Args:
        peaks: (n, P, 2) places and ``gains`` (n, P) what is gained there.
        index: (n,) numbers of the frames; no price is paid where they are not consecutive.
    Returns:
        (n, 2).
    """
    n, count = gains.shape
    top = gains.max(1)
    scale = max(float(np.median(top)), 1e-9)
    value = np.maximum(gains / scale, -10)
    if n < 3:
        return peaks[np.arange(n), gains.argmax(1)]
    best = value[0][:, None] + value[1][None]  # (P before, P now)
    back = []
    for t in range(2, n):
        total = np.broadcast_to(best[:, :, None], (count, count, count))
        if index[t] - index[t - 2] == 2:
            bend = peaks[t][None, None] - 2 * peaks[t - 1][None, :, None] + peaks[t - 2][:, None, None]
            total = total - BEND * np.minimum(np.linalg.norm(bend, axis=-1) / diameter, 3)
        back.append(total.argmax(0))
        best = total.max(0) + value[t][None]
    i, j = np.unravel_index(int(best.argmax()), best.shape)
    chosen = [j, i]
    for step in reversed(back):
        i, j = step[i, j], i
        chosen.append(i)
    return peaks[np.arange(n), chosen[::-1]]


def judge(look: Appearance, index: np.ndarray, where: np.ndarray, drawn: np.ndarray, scene: Scene) -> tuple:
    """How much this is a moving object, 0 to 1, and its contrast with the background."""
    good = drawn > SEEN
    if good.sum() < 3:
        return 0.0, 0.0
    step, gap, known = np.zeros(len(index)), np.full(len(index), np.inf), np.zeros(len(index), bool)
    for t in range(2, len(index) - 2):
        if index[t + 2] - index[t - 2] == 4:
            middle = (4 * (where[t - 1] + where[t + 1]) - where[t - 2] - where[t + 2]) / 6
            gap[t] = np.linalg.norm(where[t] - middle)
            step[t] = np.linalg.norm(where[t + 1] - where[t - 1]) / 2
            known[t] = True
    smooth = (gap < np.maximum(1.0, 0.35 * step)) & good
    smoothness = smooth[known].mean() if known.any() else 1.0
    low, high = np.percentile(where[good], [5, 95], axis=0)
    reach = np.linalg.norm(high - low) / max(look.diameter, 1)
    x, y = where.round().astype(int)[good].T
    height, width = scene.sides
    behind = scene.background[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    inner = look.content[look.mask > 0.5]
    contrast = float(np.sqrt(((inner[:, None] - behind[None]) ** 2).mean())) if len(inner) else 0.0
    # An object that is in the picture for less than half of the time is there, too, but counts for less.
    well = float(np.clip(max(np.median(drawn), np.median(drawn[good]) * good.mean() / 2), 0, 1))
    return well * smoothness * reach / (reach + 5) * min(contrast / 0.15, 1), contrast


def _blocks(total: int, wanted: int) -> np.ndarray:
    """Numbers of about ``wanted`` out of ``total`` frames, in blocks of consecutive ones."""
    if total <= wanted:
        return np.arange(total)
    first = np.linspace(0, total - BLOCK, wanted // BLOCK).round().astype(int)
    return np.unique(first[:, None] + np.arange(BLOCK))
