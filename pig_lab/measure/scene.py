"""A clip made steady: repeated frames left out, light made even, the camera's shake taken out, and the background."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from .look import Appearance
from .video import Clip, Note

BACKGROUND_FRAMES = 80
LEAST_NOISE = 1.5 / 255
REPEATED = 0.03  # of the usual change between frames, that a repeated frame still shows: a codec's noise
DARK = 20.0  # grey levels, below which an even background says nothing about the light
DIMMED = 0.05  # change of the light that is corrected
EDGES, STEEP = 40, 2.0  # pixels of a block of the image, at least so many grey levels a pixel steep
WIDE = 4  # of the 8 rows and of the 8 columns of blocks, in which edges must agree on the camera's move
COARSE = 6.0  # pixels: coarser shades say nothing about where the camera is
SHAKEN = 0.5  # pixels of the working size between the 5th and the 95th percentile of the camera's places
TURNED = 0.004  # radians, or share of the size, between the same percentiles: not mended


@dataclass
class Scene:
    """A clip and how it looks where nothing moves.

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
        few = clip.frames[_spread(len(clip.frames))]
        background = (np.median(few, 0) / 255).astype(np.float32)
        off = np.abs(few[:: max(1, len(few) // 20)] / np.float32(255) - background)
        return cls(clip.frames.copy(), background, max(1.48 * float(np.median(off)), LEAST_NOISE))

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.background.shape[:2]

    def moved(self, t: int) -> np.ndarray:
        """The difference of frame ``t`` from the background, (h, w, 3)."""
        return self.frames[t] / np.float32(255) - self.background

    def ignore(self, low: np.ndarray, high: np.ndarray) -> None:
        """Show the background from one corner to another, (2,) each, in all frames."""
        part = (slice(low[1], high[1] + 1), slice(low[0], high[0] + 1))
        self.frames[(slice(None), *part)] = (self.background[part] * 255).round().astype(np.uint8)

    def cover(self, look: Appearance, xy: np.ndarray, wider: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the pixels that an object at ``xy`` (2,), its centroid, covers."""
        area = ndimage.binary_dilation(np.pad(look.mask > 0.1, wider), iterations=wider)
        x, y = (xy - look.centroid).round().astype(int) - look.half - wider
        rows, columns = np.nonzero(area)
        inside = (rows + y >= 0) & (rows + y < self.sides[0]) & (columns + x >= 0) & (columns + x < self.sides[1])
        return rows[inside] + y, columns[inside] + x

    def paint_out(self, look: Appearance, positions: np.ndarray) -> None:
        """Put the background where the object is, in all frames; positions (T, 2) of its centroid."""
        plain = (self.background * 255).round().astype(np.uint8)
        for t, xy in enumerate(positions):
            at = self.cover(look, xy)
            self.frames[t][at] = plain[at]

    def busy(self) -> np.ndarray | None:
        """Left and top, right and bottom of the part in which anything moves, (2, 2) pixels, with a margin."""
        most = np.zeros(self.sides, np.float32)
        for t in range(0, len(self.frames), max(1, len(self.frames) // 100)):
            energy = (self.moved(t) ** 2).sum(-1)
            most = np.maximum(most, ndimage.uniform_filter(energy, 3))
        labels, count = ndimage.label(ndimage.binary_dilation(most > 3 * (5 * self.noise) ** 2, iterations=4))
        if not count:
            return None
        sizes = ndimage.sum_labels(most, labels, np.arange(1, count + 1))
        rows, columns = np.nonzero(np.isin(labels, 1 + np.flatnonzero(sizes > 0.02 * sizes.sum())))
        margin = 0.1 * max(np.ptp(rows), np.ptp(columns)) + 4
        low, high = np.array([columns.min(), rows.min()]) - margin, np.array([columns.max(), rows.max()]) + margin
        return np.clip([low, high], 0, np.array(self.sides[::-1]) - 1)

    def uncovered(self, look: Appearance, positions: np.ndarray, seen: np.ndarray) -> bool:
        """Take an object that rested for long out of the background; whether it was in there.

        Where the object was ever found, the background becomes the median of the frames in which it was ``seen`` (T,)
        elsewhere: while it rests it is not seen, as the background holds it.
        """
        frames = np.flatnonzero(seen)
        if len(frames) < 8 or len(frames) > 0.9 * len(seen):
            return False
        hidden = np.zeros((len(frames), *self.sides), bool)
        for n, t in enumerate(frames):
            hidden[(n, *self.cover(look, positions[t]))] = True
        near = ndimage.binary_dilation(hidden.any(0), iterations=2 * look.half)
        swept = near & ((~hidden).sum(0) >= 4)
        rows, columns = np.nonzero(swept)
        shown = self.frames[frames][:, rows, columns] / np.float32(255)  # (n, pixels, 3)
        shown[hidden[:, rows, columns]] = np.nan
        better = np.nanmedian(shown, 0)
        change = np.abs(better - self.background[rows, columns]).max(-1) > 6 * self.noise
        if change.sum() < 0.25 * look.mask.sum():
            return False
        self.background[rows, columns] = better
        return True


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, BACKGROUND_FRAMES).round().astype(int))


def repeated(frames: np.ndarray) -> np.ndarray:
    """Which frames (T, h, w, 3) repeat the one before, (T,) bool: they change by no more than a codec's noise does.

    A swing that turns around stands still, too, but its neighbours are slow, then.
    """
    change = np.zeros(len(frames) - 1)
    for t in range(len(change)):
        step = frames[t + 1].astype(np.float32).mean(-1) - frames[t].astype(np.float32).mean(-1)
        step = ndimage.uniform_filter(step, 3)
        noise = max(1.48 * float(np.median(np.abs(step))), 0.3)
        change[t] = np.clip(step**2 - (4 * noise) ** 2, 0, None).sum()
    usual = float(np.median(change[change >= np.median(change)])) if len(change) else 0.0
    moving = change > 0.3 * usual
    either = [np.convolve(moving, kernel)[2:-2] > 0 for kernel in ([1, 1, 0, 0, 0], [0, 0, 0, 1, 1])]  # after, before
    return np.concatenate([[False], (change < REPEATED * usual) & either[0] & either[1]])


def without_repeats(clip: Clip) -> None:
    """Leave repeated frames out, with a note; those left keep their times until the track tells better.

    Where every fifth frame, say, repeats one, those that repeat while nothing moves are found by that.
    """
    repeats = repeated(clip.frames)
    if repeats.sum() < max(2, 0.06 * len(repeats)):
        return
    where = np.flatnonzero(repeats)
    for period in range(2, 13):
        phase = int(np.bincount(where % period).argmax())
        regular = np.arange(len(repeats)) % period == phase
        if (repeats & regular).sum() > max(0.8 * len(where), 0.4 * regular.sum()):
            repeats = regular & (np.arange(len(repeats)) > 0)
            break
    clip.stretch = len(repeats) / (~repeats).sum()
    clip.only(~repeats)
    share = f"{100 * repeats.mean():.0f} % of the frames repeat the one before and were left out"
    clip.notes.append(Note("clock", share))


def steadied(clip: Clip) -> None:
    """Take out the camera's shifts, and make the light of all frames even; what cannot be mended gets a note."""
    moves = _camera(clip.frames)
    low, high = np.percentile(moves, [5, 95], axis=0)
    across, down, zoom, turn = high - low
    if max(zoom, turn) > TURNED:
        what = "zooms" if zoom > turn else "turns"
        clip.notes.append(Note("camera", f"the camera {what}: positions and scale change with it; use a tripod", True))
    elif max(across, down) > SHAKEN:
        for t, (x, y) in enumerate(moves[:, :2]):
            clip.frames[t] = ndimage.shift(clip.frames[t], (-y, -x, 0), order=1, mode="nearest")
        shake = float(max(across * clip.scale[0], down * clip.scale[1]))
        clip.notes.append(Note("camera", f"the camera shakes by {shake:.1f} pixels: its shifts were taken out"))
    still = np.median(clip.frames[_spread(len(clip.frames))], 0).astype(np.float32)
    light = _light(clip.frames, still)
    if np.ptp(np.percentile(light[:, 0], [5, 95])) > DIMMED:
        even = (clip.frames - light[:, 1, None, None, None]) / light[:, 0, None, None, None]
        clip.frames = even.round().clip(0, 255).astype(np.uint8)
        clip.notes.append(Note("camera", "the exposure changes: all frames were made equally bright"))


def _light(frames: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Factor and addition, (T, 2), that make ``still`` as bright as each frame.

    They are read off even places, which look the same if the camera shakes; pixels that differ for another reason
    count less.
    """
    steep = sum(slope**2 for slope in np.gradient(ndimage.gaussian_filter(still.mean(-1), 1.5)))
    rows, columns = np.unravel_index(np.argsort(steep, None)[: steep.size // 2 : 7], steep.shape)
    a, found = still[rows, columns].mean(-1), []
    wide = np.ptp(np.percentile(a, [5, 95])) > 20
    if not wide and np.median(a) < DARK:
        return np.tile([1.0, 0.0], (len(frames), 1))
    for frame in frames:
        b = frame[rows, columns].mean(-1)
        use, factor, more = (a < 245) & (b < 250), 1.0, 0.0
        for _ in range(4):
            if use.sum() < 50:
                break
            factor, more = np.polyfit(a[use], b[use], 1) if wide else (b[use].sum() / max(a[use].sum(), 1.0), 0.0)
            off = np.abs(b - factor * a - more)
            use = (a < 245) & (b < 250) & (off <= max(3 * float(np.median(off)), 2.0))
        found.append((factor, more))
    return np.array(found)


def _camera(frames: np.ndarray) -> np.ndarray:
    """Shift across and down (pixels), growth and turn of each frame against the background, (T, 4).

    The background of a shaken clip is blurred: it becomes sharper as frames are laid over each other.
    """
    chosen = _spread(len(frames))
    still, moves = np.median(frames[chosen], 0).mean(-1), np.zeros((len(frames), 4))
    for _ in range(4):
        before, moves = moves, _moves(frames, still)
        if np.ptp(np.percentile(moves[:, :2], [5, 95], axis=0), 0).max() < SHAKEN or np.allclose(
            before, moves, atol=0.1
        ):
            break
        laid = [ndimage.shift(frames[t].mean(-1), -moves[t, 1::-1], order=1, mode="nearest") for t in chosen]
        still = np.median(laid, 0)
    return moves


def _moves(frames: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Shift, growth and turn (T, 4) of each frame against a grey image; none if its edges are where they should be."""
    moves, still = np.zeros((len(frames), 4)), ndimage.gaussian_filter(still, 1.0)
    steep = np.stack(np.gradient(still)[::-1])  # (2, h, w): across, down
    strength = (steep**2).sum(0)
    strength[:3] = strength[-3:] = strength[:, :3] = strength[:, -3:] = 0
    rows, columns = _edges(strength)
    flat = np.unravel_index(np.argsort(strength, None)[: 4 * EDGES], strength.shape)
    block = rows * 8 // still.shape[0] * 8 + columns * 8 // still.shape[1]
    if len(np.unique(block)) < 8:
        return moves
    gx, gy = steep[:, rows, columns]
    x, y = columns - still.shape[1] / 2, rows - still.shape[0] / 2
    slopes = np.stack([gx, gy, gx * x + gy * y, gy * x - gx * y], 1)
    window = np.outer(*(np.hanning(side) for side in still.shape))
    spectrum = np.conj(fft.rfft2(window * (still - ndimage.gaussian_filter(still, COARSE))))
    for t, frame in enumerate(frames):
        sharp = frame.mean(-1)
        grey = ndimage.gaussian_filter(sharp, 1.0)  # leaves 0.28 of a pixel's noise
        before = np.abs(grey[rows, columns] - still[rows, columns])
        noise = max(0.28 * float(np.median(np.abs(sharp - grey)[flat])), 0.3)
        if float(np.median(before)) < 2 * noise:
            continue
        cross = fft.rfft2(window * (grey - ndimage.gaussian_filter(grey, COARSE))) * spectrum
        peak = fft.irfft2(cross, grey.shape)
        jump = np.array(np.unravel_index(peak.argmax(), peak.shape))
        jump = (jump + np.array(grey.shape) // 2) % grey.shape - np.array(grey.shape) // 2
        starts = {(0.0, 0.0, 0.0, 0.0), (*map(float, jump[::-1]), 0.0, 0.0)}
        tried = [_refined_move(grey, still[rows, columns], rows, columns, slopes, np.array(start)) for start in starts]
        after, move = min(tried, key=lambda one: float(np.median(one[0])))
        blocks = np.unique(block)
        nearer = np.array([np.median(after[block == b]) < 0.7 * np.median(before[block == b]) for b in blocks])
        wide = min(len(np.unique(part[nearer])) for part in (blocks // 8, blocks % 8))
        if nearer.mean() > 0.6 and wide >= WIDE:  # all parts of the image agree: no thing in it moved instead
            moves[t] = move
    return moves


def _edges(strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of steep pixels, as many in each block of the image that has some: no moving thing owns most."""
    found = []
    for rows in np.array_split(np.arange(strength.shape[0]), 8):
        for columns in np.array_split(np.arange(strength.shape[1]), 8):
            block = strength[np.ix_(rows, columns)]
            r, c = np.unravel_index(np.argsort(block, None)[-EDGES:], block.shape)
            enough = block[r, c] > STEEP**2
            found.append((rows[r[enough]], columns[c[enough]]))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def _refined_move(grey, calm, rows, columns, slopes, move) -> tuple[np.ndarray, np.ndarray]:
    """Differences (n,) of edges from the background's, and the camera's move (4,), by Gauss and Newton."""
    height, width = grey.shape
    x, y = columns - width / 2, rows - height / 2
    for last in (False, False, False, False, True):
        at = [rows + move[1] + move[2] * y + move[3] * x, columns + move[0] + move[2] * x - move[3] * y]
        off = ndimage.map_coordinates(grey, at, order=1, mode="nearest") - calm
        middle = float(np.median(np.abs(off)))
        if last or np.abs(move[:2]).max() > 0.2 * max(height, width):
            return np.abs(off), move
        pull = slopes / (1 + (off / (5 * max(middle, 0.5))) ** 2)[:, None] ** 2
        move = move - np.linalg.solve(pull.T @ slopes + 1e-6 * np.eye(4), pull.T @ off)


def retimed(clip: Clip, positions: np.ndarray, seen: np.ndarray, noise: float) -> list[Note]:
    """Correct the times of a clip whose frames were lost or repeated, from steps of what moves in it.

    A step is compared with its neighbours: twice as far in the same time means that a frame is missing,
    as far in twice the time that a repeated frame was put in.

    Args:
        positions: (T, K, 2) pixels, where ``seen`` (T,).
        noise: of a position, pixels.
    Returns:
        what was done.
    """
    clip.retimed, lost = True, np.zeros(len(clip.times) - 1, bool)
    usual = float(np.median(np.diff(clip.times)))
    for _ in range(4):  # steps that were made longer let their neighbours be judged better
        lasts, units, told = _units(clip.times, usual, positions, seen, noise)
        shorter = told & (lasts > 1) & (units < lasts)
        if shorter.sum() >= 2 and shorter.sum() > 0.5 * (told & (lasts > 1)).sum():
            clip.times = clip.times[0] + np.arange(len(clip.times)) * usual * clip.stretch
            return [Note("clock", "repeated frames had been put in: the others were spaced evenly in the same time")]
        longer = told & (lasts == 1) & (units > 1)
        if not (longer.sum() >= 2 or (lost.any() and longer.any())):
            break
        lost |= longer
        steps = np.where(longer, units, 1) * np.diff(clip.times)
        clip.times = clip.times[0] + np.concatenate([[0.0], np.cumsum(steps)])
    if not lost.any():
        return []
    text = (
        f"frames are missing at {lost.sum()} places although the time stamps are even: the time there was made longer, "
        "but whether the other steps are right is not known; set fps to the rate of filming"
    )
    return [Note("clock", text, True)]


def _units(times, usual: float, positions, seen, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each step (T - 1,): its usual times by the clock and by the distance, and whether the distance tells."""
    steps, least = np.diff(times), max(8 * min(noise, 0.4), 1.5)  # jumps in time look like noise
    lasts = np.rint(steps / usual)
    velocity = np.diff(positions.reshape(len(positions), -1), axis=0) / steps[:, None]
    velocity[~(seen[1:] & seen[:-1])] = np.nan
    padded = np.pad(velocity, [(3, 3), (0, 0)], constant_values=np.nan)
    count = len(velocity)
    # A steady acceleration does not change the mean of two steps as far before as after.
    pairs = np.stack([(padded[3 - k : 3 - k + count] + padded[3 + k : 3 + k + count]) / 2 for k in (1, 2, 3)])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # medians of nothing
        expected = np.nanmedian(pairs, 0)
        speed = np.linalg.norm(expected, axis=-1)
        ratio = (velocity * expected).sum(-1) / speed**2
        across = np.linalg.norm(velocity - ratio[:, None] * expected, axis=-1)
        units = np.rint(ratio * lasts)
        clear = np.abs(ratio * lasts - units) < 0.25
        off = np.linalg.norm(pairs - expected, axis=-1) > 0.45 * speed
        agree = 2 * off.sum(0) < np.isfinite(pairs[..., 0]).sum(0)  # not so where it bounces
        told = clear & agree & (units >= 1) & (units <= 4) & (speed * usual > least) & (across < 0.3 * speed)
    return lasts, np.where(told, units, lasts), told
