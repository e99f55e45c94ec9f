"""Fitting a law to a track: where free motion begins and ends, how well it fits, and which law fits best."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from .laws import ClipLaw

SOFT = 2.0  # pixels from which on residuals count less
KEEP = 2.5 * 1.2  # standard deviations that a frame may be off and still belong to the free motion
MOST_STEPS, FIRST_STEPS = 25, 8  # of the solver, each with one Jacobian
ROUNDS = 5
GUESSES = 2  # that are followed, the nearest ones
THIN = 60  # frames of a part that are enough to see whether it grows
MOST_OFF = 0.06  # residual as a share of the travel, above which a law does not explain a motion
MARGIN = 10.0  # of the BIC by which a less simple law must be better
PHI = np.arange(0, 0.97, 0.04)  # correlations of neighbouring residuals that are tried
GAP = 2  # frames that may be missing or off inside a free motion
TILT = 0.1  # expected growth of the scale along an image: that of a camera turned by seven degrees
LEAST_REST = 6  # frames
BRIDGED = 0.2  # of the shorter of the stretches beside a longer gap, that it may last


@dataclass
class Fit:
    """A law fitted to the frames of one free motion.

    Attributes:
        numbers: (n,) fitted.
        first, last: of the free motion, as indices of frames.
        used: (T,) frames that the numbers were fitted to.
        zero: time that the law counts from, seconds.
        residual: root mean square over the used frames, pixels per axis.
        bic: of all frames; what is left out is paid for.
        refused: why this cannot be right; empty: it can.
    """

    law: ClipLaw
    numbers: np.ndarray
    first: int
    last: int
    used: np.ndarray
    zero: float
    residual: float = np.inf
    bic: float = np.inf
    refused: str = ""
    spread: np.ndarray | None = None  # covariance of the numbers, of a tilted fit only

    def path(self, times: np.ndarray) -> np.ndarray:
        """Positions (T, K, 2) at times of the clip."""
        return self.law.path(self.numbers[None], times - self.zero)[0]


def solve(
    law: ClipLaw, times: np.ndarray, positions: np.ndarray, guess: np.ndarray, steps: int = MOST_STEPS
) -> np.ndarray:
    """The numbers that fit positions (T, K, 2) best, from one guess; at most ``steps`` Jacobians are computed."""
    low = np.array([law.lowest.get(name, -np.inf) for name in law.numbers])
    high = np.array([law.highest.get(name, np.inf) for name in law.numbers])
    guess = np.clip(guess, low + 1e-9, high - 1e-9)

    def off(numbers: np.ndarray) -> np.ndarray:
        return np.nan_to_num((law.path(numbers[None], times)[0] - positions).ravel(), nan=1e6, posinf=1e6, neginf=-1e6)

    def slopes(numbers: np.ndarray) -> np.ndarray:
        return jacobian(law, numbers, times)

    with np.errstate(all="ignore"):
        return least_squares(
            off, guess, slopes, (low, high), loss="soft_l1", f_scale=SOFT, x_scale="jac", max_nfev=steps,
            xtol=1e-7, ftol=1e-7, gtol=1e-10,
        ).x  # fmt: skip


def jacobian(law: ClipLaw, numbers: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Change of all positions with each number, (T K 2, n), from one batch of paths."""
    probe = 1e-5 * np.maximum(np.abs(numbers), 1e-2)
    all_numbers = np.concatenate([numbers + np.diag(probe), numbers - np.diag(probe)])
    with np.errstate(all="ignore"):
        paths = law.path(all_numbers, times)
    paths = np.nan_to_num(paths, nan=0.0, posinf=1e6, neginf=-1e6).reshape(2, len(numbers), -1)
    return ((paths[0] - paths[1]) / (2 * probe[:, None])).T


def noise_of(positions: np.ndarray) -> float:
    """Standard deviation of a track's errors per axis, from fourth differences, which motion hardly has; pixels."""
    fourth = np.diff(positions.reshape(len(positions), -1), 4, axis=0)
    return max(0.05, 1.48 * float(np.median(np.abs(fourth))) / np.sqrt(70)) if len(fourth) else 0.5


def resting(positions: np.ndarray, seen: np.ndarray, noise: float) -> np.ndarray:
    """Frames (T,) at the beginning and the end in which nothing moves yet, or any more: held, or come to rest."""
    frames = np.flatnonzero(seen)
    found = np.zeros(len(seen), bool)
    for order in (frames, frames[::-1]):
        place = np.median(positions[order[:LEAST_REST]], 0)
        near = (np.linalg.norm(positions[order] - place, axis=-1) < max(4 * noise, 0.3)).all(1)
        count = int(near.argmin()) if not near.all() else 0
        if count >= LEAST_REST:
            found[order[: count - 1]] = True
    return found


def fit_law(
    law: ClipLaw, times: np.ndarray, positions: np.ndarray, seen: np.ndarray, area: float, simpler: Fit | None = None
) -> Fit:
    """The best free motion of a law within a track.

    Args:
        positions: (T, K, 2) pixels, where ``seen`` (T,).
        area: of the picture, pixels squared: a frame that is left out costs as much as a position in it.
        simpler: the fit of the law that this one refines.
    """
    least = max(5, len(law.numbers) // (2 * positions.shape[1]) + 2)
    frames = np.flatnonzero(seen)
    best = Fit(law, np.zeros(len(law.numbers)), 0, 0, np.zeros(len(times), bool), 0.0, refused="too few frames")
    if len(frames) < least:
        return best
    noise = noise_of(positions[frames])
    cores = _cores(frames, least)[: 1 if law.whole else None]
    if simpler is not None:
        if simpler.used.sum() < least or share_off(simpler, positions) > 3 * MOST_OFF:
            best.refused = f"{simpler.law.name} is far off already"
            return best
        cores = [(simpler.first, simpler.last)]
    for first, last in cores:
        fit = _grown(law, times, positions, seen, first, last, noise, least, simpler)
        if fit is None:
            continue
        score(fit, times, positions, seen, area)
        if (bool(fit.refused), fit.bic) < (bool(best.refused), best.bic):
            best = fit
        if fit.used.sum() >= 0.97 * len(frames) and fit.residual < 2 * noise:
            break  # the whole track is explained: nothing to look for
    return best


def _cores(frames: np.ndarray, least: int) -> list[tuple[int, int]]:
    """First and last frames of parts in which a free motion may be: all, halves, thirds."""
    n, parts = len(frames), []
    for share, count in ((1.0, 1), (0.6, 3), (0.35, 3)):
        length = max(least, round(share * n))
        for start in np.unique(np.linspace(0, n - length, count).round().astype(int)):
            parts.append((int(frames[start]), int(frames[start + length - 1])))
    return list(dict.fromkeys(parts))


def _grown(law, times, positions, seen, first, last, noise, least, simpler) -> Fit | None:
    """Fit a part and let it grow or shrink while what it predicts is seen."""
    order = np.arange(len(times))
    used = seen & (order >= first) & (order <= last)
    zero, numbers, visited = float(times[used].mean()), None, set()
    if simpler is not None:
        used, zero, numbers = simpler.used, simpler.zero, law.refined(simpler.numbers)
    for _ in range(ROUNDS):
        thin = np.flatnonzero(used)[:: max(1, used.sum() // THIN)]
        t, x = times[thin] - zero, positions[thin]
        guesses = law.guesses(t, x) if numbers is None else [numbers]
        guesses = sorted(guesses, key=lambda guess: _apart(law, guess, t, x))[:GUESSES]
        tried = [solve(law, t, x, guess, FIRST_STEPS) for guess in guesses]
        if not tried:
            return None
        numbers = min(tried, key=lambda one: _apart(law, one, t, x))
        with np.errstate(all="ignore"):
            off = np.sqrt(((law.path(numbers[None], times - zero)[0] - positions) ** 2).mean((1, 2)))
        sigma = max(noise, 1.48 * float(np.median(off[used])) / 1.18)
        good = seen & (off < KEEP * sigma)
        first, last = _run(good, seen, first, last)
        again = good & (order >= first) & (order <= last)
        if again.sum() < least:
            return None
        same, used = (again == used).all(), again
        if same or used.tobytes() in visited:
            break
        visited.add(used.tobytes())
    numbers = solve(law, times[used] - zero, positions[used], numbers)
    return Fit(law, numbers, first, last, used, zero)


def _apart(law: ClipLaw, numbers: np.ndarray, times: np.ndarray, positions: np.ndarray) -> float:
    """Mean distance of a path from positions, pixels per axis."""
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.abs(law.path(numbers[None], times)[0] - positions).mean(), nan=np.inf))


def _run(good: np.ndarray, seen: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """The longest run of good frames that overlaps first ... last; short gaps, and hidden frames, are bridged."""
    runs, start, end = [], None, None
    off = np.cumsum(seen & ~good)
    for i in np.flatnonzero(good):
        if end is not None and off[i] - off[end] > GAP:
            runs.append((start, end))
            start = None
        start, end = (i if start is None else start), i
    if start is not None:
        runs.append((start, end))
    runs = [run for run in _joined(runs) if run[1] >= first and run[0] <= last] or [(first, first)]
    a, b = max(runs, key=lambda run: run[1] - run[0])
    return int(a), int(b)


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs with short gaps between them as one: a disturbance between two stretches that the same numbers predict."""
    joined: list[tuple[int, int]] = []
    for start, end in runs:
        if joined:
            before, last = joined[-1]
            if start - last - 1 <= BRIDGED * min(last - before + 1, end - start + 1):
                joined[-1] = (before, end)
                continue
        joined.append((start, end))
    return joined


def score(fit: Fit, times: np.ndarray, positions: np.ndarray, seen: np.ndarray, area: float) -> None:
    """Residual and BIC of a fit; neighbouring residuals may be correlated."""
    rest = (fit.path(times[fit.used]) - positions[fit.used]).reshape(fit.used.sum(), -1)  # (n, 2 K)
    fit.residual = float(np.sqrt((rest**2).mean()))
    n = rest.size
    best = np.inf
    for phi in PHI[PHI <= 0.9]:
        white = np.concatenate([np.sqrt(1 - phi**2) * rest[:1], rest[1:] - phi * rest[:-1]])
        variance = max(float((white**2).mean()), 0.05**2)
        best = min(best, n * (np.log(2 * np.pi * variance) + 1) - rest.shape[1] * np.log(1 - phi**2))
    left_out = (~fit.used).sum() * rest.shape[1] / 2
    fit.bic = best + 2 * np.log(area) * left_out + len(fit.numbers) * np.log(n)
    fit.refused = fit.law.refused(fit.numbers, times[fit.used] - fit.zero, positions[fit.used])


def share_off(fit: Fit, positions: np.ndarray) -> float:
    """Residual of a fit as a share of how far the objects moved."""
    if not fit.used.any():
        return np.inf
    return fit.residual / max(float(np.linalg.norm(np.ptp(positions[fit.used], 0), axis=-1).max()), 1e-9)


def gain(fit: Fit, positions: np.ndarray, seen: np.ndarray, area: float) -> float:
    """By how much the BIC of a law beats that of a random walk over the same track: what the law explains."""
    flat = positions.reshape(len(positions), -1)
    both = seen[1:] & seen[:-1]
    steps = np.diff(flat, axis=0)[both]
    variance = max(float((steps**2).mean()), 0.05**2) if len(steps) else 1.0
    walk = seen.sum() * flat.shape[1] * (np.log(2 * np.pi * variance) + 1)
    return walk + 2 * np.log(area) * (~seen).sum() * flat.shape[1] / 2 - fit.bic


def simplest(
    fits: list[Fit], times: np.ndarray, positions: np.ndarray, seen: np.ndarray, size: tuple[int, int]
) -> Fit | None:
    """The law with the fewest numbers whose BIC is within the margin of the best; None if all are refused.

    Of two with as many numbers the one that refines the other counts as less simple. A refinement is needed only where
    a camera at an angle does not explain the positions as well.
    """
    best = _simplest([fit for fit in fits if not fit.refused])
    if best is not None and best.law.tilts and best.law.refines:
        plain = next((fit for fit in fits if fit.law.name == best.law.refines and not fit.refused), None)
        enough = plain is not None and plain.used.sum() >= 0.9 * best.used.sum()
        if enough and tilted(plain, times, positions, seen, size).bic < best.bic + MARGIN:
            return plain
    return best


def refused_rival(fits: list[Fit], chosen: Fit) -> Fit | None:
    """A law that fits better than the chosen one and was refused, as a swing of which too little is seen; or None."""
    rivals = [fit for fit in fits if fit.refused and fit.bic < chosen.bic]
    return _simplest([fit for fit in rivals if not hasattr(fit.law, "arcs")])  # jumps explain anything


def _simplest(fits: list[Fit]) -> Fit | None:
    best = min((fit.bic for fit in fits), default=0)
    near = [fit for fit in fits if fit.bic <= best + MARGIN]
    return min(near, key=lambda fit: (len(fit.law.numbers), bool(fit.law.refines), fit.bic), default=None)


class Tilted(ClipLaw):
    """A law seen by a camera at an angle: the scale changes along the image, by two more numbers.

    Args:
        law: how the motion is at a right angle.
        size: width and height of the image, pixels; in its middle the scale is what it is said to be.
    """

    def __init__(self, law: ClipLaw, size: tuple[int, int]):
        self.law, self.middle, self.wide = law, np.array(size) / 2, float(max(size))
        self.name, self.lowest, self.highest = law.name, law.lowest, law.highest
        self.numbers = (*law.numbers, "tilt_x", "tilt_y")

    def path(self, numbers, times):
        place = self.law.path(numbers[:, :-2], times) - self.middle  # (P, T, K, 2)
        growth = (place * numbers[:, None, None, -2:]).sum(-1, keepdims=True) / self.wide
        return self.middle + place * (1 + growth)

    def refused(self, numbers, times, positions):
        return ""


def tilted(fit: Fit, times: np.ndarray, positions: np.ndarray, seen: np.ndarray, size: tuple[int, int]) -> Fit:
    """A fit of the same law, seen by a camera at an angle; angles of a few degrees are expected."""
    law = Tilted(fit.law, size)
    found = replace(fit, law=law, numbers=np.append(fit.numbers, [0.0, 0.0]))
    t, x = times[fit.used] - fit.zero, positions[fit.used]
    prior = np.zeros((2, len(found.numbers)))
    prior[0, -2] = prior[1, -1] = 1 / TILT
    for _ in range(6):
        rest = law.path(found.numbers[None], t)[0] - x
        spread = _effective(rest)
        slopes = np.concatenate([jacobian(law, found.numbers, t) / spread, prior])
        off = np.concatenate([rest.ravel() / spread, prior @ found.numbers])
        size_of = np.maximum(np.linalg.norm(slopes, axis=0), 1e-12)
        found.numbers = found.numbers - np.linalg.lstsq(slopes / size_of, off, rcond=1e-10)[0] / size_of
    score(found, times, positions, seen, 1.0)
    found.bic += 2 * np.log(float(np.prod(size))) * (~fit.used).sum() * positions.shape[1]
    found.spread = np.linalg.pinv(slopes.T @ slopes)
    return found


def _effective(rest: np.ndarray) -> float:
    """Standard deviation of residuals (n, ...) as if they were independent; pixels."""
    flat = rest.reshape(len(rest), -1)
    near = float((flat[1:] * flat[:-1]).sum() / max(float((flat**2).sum()), 1e-12))
    phi = float(np.clip(near, 0, 0.9))
    return max(float(np.sqrt((flat**2).mean())), 0.05) * np.sqrt((1 + phi) / (1 - phi))
