"""From a clip to constants: read it, find what moves, fit laws to it, choose the law, say how sure that is."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pig_core.system import PigError, Progress

from ..measure import warn
from .fit import MOST_OFF, Fit, bars, fit_law, gain, share_off, simplest, solve
from .laws import LAWS, ClipLaw, family
from .options import AUTO, Options
from .track import Scene, Track, Watch, find_mover, find_pointed, glimpse, starts_at
from .video import Clip, read_clip

MOVERS = 3  # things that are followed at most to find one object, if the first ones obey no law
LEAST_FRAMES = 5
LEAST_GAIN = 20.0  # of the BIC over that of a random walk, for a law to have explained anything


class MeasureError(PigError):
    """Nothing could be measured in this clip."""


@dataclass
class Measurement:
    """What was found in a clip.

    Attributes:
        tracks: one for each object of the law.
        positions: (T, K, 2) pixels of the file.
        parameters: name -> value, low, high (95 %), unit.
        px_per_m: None where no scale is known.
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
    warnings: list[str] = field(default_factory=list)

    @property
    def diameters(self) -> list[float]:
        """Of the objects, pixels of the file."""
        return [track.look.diameter * float(self.clip.scale.mean()) for track in self.tracks]


def measure(options: Options, watch: Watch | None = None) -> Measurement:
    """Measure a clip.

    Args:
        watch: is shown what is tried while an object is looked for.
    Raises:
        DataError: if it cannot be read; MeasureError: if nothing can be measured in it.
    """
    began = time.perf_counter()
    clip = read_clip(options.video, options.start, options.end, options.crop_box(), options.fps)
    if len(clip.frames) < LEAST_FRAMES:
        raise MeasureError(
            f"{len(clip.frames)} frames are too few to measure a motion: at least {LEAST_FRAMES} are needed"
        )
    warnings = clip.warnings + warn.of_clip(clip)
    scene = Scene.of(clip)
    try:
        fit, fits, tracks, positions = choose(options, clip, scene, watch)
    except MeasureError as error:
        raise MeasureError("; ".join([str(error), *warnings])) from None  # they may say why
    seen = _seen(tracks)
    name = options.known_constant()
    scale = options.px_per_m
    if name:
        scale, note = _scale(fit.law, fit.law.values(fit.numbers), *name)
        warnings += [note] if note else []
    found, correlation = bars(
        fit, clip.times, positions, lambda numbers: scaled(fit.law, numbers, scale, name),
        np.stack([track.quarters * clip.scale for track in tracks]),
        [track.look.diameter * float(clip.scale.mean()) for track in tracks],
    )  # fmt: skip
    parameters = {
        key: {"value": value, "low": low, "high": high, "unit": unit_of(fit.law, key, scale)}
        for key, (value, low, high) in found.items()
    }
    unseen = predict_last_quarter(fit, clip.times, positions)
    apart = unseen_px = None
    if unseen is not None:
        apart = unseen - positions
        held = fit.used & ~np.isnan(apart).any((1, 2))
        unseen_px = float(np.sqrt((apart[held] ** 2).sum(-1).mean()))
    result = Measurement(
        options, clip, tracks, positions, fits, fit, parameters, scale, unseen, unseen_px, correlation,
        time.perf_counter() - began, warnings,
    )  # fmt: skip
    another = None if options.at else glimpse(scene)  # what was measured has been painted out
    warnings += warn.of_result(result, seen) + warn.of_another(another, result, scene)
    return result


def choose(
    options: Options, clip: Clip, scene: Scene, watch: Watch | None = None
) -> tuple[Fit, list[Fit], list[Track], np.ndarray]:
    """The law, with its fit, that explains what moves, all fits that were tried, and the objects.

    The thing that moves most may be a hand: unless a law explains it well, others are followed, too, and the thing
    that a law explains best is the object. So it is if it is a shadow.
    """
    laws = [law(options.objects) for name, law in LAWS.items() if _wanted(name, law, options)]
    area, count = float(np.prod(clip.size)), options.objects
    tracks: list[Track] = []
    options_found = []
    first = starts_at(clip, scene, *options.pointed()) if options.at else None
    while len(tracks) < (MOVERS if count == 1 and first is None else count):
        track = find_mover(scene, watch=watch) if tracks or not first else find_pointed(scene, first, watch)
        if track is None:
            break
        print(
            f"found     an object of {track.look.diameter * clip.scale.mean():.0f} pixels, score {track.score:.2f}",
            flush=True,
        )
        tracks.append(track)
        darkness = warn.darkness(track, scene)
        scene.paint_out(track.look, track.positions)
        if len(tracks) < count:
            continue
        group = [*tracks[: count - 1], track]
        found = _explained(laws, clip, group, area)
        options_found.append((*found, darkness))
        if found[0] is not None and _well(found) and darkness < warn.SHADOW:
            break
    if len(tracks) < count:
        if first and not tracks:
            raise MeasureError(f"nothing that moves is where at={options.at} points; point at the object in its middle")
        what = "nothing moves" if not tracks else f"only {len(tracks)} of {count} objects move"
        raise MeasureError(f"{what} in this clip; set crop, start and end to where the motion is")
    return _best(options_found)


def _wanted(name: str, law: type[ClipLaw], options: Options) -> bool:
    if options.law != AUTO:
        return options.law in (name, family(name)) or LAWS[options.law].refines == name
    return law.automatic and law.suits(options.objects)


def _seen(tracks: Sequence[Track]) -> np.ndarray:
    return np.all([track.seen for track in tracks], 0)


def _explained(laws: list[ClipLaw], clip: Clip, tracks: list[Track], area: float) -> tuple:
    """The best law of some tracks (or None), all fits, the tracks, their positions, and what the law explains."""
    positions = np.stack([clip.to_file(track.positions) for track in tracks], 1)
    seen = _seen(tracks)
    fits = []
    with Progress("laws", len(laws), 1) as progress:
        for law in laws:
            simpler = next((fit for fit in fits if fit.law.name == law.refines), None)
            fits.append(fit_law(law, clip.times, positions, seen, area, simpler))
            state = fits[-1].refused or f"residual {fits[-1].residual:.2f} pixels, BIC {fits[-1].bic:.0f}"
            progress.advance(f"{law.name}: {state}")
    best = simplest(fits)
    worth = gain(best, positions, seen, area) if best else -np.inf
    return best, fits, tracks, positions, worth


def _well(found: tuple) -> bool:
    """Whether a law explains nearly all of a track: then nothing else needs to be looked at."""
    fit, _, tracks, _, worth = found[:5]
    share = fit.used.sum() / max(_seen(tracks).sum(), 1)
    return worth > LEAST_GAIN and share > 0.8 and share_off(fit, found[3]) < 0.02


def _best(found: list[tuple]) -> tuple[Fit, list[Fit], list[Track], np.ndarray]:
    """Of several things that were followed, the one that a law explains best; of twins, that which is no shadow.

    Raises:
        MeasureError: if no law explains any of them.
    """
    able = [one for one in found if one[0] is not None and one[4] > LEAST_GAIN and share_off(one[0], one[3]) < MOST_OFF]
    if not able:
        tried = max(found, key=lambda one: one[2][-1].score)
        why = "; ".join(f"{fit.law.name}: {fit.refused or _off(fit)}" for fit in tried[1])
        raise MeasureError(
            f"no law explains what moves here ({why}); set start and end to a free motion, crop, or another law"
        )
    best = max(able, key=lambda one: one[4])
    twins = [one for one in able if warn.same_motion(one[3], best[3], one[0].used & best[0].used)]
    return max(twins, key=lambda one: (one[5] < warn.SHADOW, min(track.contrast for track in one[2])))[:4]


def _off(fit: Fit) -> str:
    return f"{fit.residual:.1f} pixels off in the {fit.used.sum()} of {len(fit.used)} frames that it fits best"


def scaled(
    law: ClipLaw, numbers: np.ndarray, px_per_m: float | None, known: tuple[str, float] | None
) -> dict[str, float]:
    """The constants, in metres where a scale is known; a known constant makes the scale follow the numbers."""
    values = law.values(numbers)
    if known and known[0] in values:
        px_per_m = _scale(law, values, *known)[0]
    if not px_per_m:
        return values
    return {name: value / px_per_m ** law.constants[name].length_power for name, value in values.items()}


def _scale(law: ClipLaw, values: dict[str, float], name: str, value: float) -> tuple[float | None, str]:
    """Pixels a metre from a constant that is known, or why it gives none."""
    if name not in values or not law.constants[name].length_power:
        return None, f"no scale: the law {law.name} has no constant {name} that a length enters; set law"
    ratio = abs(values[name] / value)
    return ratio ** (1 / law.constants[name].length_power), ""


def unit_of(law: ClipLaw, name: str, px_per_m: float | None) -> str:
    """The unit of a constant as it is reported."""
    unit = law.constants[name].unit
    return unit.replace("pixels", "m") if px_per_m else unit


def predict_last_quarter(fit: Fit, times: np.ndarray, positions: np.ndarray) -> np.ndarray | None:
    """Positions (T, K, 2) of the last quarter, predicted by a fit to the first three; NaN elsewhere.

    The fit begins with guesses from those three quarters alone. None where they are too short.
    """
    if hasattr(fit.law, "arcs"):  # what comes after a collision cannot be predicted without its mechanics
        return None
    frames = np.flatnonzero(fit.used)
    cut = int(np.ceil(0.75 * len(frames)))
    if len(frames) - cut < 1 or 2 * cut * positions.shape[1] <= len(fit.numbers) + 1:
        return None
    early, late = frames[:cut], frames[cut:]
    t, x = times[early] - fit.zero, positions[early]
    tried = [solve(fit.law, t, x, guess, 60) for guess in fit.law.guesses(t, x)]
    if not tried:
        return None
    best = min(tried, key=lambda one: np.abs(fit.law.path(one[None], t)[0] - x).mean())
    predicted = np.full(positions.shape, np.nan)
    predicted[late] = dataclasses.replace(fit, numbers=best).path(times[late])
    return predicted
