"""Laws of one object that swings: a mass on a spring, and pendulums with linear and with quadratic damping."""

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ellipk

from pig_core.physics import Constant

from .law import LEAST_PERIOD, ClipLaw, frequencies, register, runge_kutta


@register
class Spring(ClipLaw):
    """A mass on a spring: a damped oscillation along one line, about a resting point that may lie anywhere.

    The phase is that of x = c + u (A cos w t + B sin w t) exp(-d t / 2), with w^2 = omega2 - d^2 / 4.
    """

    name = "spring"
    constants = {"omega2": Constant(unit="1/s²"), "damping": Constant(unit="1/s")}
    numbers = ("x", "y", "angle", "cos", "sin", "omega2", "damping")
    lowest = {"omega2": 1e-3, "damping": 0.0}

    def path(self, numbers, times):
        """See :class:`ClipLaw`."""
        x, y, angle, cos, sin, omega2, damping = (column[:, None] for column in numbers.T)
        omega = np.sqrt(np.maximum(omega2 - damping**2 / 4, 1e-9))
        along = (cos * np.cos(omega * times) + sin * np.sin(omega * times)) * np.exp(-damping / 2 * times)
        return np.stack([x + np.cos(angle) * along, y + np.sin(angle) * along], -1)[:, :, None]

    def guesses(self, times, positions):
        """See :class:`ClipLaw`."""
        middle = np.median(positions[:, 0], 0)
        moved = positions[:, 0] - middle
        axis = np.linalg.svd(moved - moved.mean(0), full_matrices=False)[2][0]
        along, found = moved @ axis, []
        for omega2 in frequencies(times, along[:, None]):
            w = np.sqrt(omega2) * times
            design = np.stack([np.ones_like(w), np.cos(w), np.sin(w)], 1)
            rest, cos, sin = np.linalg.lstsq(design, along, rcond=None)[0]
            found.append(np.array([*(middle + rest * axis), np.arctan2(axis[1], axis[0]), cos, sin, omega2, 1e-3]))
        return found

    def values(self, numbers):
        """See :class:`ClipLaw`."""
        return {"omega2": numbers[5], "damping": numbers[6]}

    def refused(self, numbers, times, positions):
        """See :class:`ClipLaw`."""
        return super().refused(numbers, times, positions) or swing_refused(*numbers[5:7], times)


@register
class Pendulum(ClipLaw):
    """A pendulum of any amplitude with damping: angle'' = -omega2 sin(angle) - damping angle'; down is down."""

    name = "pendulum"
    constants = {
        "omega2": Constant(unit="1/s²"),
        "length": Constant(unit="pixels", length_power=1),
        "damping": Constant(unit="1/s"),
        "g": Constant(unit="pixels/s²", length_power=1),
    }
    numbers = ("pivot_x", "pivot_y", "length", "omega2", "damping", "angle", "rate")
    lowest = {"length": 2.0, "omega2": 1e-3, "damping": 0.0, "angle": -3.2}
    highest = {"angle": 3.2}

    def path(self, numbers, times):
        """See :class:`ClipLaw`."""
        px, py, length, omega2, damping, angle, rate = numbers.T

        def pull(theta: np.ndarray, vel: np.ndarray) -> np.ndarray:
            return -omega2 * np.sin(theta) - self.friction(damping, vel)

        theta = runge_kutta(pull, angle, rate, times, 1 / np.sqrt(max(float(omega2.max()), 1e-3)))
        x = px[:, None] + length[:, None] * np.sin(theta)
        return np.stack([x, py[:, None] + length[:, None] * np.cos(theta)], -1)[:, :, None]

    @staticmethod
    def friction(damping: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """What damping takes from the rate, per second."""
        return damping * rate

    def guesses(self, times, positions):
        """See :class:`ClipLaw`."""
        found = []
        for pivot, length in circles(positions[:, 0]):
            dx, dy = (positions[:, 0] - pivot).T
            theta = np.unwrap(np.arctan2(dx, dy))
            for slow in frequencies(times, theta[:, None]):
                w = np.sqrt(slow) * times
                design = np.stack([np.ones_like(w), np.cos(w), np.sin(w)], 1)
                _, cos, sin = np.linalg.lstsq(design, theta, rcond=None)[0]
                swing = min(np.hypot(cos, sin), 3.0)
                omega2 = slow * (2 / np.pi * ellipk(np.sin(swing / 2) ** 2)) ** 2
                found.append(np.array([*pivot, length, omega2, 1e-3, cos, sin * np.sqrt(slow)]))
        return found

    def values(self, numbers):
        """See :class:`ClipLaw`."""
        length, omega2, damping = numbers[2:5]
        return {"omega2": omega2, "length": length, "damping": damping, "g": omega2 * length}

    def refused(self, numbers, times, positions):
        """See :class:`ClipLaw`."""
        far = 20 * np.linalg.norm(np.ptp(positions[:, 0], 0))
        if numbers[2] > far:
            return "its path is straight: a spring says as much"
        return super().refused(numbers, times, positions) or swing_refused(*numbers[3:5], times)


@register
class PendulumQuadratic(Pendulum):
    """A pendulum with a damping that grows with the square of its speed: damping |angle'| angle'."""

    name = "pendulum_quadratic"
    refines = "pendulum"
    constants = {**Pendulum.constants, "damping": Constant(unit="1")}

    def refined(self, numbers):
        """See :class:`ClipLaw`."""
        swing = max(abs(numbers[6]), np.sqrt(numbers[3]) * abs(numbers[5]), 0.1)
        return np.concatenate([numbers[:4], [numbers[4] / swing], numbers[5:]])

    @staticmethod
    def friction(damping: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """See :class:`Pendulum`."""
        return damping * np.abs(rate) * np.clip(rate, -1e4, 1e4)

    def refused(self, numbers, times, positions):
        """See :class:`ClipLaw`."""
        return super().refused(numbers * np.where(np.arange(7) == 4, 0.0, 1.0), times, positions)


def swing_refused(omega2: float, damping: float, times: np.ndarray) -> str:
    """Why a swing cannot be right: too little of it was seen, or it hardly swings."""
    periods = (times[-1] - times[0]) * np.sqrt(omega2) / (2 * np.pi)
    if periods < LEAST_PERIOD:
        return f"only {periods:.2f} of a period is seen, {LEAST_PERIOD} is needed"
    if damping > 0.6 * np.sqrt(omega2):
        return "it is damped too strongly to swing"
    return ""


def circles(points: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Circles above and through the points (T, 2): centre and radius; a short arc leaves several possible."""
    scale = max(float(np.ptp(points, 0).max()), 1.0)
    middle = points.mean(0)
    unit = (points - middle) / scale
    design = np.column_stack([2 * unit, np.ones(len(unit))])
    a, b, c = np.linalg.lstsq(design, (unit**2).sum(1), rcond=None)[0]
    first = np.array([a, b, np.sqrt(max(c + a**2 + b**2, 1e-6))])

    def off(circle: np.ndarray) -> np.ndarray:
        return np.hypot(unit[:, 0] - circle[0], unit[:, 1] - circle[1]) - circle[2]

    found = [first, np.array([0.0, -2.0, 2.0])]
    tuned = [least_squares(off, circle, loss="soft_l1", f_scale=0.01, max_nfev=40).x for circle in found]
    best = min(tuned, key=lambda circle: np.abs(off(circle)).mean())
    chosen = [best] if best[1] < unit[:, 1].max() else []
    if not chosen or best[2] > 20:
        chosen.append(found[1])
    return [(middle + scale * circle[:2], abs(float(circle[2])) * scale) for circle in chosen]
