"""Reasons to doubt a measurement, and what a clip cannot tell: one plain sentence each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from pig_core.physics import Constant

from .fit import Fit, refused_rival
from .look import sample
from .scene import Scene
from .track import Track
from .video import Clip, Note

SMALL = 4.0  # pixels of the file across
SHADOW = 0.96  # darkness: shadows of rendered clips have 0.985 and more, objects 0.93 and less
GREY = 0.85  # darkness of a shadow on a pattern, blurred by its edges and the codec
POOR = 0.5  # of what moves there that a drawn object explains: well-found ones have 0.55 and more
FEW = 8  # frames of a free motion, with fewer of which its constants are not to be trusted
ASTRAY = 0.5  # of an object's diameter, that the last quarter may be from its prediction
TOUCHED = 0.1  # of the frames in which objects may meet: a collision is no more
HIDDEN = 0.3  # of the frames of a free motion, that the object may be hidden in
RIVAL = 0.3  # of the score of what was measured, from which on another thing is worth a word
BLACK = 0.25  # of the background's light, that a shadow leaves at least
LOOKED_AT = 40  # frames that are enough to tell a shadow
EARTH = (9.76, 9.84)  # m/s²: from the equator to the poles
STRANGE = 0.05  # of g, that a projectile's may differ from the Earth's beyond its bar
SIZES = (0.002, 1.0)  # metres across: an object that is smaller or larger has a wrong scale or clock


def cut_at(clip: Clip) -> int | None:
    """The first frame after the whole image changes, as at a cut; None if it never does."""
    pairs = zip(clip.frames[:-1], clip.frames[1:], strict=True)
    change = np.array([(np.abs(a[::4, ::4].astype(int) - b[::4, ::4]).mean(-1) > 25).mean() for a, b in pairs])
    return int(change.argmax()) + 1 if len(change) and change.max() > 0.5 else None


def darkness(track: Track, scene: Scene) -> float:
    """The share of an object's difference from the background that one factor below 1 explains, 0 to 1.

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


def of_another(other: Track | None, result, scene: Scene) -> list[Note]:
    """That something else moves, if it is neither a shadow nor moves with what was measured."""
    if other is None or other.score < RIVAL * min(track.score for track in result.tracks):
        return []
    pair, both = (result.positions, other.positions), other.seen & result.fit.used
    # Either tells the other: a ball that is thrown tells where an even motion is, but not the other way round.
    if darkness(other, scene) > SHADOW or (same_motion(*pair, both) and same_motion(*pair[::-1], both)):
        return []
    t = int(np.where(other.seen, other.drawn, -1).argmax())
    x, y = result.clip.to_file(other.positions[t])
    at = f"{result.clip.times[t]:.2f},{x:.0f},{y:.0f}"
    return [Note("track", f"something else moves as well: if you meant that, set at={at}")]


def of_drawing(tracks: Sequence[Track], used: np.ndarray, diameters: Sequence[float]) -> list[Note]:
    """Objects of some diameters that no one image shows, in the frames (T,) that a law was fitted to.

    Where an object is too small, which is said by itself, most of it is edge, and drawing it tells little.
    """
    explained = [float(np.median(track.drawn[used])) for track in tracks]
    text = (
        "drawing object {} explains only {:.0f} % of what moves there: it changes its look or is more than one thing, "
        "and its place is not to be trusted"
    )
    return [
        Note("track", text.format(number, 100 * share), True)
        for number, (share, diameter) in enumerate(zip(explained, diameters, strict=True), 1)
        if share < POOR and diameter >= SMALL
    ]


def overlapping(positions: np.ndarray, diameters: Sequence[float]) -> int:
    """In how many frames any two of the discs at positions (T, K, 2) overlap."""
    apart = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    reach = np.add.outer(diameters, diameters) / 2
    return int((np.triu(apart < reach, 1)).any((1, 2)).sum())


def of_bars(parameters: Mapping[str, Mapping[str, float]], constants: Mapping[str, Constant]) -> list[Note]:
    """Constants that are above zero by nature and whose bars are not."""
    named = [name for name, value in parameters.items() if name in constants and constants[name].positive]
    lost = [name for name in named if parameters[name]["low"] <= 0]
    return [Note("law", f"the bar of {name} reaches down to zero: this clip does not measure it") for name in lost]


def of_prediction(unseen_px: float | None, diameters: Sequence[float]) -> list[Note]:
    """A last quarter that is not where the first three predict it: by pixels of the file, rms."""
    if unseen_px is None or unseen_px < ASTRAY * min(diameters):
        return []
    text = (
        f"the last quarter of the motion is {unseen_px:.1f} pixels from where the first three predict it: the law does "
        "not hold, or something else was followed, such as an object with its shadow"
    )
    return [Note("law", text, True)]


def of_scale(result) -> list[Note]:
    """A scale that is not known, or that gives a size or a gravity that nothing on Earth has."""
    constants = result.fit.law.constants
    if result.px_per_m is None:
        needed = any(about.length_power for about in constants.values())
        text = "the scale is not known: lengths are in pixels; set px_per_m or known"
        return [Note("scale", text)] if needed else []
    found = []
    across = max(result.diameters) / result.px_per_m
    if not SIZES[0] < across < SIZES[1] and Path(result.options.video).suffix != ".csv":
        which, text = "scale", f"the object would be {across:.3g} m across: the scale or the clock is wrong"
        found.append(Note(which, text, True))
    # Gravity that a law only knows as such; a known g is the scale itself.
    g = result.parameters.get("g")
    if g and "length" not in constants and not (g["low"] <= EARTH[1] and g["high"] >= EARTH[0]):
        ratio = g["value"] / np.mean(EARTH)
        slower = round(float(np.sqrt(1 / max(ratio, 1e-9))))
        if abs(ratio - 1) > STRANGE:
            if slower >= 2 and abs(ratio * slower**2 - 1) < 0.15:
                text = f"g is the Earth's if the clip was slowed down {slower} times: set fps to the rate of filming"
                found.append(Note("clock", text, True))
            else:
                text = "g is not the Earth's 9.8 m/s²: check px_per_m, the rate of filming and the camera's angle"
                found.append(Note("scale", text, True))
    return found


def of_result(result, seen: np.ndarray, cut: int | None) -> list[Note]:
    """What the measurement itself shows; the gravest first."""
    found, fit, clip = [], result.fit, result.clip
    for number, diameter in enumerate(result.diameters, 1):
        if diameter < SMALL:
            text = f"object {number} is {diameter:.2f} pixels across: come closer, at least {SMALL:g} are needed"
            found.append(Note("track", text, True))
    if fit.used.sum() < FEW:
        found.append(Note("track", f"the constants come from {fit.used.sum()} frames only, {FEW} are needed", True))
    found += of_drawing(result.tracks, fit.used, result.diameters)
    found += of_prediction(result.unseen_px, result.diameters)
    if cut is not None and fit.first < cut <= fit.last:
        text = f"the whole image changes at {clip.times[cut]:.2f} s: a cut, or a moved camera; set start or end there"
        found.append(Note("camera", text, True))
    hidden = ~seen[fit.first : fit.last + 1]
    if (missing := int((~seen).sum())) > 0:
        text = f"in {missing} of {len(seen)} frames the object was not seen: hidden, or out of the image"
        found.append(Note("occlusion", text, bool(hidden.mean() > HIDDEN)))
    if (met := overlapping(result.positions[fit.used], result.diameters)) > TOUCHED * fit.used.sum():
        text = (
            f"objects touch or cover each other in {met} of {fit.used.sum()} frames: what is drawn of one may be "
            "part of another, and constants may be further off than their bars say"
        )
        found.append(Note("occlusion", text, True))
    outside = int((seen & ~fit.used).sum())
    if outside > 0.15 * seen.sum():
        text = (
            f"only {clip.times[fit.first]:.2f} to {clip.times[fit.last]:.2f} s is a free motion by this law: a hand, a "
            f"collision, a cut or slow motion would look so; {outside} frames were left out"
        )
        found.append(Note("law", text))
    if rival := refused_rival(result.fits, fit):
        text = f"{rival.law.name} fits better, but {rival.refused}: film more before you trust these constants"
        found.append(Note("law", text, True))
    rest = fit.path(clip.times[fit.used]) - result.positions[fit.used]
    found += of_scale(result) + _skewed(fit, rest, clip.times) + of_bars(result.parameters, fit.law.constants)
    return sorted(found, key=lambda note: not note.doubt)


def _skewed(fit: Fit, rest: np.ndarray, times: np.ndarray) -> list[Note]:
    """Signs of a view that is not perpendicular to a pendulum's plane."""
    if "length" not in fit.law.constants or rest.shape[1] != 1 or "angle" not in fit.law.numbers:
        return []
    px, py = fit.numbers[:2]
    dx, dy = (fit.path(times[fit.used])[:, 0] - [px, py]).T
    theta = np.arctan2(dx, dy)
    radial = rest[:, 0, 0] * np.sin(theta) + rest[:, 0, 1] * np.cos(theta)
    if radial.std() < 0.5 or np.ptp(theta) < 0.2:
        return []
    design = np.stack([np.ones_like(theta), np.sin(theta), np.sin(theta) ** 2], 1)
    left = radial - design @ np.linalg.lstsq(design, radial, rcond=None)[0]
    if 1 - left.var() / radial.var() > 0.6:
        text = "the pendulum's path is not a circle: the camera does not look at its plane at a right angle"
        return [Note("perspective", text, True)]
    return []
