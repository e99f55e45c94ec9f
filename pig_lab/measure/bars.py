"""Constants of a fitted law with their error bars, and what the law predicts of the part it did not see."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import toeplitz
from scipy.stats import t as student

from .fit import MARGIN, PHI, TILT, Fit, jacobian, solve, tilted
from .laws import ClipLaw
from .look import QUARTERS, jackknife
from .video import Clip, Note

LESS = 0.85  # of a residual, that one with a tilted camera must be to be believed
SHIFT = 0.01  # of a constant, by which a camera's angle may change it without a word
# Neighbouring errors of a track are alike: fewer of them are independent than there are.
LEVEL = 0.95
# Shares of a diameter by which an even shade moves the place where an object is drawn: over its path, and everywhere.
LEANING, SHIFTED = 0.03, 0.01


def covariance(residuals: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Covariance of the fitted numbers.

    Args:
        residuals: (n, D) of D coordinates with errors of their own.
        slopes: (n D, p) change of the positions with each number.
    Returns:
        covariance (p, p), correlation of neighbouring errors, degrees of freedom.
    """
    n, d = residuals.shape
    scale = np.maximum(np.linalg.norm(slopes, axis=0), 1e-12)
    x = (slopes / scale).reshape(n, d, -1)
    p = x.shape[-1]
    best = (-np.inf, 0.0, 1.0)
    for phi in PHI:
        wx, wr = _whitened(x, phi).reshape(n * d, p), _whitened(residuals[..., None], phi).reshape(n * d)
        left, values, _ = np.linalg.svd(wx, full_matrices=False)
        rest = wr - left @ (left.T @ wr)
        variance = float(rest @ rest) / max(n * d - p, 1)
        likelihood = -(n * d - p) * np.log(max(variance, 1e-12)) + d * np.log(1 - phi**2)
        likelihood -= 2 * np.log(np.maximum(values, 1e-9)).sum()
        if likelihood > best[0]:
            best = (likelihood, phi, variance)
    _, phi, variance = best
    spread = variance / (1 - phi**2) * toeplitz(phi ** np.arange(n))
    flat = x.reshape(n * d, p)
    bread = np.linalg.pinv(flat.T @ flat, rcond=1e-10)
    meat = sum(x[:, k].T @ spread @ x[:, k] for k in range(d))
    dof = max(3.0, n * d * (1 - phi) / (1 + phi) - p)
    return bread @ meat @ bread / np.outer(scale, scale), float(phi), dof


def _whitened(series: np.ndarray, phi: float) -> np.ndarray:
    """Innovations of a process of first order along the first axis."""
    return np.concatenate([np.sqrt(1 - phi**2) * series[:1], series[1:] - phi * series[:-1]])


def bars(
    fit: Fit,
    times: np.ndarray,
    positions: np.ndarray,
    values: Callable[[np.ndarray], dict[str, float]],
    quarters: np.ndarray | None = None,
    diameters: Sequence[float] = (),
) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Value, lower and upper end of 95 % of each constant, and the correlation of neighbouring errors.

    Args:
        values: the constants of the fitted numbers, in whatever units are wanted.
        quarters: (K, turns, quarters, T, 2) by how much each object's places move if a quarter of it is left out.
        diameters: of the objects, pixels: what an even shade may do to their places is allowed for.
    """
    used = fit.used
    rest = (fit.path(times[used]) - positions[used]).reshape(used.sum(), -1)
    slopes_of_path = jacobian(fit.law, fit.numbers, times[used] - fit.zero)
    spread, phi, dof = covariance(rest, slopes_of_path)
    sides = [] if quarters is None else _of_sides(quarters[:, :, :, used], slopes_of_path)
    size = np.maximum(np.linalg.norm(slopes_of_path, axis=0), 1e-12)
    moved = _leanings(positions[used], diameters)
    shifts = np.linalg.lstsq(slopes_of_path / size, moved.T, rcond=1e-10)[0] / size[:, None]
    here, slopes = values(fit.numbers), {}
    for i, number in enumerate(fit.numbers):
        probe = 1e-5 * max(abs(number), 1e-2)
        step = np.zeros(len(fit.numbers))
        step[i] = probe
        up, down = values(fit.numbers + step), values(fit.numbers - step)
        for name in here:
            slopes.setdefault(name, []).append((up[name] - down[name]) / (2 * probe))
    found = {}
    for name, value in here.items():
        slope = np.array(slopes[name])
        variances = np.maximum([slope @ one @ slope for one in (spread, *sides)], 0.0)
        free = np.array([dof, *[QUARTERS - 1] * len(sides)])
        together = variances.sum() ** 2 / max(float((variances**2 / free).sum()), 1e-300)  # Welch and Satterthwaite
        noise = float(student.ppf(0.5 + LEVEL / 2, max(together, free.min())) * np.sqrt(variances.sum()))
        error = float(np.hypot(noise, np.linalg.norm(slope @ shifts)))
        found[name] = (float(value), float(value) - error, float(value) + error)
    return found, phi


def with_rivals(
    found: dict[str, tuple[float, float, float]], fits: list[Fit], fit: Fit, clip: Clip, positions: np.ndarray,
    seen: np.ndarray, values: Callable[..., dict[str, float]],
) -> tuple[dict[str, tuple[float, float, float]], list[Note]]:  # fmt: skip
    """Bars that also cover what other laws and a camera at an angle would give, where these explain as much.

    Args:
        found: value and bar of each constant.
        values: constants from numbers and law.
    """
    notes, unit = [], {name: about.unit for name, about in fit.law.constants.items()}
    wider = dict(found)
    for rival in fits:
        alike = (rival.used & fit.used).sum() > 0.8 * fit.used.sum()
        if rival is fit or rival.refused or rival.bic > fit.bic + MARGIN or not alike:
            continue
        there = values(rival.numbers, rival.law)
        for name, about in rival.law.constants.items():
            if unit.get(name) == about.unit:
                value, low, high = wider[name]
                wider[name] = (value, min(low, there[name]), max(high, there[name]))
    if fit.law.tilts and len(positions[fit.used]) * 2 > len(fit.numbers) + 2:
        tilt = tilted(fit, clip.times, positions, seen, clip.size)
        certain = tilt.bic < fit.bic - MARGIN and tilt.residual < LESS * fit.residual
        certain = certain and np.abs(tilt.numbers[-2:]).max() < 6 * TILT
        base = tilt.numbers[:-2]
        there = values(base)
        sizes = [name for name, about in fit.law.constants.items() if about.positive and found[name][0]]
        shift = max((abs(there[name] / found[name][0] - 1) for name in sizes), default=0.0)
        certain = certain and shift > SHIFT
        for name, (value, low, high) in wider.items():
            slope = np.array([
                (values(base + step)[name] - values(base - step)[name]) / (2 * np.abs(step).max())
                for step in np.diag(1e-5 * np.maximum(np.abs(base), 1e-2))
            ])  # fmt: skip
            error = 2 * float(np.sqrt(max(slope @ tilt.spread[:-2, :-2] @ slope, 0.0)))
            low, high = min(low, there[name] - error), max(high, there[name] + error)
            wider[name] = (there[name] if certain else value, low, high)
        if certain:
            text = (
                f"the scale changes along the path, as if the camera looked at an angle: without that the constants "
                f"would be {100 * shift:.0f} % off; film at a right angle"
            )
            notes.append(Note("perspective", text, True))
    return wider, notes


def _of_sides(quarters: np.ndarray, slopes: np.ndarray) -> list[np.ndarray]:
    """Covariance (p, p) of the fitted numbers from what each object's sides disagree about.

    Args:
        quarters: (K, turns, quarters, n, 2) pixels.
        slopes: (n K 2, p) change of the positions with each number.
    """
    size = np.maximum(np.linalg.norm(slopes, axis=0), 1e-12)
    inverse = (
        np.linalg.pinv(slopes / size, rcond=1e-10).reshape(len(size), -1, len(quarters), 2) / size[:, None, None, None]
    )
    return [jackknife(np.einsum("tqnx,pnx->tqp", of, inverse[:, :, k])) for k, of in enumerate(quarters)]


def _leanings(positions: np.ndarray, diameters: Sequence[float]) -> np.ndarray:
    """Errors of a track that no residual shows, (J, T K 2): where light comes from elsewhere, objects lean with it.

    Each object's places may be stretched and shifted, across and down.
    """
    found = []
    for k, diameter in enumerate(diameters):
        middle = positions[:, k] - positions[:, k].mean(0)  # (T, 2)
        travel = max(float(np.linalg.norm(np.ptp(middle, 0))), 1e-9)
        for axis in range(2):
            for error in (LEANING * middle[:, axis] / travel, SHIFTED):
                one = np.zeros_like(positions)
                one[:, k, axis] = diameter * error
                found.append(one.ravel())
    return np.array(found).reshape(len(found), positions.size)


def scaled(
    law: ClipLaw, numbers: np.ndarray, px_per_m: float | None, known: tuple[str, float] | None
) -> dict[str, float]:
    """The constants, in metres where a scale is known; a known constant makes the scale follow the numbers."""
    values = law.values(numbers)
    if known and known[0] in values:
        px_per_m = scale_from(law, values, *known)[0]
    if not px_per_m:
        return values
    return {name: value / px_per_m ** law.constants[name].length_power for name, value in values.items()}


def scale_from(law: ClipLaw, values: dict[str, float], name: str, value: float) -> tuple[float | None, str]:
    """Pixels a metre from a constant that is known, or why it gives none."""
    if name not in values or not law.constants[name].length_power:
        able = [other for other, about in law.constants.items() if about.length_power]
        text = f"known={name} gives no scale: the law that was found, {law.name}, has no such constant with a length"
        return None, f"{text}; set law" + (f", or give {' or '.join(able)}" if able else "")
    ratio = abs(values[name] / value)
    return ratio ** (1 / law.constants[name].length_power), ""


def unit_of(law: ClipLaw, name: str, px_per_m: float | None) -> str:
    """The unit of a constant as it is reported."""
    unit = law.constants[name].unit
    return unit.replace("pixels", "m") if px_per_m else unit


def predict_last_quarter(fit: Fit, times: np.ndarray, positions: np.ndarray) -> np.ndarray | None:
    """Positions (T, K, 2) of the last quarter, predicted by a fit to the first three; NaN elsewhere.

    The fit begins with guesses from those three quarters alone. None where they are too short, or where it does not
    even fit them.
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
    if np.sqrt(((fit.law.path(best[None], t)[0] - x) ** 2).mean()) > 2 * fit.residual + 1:
        return None
    predicted = np.full(positions.shape, np.nan)
    predicted[late] = replace(fit, numbers=best).path(times[late])
    return predicted
