"""What a clip cannot tell, found before and after it was measured, each in one plain sentence."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import fft, ndimage

from pig_core.physics import Constant

from .fit import refused_rival
from .look import sample
from .track import Scene, Track
from .video import Clip

SHAKEN = 0.3  # of the frames
SMALL = 4.0  # pixels of the file across
SHADOW = 0.96  # darkness: shadows of rendered clips have 0.985 and more, objects 0.93 and less
POOR = 0.5  # of what moves there that a drawn object explains: well-found ones have 0.55 and more
ASTRAY = 0.5  # of an object's diameter, that the last quarter may be from its prediction
TOUCHED = 0.1  # of the frames in which objects may meet: a collision is no more
RIVAL = 0.3  # of the score of what was measured, from which on another thing is worth a word
BLACK = 0.25  # of the background's light, that a shadow leaves at least
LOOKED_AT = 40  # frames that are enough to tell a shadow


def of_clip(clip: Clip) -> list[str]:
    """What can be seen before anything is followed."""
    found = []
    steps = np.diff(clip.times)
    if len(steps) > 3 and steps.max() > 1.9 * np.median(steps):
        found.append("the time between frames varies: the file's time stamps were used; set fps if they are wrong")
    pairs = list(zip(clip.frames[:-1], clip.frames[1:], strict=True))
    change = np.array([np.abs(a[::4, ::4].astype(int) - b[::4, ::4]).mean(-1) for a, b in pairs])
    level = change.mean((1, 2))
    if (change > 25).mean((1, 2)).max() > 0.5:
        cut = int((change > 25).mean((1, 2)).argmax()) + 1
        found.append(
            f"the whole picture changes at {clip.times[cut]:.2f} s: a cut, or a moved camera; set start or end there"
        )
    repeats = (level < 1e-9).mean()
    if repeats > 0.2:
        found.append(
            f"{100 * repeats:.0f} % of the frames repeat the one before: the clip's clock may not be the camera's"
        )
    if shake(clip) > SHAKEN:
        found.append("the camera moves: positions are relative to the picture; use a tripod")
    return found


def shake(clip: Clip, most: int = 24) -> float:
    """The share of frames in which the picture as a whole is shifted against the median, by a pixel or more."""
    chosen = np.unique(np.linspace(0, len(clip.frames) - 1, most).round().astype(int))
    grey = clip.frames[chosen].mean(-1)
    grey = grey - grey.mean((1, 2), keepdims=True)
    still = fft.rfft2(np.median(grey, 0))
    shifts = []
    for picture in grey:
        cross = fft.rfft2(picture) * np.conj(still)
        peak = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-6), grey.shape[1:])
        shifts.append(peak[0, 0] < peak.max())
    return float(np.mean(shifts))


def darkness(track: Track, scene: Scene) -> float:
    """How much of what an object differs from the background by is the background made darker by one factor, 0 to 1.

    A shadow has the background's colours and pattern wherever it goes; an object has shades and colours of its own.
    A dark object of one grey is not told from a shadow by this.
    """
    look = track.look
    index = np.flatnonzero(track.seen)
    index = index[:: max(1, len(index) // LOOKED_AT)]
    inner = ndimage.binary_erosion(look.mask > 0.5)
    inner = inner if inner.sum() >= 5 else look.mask > 0.5
    if not len(index) or not inner.any():
        return 0.0
    at = track.positions[index] - look.centroid
    image = sample(scene.frames, index, at, look.half)[:, inner]
    behind = sample(scene.background[None], np.zeros(len(index), int), at, look.half)[:, inner]
    factor = float((image * behind).sum() / max(float((behind**2).sum()), 1e-9))
    if not BLACK < factor < 1:
        return 0.0
    rest, moved = ((image - part) ** 2 for part in (factor * behind, behind))
    return float(1 - rest.sum() / max(float(moved.sum()), 1e-9))


def same_motion(one: np.ndarray, other: np.ndarray, frames: np.ndarray) -> bool:
    """Whether two things move alike up to scale and place, as an object and its shadow do."""
    if frames.sum() < 5:
        return one is other
    a, b = (x[frames].reshape(frames.sum(), -1) for x in (one, other))
    design = np.column_stack([a, np.ones(len(a))])
    rest = b - design @ np.linalg.lstsq(design, b, rcond=None)[0]
    return bool(rest.var(0).sum() < 0.02 * b.var(0).sum())


def of_another(other: Track | None, result, scene: Scene) -> list[str]:
    """That something else moves, if it is neither a shadow nor moves with what was measured."""
    if other is None or other.score < RIVAL * min(track.score for track in result.tracks):
        return []
    pair, both = (result.positions, other.positions), other.seen & result.fit.used
    # Either tells the other: a ball that is thrown tells where an even motion is, but not the other way round.
    if darkness(other, scene) > SHADOW or (same_motion(*pair, both) and same_motion(*pair[::-1], both)):
        return []
    t = int(np.where(other.seen, other.drawn, -1).argmax())
    x, y = result.clip.to_file(other.positions[t])
    return [f"something else moves as well: if you meant that, set at={result.clip.times[t]:.2f},{x:.0f},{y:.0f}"]


def of_drawing(tracks: Sequence[Track], used: np.ndarray, diameters: Sequence[float]) -> list[str]:
    """Objects of some diameters that no one picture shows, in the frames (T,) that a law was fitted to.

    Where an object is too small, which is said by itself, most of it is edge, and drawing it tells little.
    """
    explained = [float(np.median(track.drawn[used])) for track in tracks]
    return [
        f"drawing object {number} explains only {100 * share:.0f} % of what moves there: it changes its look or is "
        "more than one thing, and its place is not to be trusted"
        for number, (share, diameter) in enumerate(zip(explained, diameters, strict=True), 1)
        if share < POOR and diameter >= SMALL
    ]  # fmt: skip


def overlapping(positions: np.ndarray, diameters: Sequence[float]) -> int:
    """In how many frames any two of the discs at positions (T, K, 2) overlap."""
    apart = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    reach = np.add.outer(diameters, diameters) / 2
    return int((np.triu(apart < reach, 1)).any((1, 2)).sum())


def of_bars(parameters: Mapping[str, Mapping[str, float]], constants: Mapping[str, Constant]) -> list[str]:
    """Constants that are above zero by nature and whose bars are not."""
    named = [name for name, value in parameters.items() if name in constants and constants[name].positive]
    lost = [name for name in named if parameters[name]["low"] <= 0]
    return [f"the bar of {name} reaches down to zero: this clip does not measure it" for name in lost]


def of_prediction(unseen_px: float | None, diameters: Sequence[float]) -> list[str]:
    """A last quarter that is not where the first three predict it: by pixels of the file, rms."""
    if unseen_px is None or unseen_px < ASTRAY * min(diameters):
        return []
    return [
        f"the last quarter of the motion is {unseen_px:.1f} pixels from where the first three predict it: the law does "
        "not hold, or something else was followed, such as an object with its shadow"
    ]


def of_result(result, seen: np.ndarray) -> list[str]:
    """What the measurement itself shows."""
    found, fit, clip = [], result.fit, result.clip
    for number, diameter in enumerate(result.diameters, 1):
        if diameter < SMALL:
            found.append(f"object {number} is {diameter:.2f} pixels across: come closer, at least {SMALL:g} are needed")
    if (missing := int((~seen).sum())) > 0:
        found.append(f"in {missing} of {len(seen)} frames the object was not seen: hidden, or out of the picture")
    found += of_drawing(result.tracks, fit.used, result.diameters)
    found += of_bars(result.parameters, fit.law.constants) + of_prediction(result.unseen_px, result.diameters)
    if (met := overlapping(result.positions[fit.used], result.diameters)) > TOUCHED * fit.used.sum():
        found.append(
            f"objects touch or cover each other in {met} of {fit.used.sum()} frames: what is drawn of one may be "
            "part of another, and constants may be further off than their bars say"
        )
    outside = int((seen & ~fit.used).sum())
    if outside > 0.15 * seen.sum():
        found.append(
            f"only {clip.times[fit.first]:.2f} to {clip.times[fit.last]:.2f} s is a free motion by this law: a hand, a "
            f"collision, a cut or slow motion would look so; {outside} frames were left out"
        )
    if rival := refused_rival(result.fits, fit):
        found.append(f"{rival.law.name} fits better, but {rival.refused}: film more before you trust these constants")
    if result.px_per_m is None and any(about.length_power for about in fit.law.constants.values()):
        found.append("the scale is not known: lengths are in pixels; set px_per_m or known")
    rest = fit.path(clip.times[fit.used]) - result.positions[fit.used]
    skew = _skewed(fit, rest, clip.times)
    if skew:
        found.append(skew)
    return found


def _skewed(fit, rest: np.ndarray, times: np.ndarray) -> str:
    """Signs of a view that is not perpendicular to a pendulum's plane."""
    if "length" not in fit.law.constants or rest.shape[1] != 1 or "angle" not in fit.law.numbers:
        return ""
    px, py = fit.numbers[:2]
    dx, dy = (fit.path(times[fit.used])[:, 0] - [px, py]).T
    theta = np.arctan2(dx, dy)
    radial = rest[:, 0, 0] * np.sin(theta) + rest[:, 0, 1] * np.cos(theta)
    if radial.std() < 0.5 or np.ptp(theta) < 0.2:
        return ""
    design = np.stack([np.ones_like(theta), np.sin(theta), np.sin(theta) ** 2], 1)
    left = radial - design @ np.linalg.lstsq(design, radial, rcond=None)[0]
    if 1 - left.var() / radial.var() > 0.6:
        return "the pendulum's path is not a circle: the camera does not look at its plane at a right angle"
    return ""
