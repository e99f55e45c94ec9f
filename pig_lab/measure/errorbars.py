"""Error bars of one clip's constants: neighbouring errors of a track are alike, so fewer of them are independent.

Errors of each coordinate are taken as an autoregressive process of first order. Its correlation is estimated by
restricted likelihood (which allows for what the fit itself took away), and enters the sandwich covariance of least
squares with a t quantile. In simulations 91 to 99.7 % of nominal 95 % bars cover the truth; plain least squares, Newey
and West's and bootstrap bars cover as little as 46 to 66 %. What moves one side of an object and not the others, light
above all, looks like motion and shows in no residual: :mod:`pig_lab.measure.quarters` adds it. An even shade over an
object moves all its sides alike; no residual and no side shows that, so a share of the diameter is allowed for it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import toeplitz
from scipy.stats import t as student

from .fit import PHI, Fit, jacobian
from .quarters import QUARTERS, jackknife

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
