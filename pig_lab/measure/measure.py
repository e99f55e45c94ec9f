"""From a clip to constants: read it, find what moves, fit laws to it, choose the law, say how sure that is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pig_core.system import PigError, Progress

from . import doubts
from .bars import bars, predict_last_quarter, scale_from, scaled, unit_of, with_rivals
from .fit import MOST_OFF, Fit, fit_law, gain, noise_of, resting, share_off, simplest
from .laws import LAWS, ClipLaw, family
from .options import AUTO, Options
from .scene import Scene, retimed, steadied, without_repeats
from .table import read_table
from .track import Track, Watch, find_mover, find_pointed, glimpse, place_at
from .video import LONG_SIDE, Clip, Note, read_clip

MOVERS = 3  # things that are followed at most to find one object, if the first ones obey no law
LEAST_FRAMES = 5
LEAST_GAIN = 20.0  # of the BIC over that of a random walk, for a law to have explained anything
SMALL = 4.0  # pixels of the working size across, below which a clip is read again from nearer
LIGHT = 0.7  # darkness, below which a thing is no shadow
CLEAR, DISTINCT = 0.03, 0.3  # differences of darkness from which on one of two is the shadow


class MeasureError(PigError):
    """Nothing could be measured in this clip.

    Attributes:
        clip: as it was worked on, or None.
        tracks: what was followed in it.
    """

    def __init__(self, text: str, clip: Clip | None = None, tracks: Sequence[Track] = ()):
        super().__init__(text)
        self.clip, self.tracks = clip, list(tracks)


@dataclass
class Candidate:
    """Things that were followed and the law that explains them best.

    Attributes:
        positions: (T, K, 2) pixels of the file.
        fit: of the best law; None: no law explains them.
        worth: BIC that the law gains over a random walk.
        darkness: of the last track, see :func:`doubts.darkness`.
    """

    tracks: list[Track]
    positions: np.ndarray
    fits: list[Fit]
    fit: Fit | None
    worth: float
    darkness: float = 0.0

    @property
    def seen(self) -> np.ndarray:
        """Frames (T,) in which all objects are seen."""
        return np.all([track.seen for track in self.tracks], 0)

    @property
    def able(self) -> bool:
        """Whether a law explains it."""
        return self.fit is not None and self.worth > LEAST_GAIN and share_off(self.fit, self.positions) < MOST_OFF

    @property
    def clear(self) -> bool:
        """Whether a law explains nearly all of it: then nothing else needs to be looked at."""
        share = self.fit.used.sum() / max(self.seen.sum(), 1) if self.able else 0
        return share > 0.8 and share_off(self.fit, self.positions) < 0.02


@dataclass
class Measurement:
    """The constants that were found in a clip.

    Attributes:
        tracks: one for each object of the law.
        positions: (T, K, 2) pixels of the file.
        parameters: name -> value, low, high (95 %), unit.
        px_per_m: None where no scale is known.
        notes: reasons to doubt it first, then what the clip cannot tell.
    """

    options: Options
    clip: Clip
    tracks: list[Track]
    positions: np.ndarray
    fits: list[Fit]
    fit: Fit
    parameters: dict[str, dict[str, object]]
    px_per_m: float | None
    unseen: np.ndarray | None  # (T, K, 2) where the last quarter is predicted from the first three, else NaN
    unseen_px: float | None
    correlation: float
    seconds: float
    notes: list[Note] = field(default_factory=list)

    @property
    def diameters(self) -> list[float]:
        """Of the objects, pixels of the file."""
        return [track.look.diameter * float(self.clip.scale.mean()) for track in self.tracks]

    @property
    def verdict(self) -> str:
        """``measured``, or ``doubtful`` where there is a reason to doubt it."""
        return "doubtful" if any(note.doubt for note in self.notes) else "measured"


def measure(options: Options, watch: Watch | None = None) -> Measurement:
    """Measure a clip.

    Args:
        watch: is shown what is tried while an object is looked for.
    Raises:
        DataError: if it cannot be read; MeasureError: if nothing can be measured in it.
    """
    began = time.perf_counter()
    if Path(options.video).suffix.lower() == ".csv":
        return _measured(options, *_of_table(options), began)
    clip, scene = _opened(options, options.box("crop"))
    cut = doubts.cut_at(clip)
    first: tuple | MeasureError
    try:
        first = choose(options, clip, scene, watch)
    except MeasureError as error:
        first = error
    missed = isinstance(first, MeasureError)
    nearer = _nearer(options, clip) if not options.crop and (missed or _small(first[0])) else None
    if nearer is not None:
        try:
            first, missed, (clip, scene) = choose(options, *nearer, watch), False, nearer
        except MeasureError as error:
            first = error if missed else first
    if missed:
        raise MeasureError("; ".join([str(first), *_told(clip)]), clip, first.tracks)  # what is odd may say why
    chosen, shadow = first
    another = glimpse(scene)[0] if not options.at and shadow is None else None  # what was measured is painted out
    return _measured(options, clip, chosen, began, scene, shadow, another, cut)


def _of_table(options: Options) -> tuple[Clip, Candidate]:
    """Positions that were measured before, fitted again."""
    clip, tracks = read_table(Path(options.video))
    if len(tracks) != options.objects:
        raise MeasureError(f"{options.video} has {len(tracks)} objects: set objects={len(tracks)}")
    clip.retimed = True
    _leave_out(options, clip, tracks)
    return clip, _best([_explained(options, clip, tracks)])[0]


def _leave_out(options: Options, clip: Clip, tracks: Sequence[Track]) -> None:
    for first, last in options.left_out():
        for track in tracks:
            track.seen &= (clip.numbers < first) | (clip.numbers > last)


def _measured(
    options: Options, clip: Clip, chosen: Candidate, began: float, scene: Scene | None = None,
    shadow: Candidate | None = None, another: Track | None = None, cut: int | None = None,
) -> Measurement:  # fmt: skip
    """The measurement of what was chosen: constants with bars, and all reasons to doubt them."""
    fit, positions = chosen.fit, chosen.positions
    name = options.known_constant()
    scale, error = options.scale()
    notes = list(clip.notes)
    if name:
        scale, text = scale_from(fit.law, fit.law.values(fit.numbers), *name)
        notes += [Note("scale", text, True)] if text else []
    parameters, correlation, law_notes = _constants(chosen, clip, scale, error, name)
    unseen = predict_last_quarter(fit, clip.times, positions)
    unseen_px = None
    if unseen is not None:
        apart = unseen - positions
        held = fit.used & ~np.isnan(apart).any((1, 2))
        unseen_px = float(np.sqrt((apart[held] ** 2).sum(-1).mean()))
    result = Measurement(
        options=options, clip=clip, tracks=chosen.tracks, positions=positions, fits=chosen.fits, fit=fit,
        parameters=parameters, px_per_m=scale, unseen=unseen, unseen_px=unseen_px, correlation=correlation,
        seconds=0.0,
    )  # fmt: skip
    notes += law_notes + _of_shadow(chosen, shadow, parameters, clip, scale, name)
    notes += doubts.of_result(result, chosen.seen, cut)
    notes += doubts.of_another(another, result, scene)
    result.notes = sorted(notes, key=lambda note: not note.doubt)
    result.seconds = time.perf_counter() - began
    return result


def _opened(options: Options, crop, long_side: int = LONG_SIDE) -> tuple[Clip, Scene]:
    clip = read_clip(options.video, options.start, options.end, crop, options.fps, long_side)
    if len(clip.frames) >= LEAST_FRAMES:
        without_repeats(clip)
    if len(clip.frames) < LEAST_FRAMES:
        few = f"{len(clip.frames)} frames are too few to measure a motion: at least {LEAST_FRAMES} are needed"
        raise MeasureError(few)
    steps = np.diff(clip.times)
    if steps.max() > 1.9 * np.median(steps) and not any(
        note.name == "clock" and "repeat" in note.text for note in clip.notes
    ):
        text = "the time between frames varies: the file's time stamps were used; set fps if they are wrong"
        clip.notes.append(Note("clock", text))
    steadied(clip)
    scene = Scene.of(clip)
    if box := options.box("ignore"):
        scene.ignore(*np.clip(clip.from_file(np.reshape(box, (2, 2)).cumsum(0)).round().astype(int), 0, None))
    return clip, scene


def _told(clip: Clip) -> list[str]:
    """What is odd about a file, for the sentence that nothing was found in it."""
    return [note.text for note in clip.notes if not note.text.startswith("no tag")]


def _small(chosen: Candidate) -> bool:
    return min(track.look.diameter for track in chosen.tracks) < SMALL


def _nearer(options: Options, clip: Clip) -> tuple[Clip, Scene] | None:
    """The clip read again, larger, around all that moves; None if that shows no more."""
    if clip.scale.max() < 1.3:
        return None
    box = Scene.of(clip).busy()
    if box is None:
        return None
    low, high = clip.to_file(box[0] - 0.5), clip.to_file(box[1] + 0.5)
    left, top = np.clip(np.floor(low), 0, None).astype(int)
    right, bottom = np.minimum(np.ceil(high).astype(int), clip.size)
    side = int(min(max(right - left, bottom - top), 1.5 * LONG_SIDE))
    if max(right - left, bottom - top) / side > 0.8 * clip.scale.max() or min(right - left, bottom - top) < 16:
        return None
    return _opened(options, (int(left), int(top), int(right - left), int(bottom - top)), side)


def choose(
    options: Options, clip: Clip, scene: Scene, watch: Watch | None = None
) -> tuple[Candidate, Candidate | None]:
    """What is measured, and another candidate that moves alike and may be the object instead.

    The thing that moves most may be a hand: unless a law explains it well, others are followed, too, and the thing
    that a law explains best is the object. One that moves alike is looked for, as an object and its shadow do.
    """
    count = options.objects
    tracks: list[Track] = []
    found: list[Candidate] = []
    places = [place_at(clip, *place) for place in options.pointed()]
    # Of several places each points to an object of its own, or all to the one.
    anchors = [{t: place} for t, place in places] if count > 1 else [dict(places)] if places else []
    while len(tracks) < (MOVERS if count == 1 and not anchors else count):
        twin = None
        if tracks and count == 1 and found[0].clear:
            twin = _twin(scene, found[0], clip) if found[0].darkness > LIGHT else None
            if twin is None:
                break
        pointed = anchors[len(tracks)] if len(tracks) < len(anchors) else None
        track = find_pointed(scene, pointed, watch) if pointed else find_mover(scene, None, watch, twin)
        if track is None:
            break
        across = track.look.diameter * clip.scale.mean()
        print(f"found     an object of {across:.0f} pixels, score {track.score:.2f}", flush=True)
        if count == 1 and scene.uncovered(track.look, track.positions, track.seen):
            track = (find_pointed(scene, pointed, watch) if pointed else find_mover(scene, watch=watch)) or track
        _leave_out(options, clip, [track])
        tracks.append(track)
        darkness = doubts.darkness(track, scene)
        scene.paint_out(track.look, track.positions)
        if len(tracks) < count:
            continue
        found.append(_explained(options, clip, [*tracks[: count - 1], track]))
        found[-1].darkness = darkness
        if len(found) > 1 and found[0].clear:
            break
    if len(tracks) < count:
        if anchors and not tracks:
            raise MeasureError(f"nothing that moves is where at={options.at} points; point at the object in its middle")
        what = "nothing moves" if not tracks else f"only {len(tracks)} of {count} objects move"
        raise MeasureError(f"{what} in this clip; set crop, start and end to where the motion is", tracks=tracks)
    return _best(found)


def _twin(scene: Scene, one: Candidate, clip: Clip) -> list | None:
    """The window of something else that moves as the first candidate does, at a glimpse; None if there is none."""
    other, judged = glimpse(scene)
    if other is None or other.score < 0.1 * one.tracks[0].score:
        return None
    both = other.seen & one.fit.used
    return judged if doubts.same_motion(clip.to_file(other.positions)[:, None], one.positions, both) else None


def _wanted(name: str, law: type[ClipLaw], options: Options) -> bool:
    if options.law != AUTO:
        return options.law in (name, family(name)) or LAWS[options.law].refines == name
    return law.automatic and law.suits(options.objects)


def _explained(options: Options, clip: Clip, tracks: list[Track]) -> Candidate:
    """Some tracks with the fits of all laws; each has its own, as a law may remember where a track jumps."""
    laws = [law(options.objects) for name, law in LAWS.items() if _wanted(name, law, options)]
    area = float(np.prod(clip.size))
    positions = np.stack([clip.to_file(track.positions) for track in tracks], 1)
    found = Candidate(tracks, positions, [], None, -np.inf)
    frames = found.seen
    if frames.any():
        frames = frames & ~resting(positions, frames, noise_of(positions[frames]))
    if frames.sum() >= LEAST_FRAMES and not clip.retimed:
        clip.notes += retimed(clip, positions, frames, noise_of(positions[frames]))
    with Progress("laws", len(laws), 1) as progress:
        for law in laws:
            simpler = next((fit for fit in found.fits if fit.law.name == law.refines), None)
            found.fits.append(fit_law(law, clip.times, positions, frames, area, simpler))
            state = found.fits[-1].refused or f"residual {found.fits[-1].residual:.2f} pixels"
            progress.advance(f"{law.name}: {state}, BIC {found.fits[-1].bic:.0f}")
    found.fit = simplest(found.fits, clip.times, positions, frames, clip.size)
    found.worth = gain(found.fit, positions, frames, area) if found.fit else -np.inf
    return found


def _best(found: list[Candidate]) -> tuple[Candidate, Candidate | None]:
    """Of several things that were followed, the one that a law explains best; of twins, the one that is no shadow.

    Raises:
        MeasureError: if no law explains any of them.
    """
    able = [one for one in found if one.able]
    if not able:
        tried = max(found, key=lambda one: one.tracks[-1].score)
        likely = max(tried.fits, key=lambda fit: (not fit.refused, -share_off(fit, tried.positions), fit.used.sum()))
        raise MeasureError(
            f"no law explains what moves here; nearest is {likely.law.name}: {likely.refused or _off(likely)}; "
            "set start and end to a free motion, crop, or another law",
            tracks=[track for one in found for track in one.tracks],
        )
    best = max(able, key=lambda one: one.worth)
    twins = [one for one in able if doubts.same_motion(one.positions, best.positions, one.fit.used & best.fit.used)]
    if len(twins) == 1:
        return best, None
    twins = sorted(twins, key=lambda one: (is_shadow(one, twins), -min(track.contrast for track in one.tracks)))
    return twins[0], twins[1]


def is_shadow(one: Candidate, twins: list[Candidate]) -> bool:
    """Whether one of several things that move alike is the shadow of another: darker by one factor, the other not."""
    apart = one.darkness - min(other.darkness for other in twins)
    return (one.darkness > doubts.SHADOW and apart > CLEAR) or (one.darkness > doubts.GREY and apart > DISTINCT)


def _off(fit: Fit) -> str:
    return f"{fit.residual:.1f} pixels off in the {fit.used.sum()} of {len(fit.used)} frames that it fits best"


def _constants(chosen: Candidate, clip: Clip, scale, error: float, name) -> tuple[dict, float, list[Note]]:
    """Constants with their bars, the correlation of neighbouring errors, and notes on the choice of the law."""
    fit = chosen.fit

    def values(numbers: np.ndarray, law: ClipLaw = fit.law) -> dict[str, float]:
        return scaled(law, numbers, scale, name)

    found, correlation = bars(
        fit, clip.times, chosen.positions, values,
        np.stack([track.quarters * clip.scale for track in chosen.tracks]),
        [track.look.diameter * float(clip.scale.mean()) for track in chosen.tracks],
    )  # fmt: skip
    found, notes = with_rivals(found, chosen.fits, fit, clip, chosen.positions, chosen.seen, values)
    parameters = {}
    for key, (value, low, high) in found.items():
        more = abs(value * fit.law.constants[key].length_power * error)  # of the scale itself
        low, high = value - float(np.hypot(value - low, more)), value + float(np.hypot(high - value, more))
        parameters[key] = {"value": value, "low": low, "high": high, "unit": unit_of(fit.law, key, scale)}
    return parameters, correlation, notes


def _of_shadow(chosen: Candidate, other: Candidate | None, parameters, clip: Clip, scale, name) -> list[Note]:
    """A note if another thing moves alike, would give other constants, and may be the object."""
    if other is None:
        return []
    same = next((fit for fit in other.fits if fit.law.name == chosen.fit.law.name and not fit.refused), other.fit)
    there = scaled(same.law, same.numbers, scale, name)
    apart = [
        (key, value["value"], there[key])
        for key, value in parameters.items()
        if key in there and not value["low"] <= there[key] <= value["high"]
    ]
    if not apart:
        return []
    told = is_shadow(other, [chosen, other])
    key, one, two = max(apart, key=lambda row: abs(row[2] / row[1] - 1) if row[1] else 0)
    if told or not one or abs(two / one - 1) < 0.005:
        return []
    x, y = other.positions[int(np.flatnonzero(other.fit.used)[0]), 0]
    text = (
        f"two things move alike, as an object and its shadow do: {key} is {one:.4g} by the one that was measured, "
        f"{two:.4g} by the other; point at the object with at={clip.times[np.flatnonzero(other.fit.used)[0]]:.2f},"
        f"{x:.0f},{y:.0f} if it is that"
    )
    return [Note("shadow", text, True)]
