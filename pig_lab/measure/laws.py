"""What a law of motion of a clip is: paths in pixels over the clip's own times, and constants read off them.

The laws of :mod:`pig_core.physics` carry states of simulated tasks from frame to frame, differentiable and with a fixed
time between frames. A clip has its own times, unknowns that nobody wants to know (a pivot, a start) and one scene only:
here a law is a function from a few numbers to a path, as scipy's least squares want it, for many guesses at a time.
:mod:`pig_lab.measure.bodies` makes such a law of any law of :mod:`pig_core.physics`.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ellipk

from pig_core.physics import Constant

LEAST_TRAVEL = 5.0  # pixels that an object must move for a law to say anything
LEAST_PERIOD = 0.6  # of a period that must be seen
MOST_SUBSTEPS = 12  # between two frames
STEP = 0.15  # of the shortest time of a law that one Runge-Kutta step takes


class ClipLaw:
    """Base of the laws of clips; a subclass states its numbers and its path.

    Attributes:
        name: on the command line and in results.
        refines: name of the simpler law that this one adds a number to; it is fitted first, and where it is far off,
            this one is not fitted at all.
        objects: how many objects it is about; 0: any number above one.
        constants: what is reported; ``length_power`` says how a scale in pixels a metre changes it.
        numbers: names of what is fitted.
        lowest, highest: bounds of some of these numbers.
        whole: its free motion is looked for in all frames only, not in parts of them; for laws that are slow to fit.
        automatic: whether it is tried where no law is asked for.
        tilts: whether a camera that is not level with the motion changes the constants to first order.
    """

    name: ClassVar[str] = ""
    refines: ClassVar[str] = ""
    objects: ClassVar[int] = 1
    constants: ClassVar[Mapping[str, Constant]] = {}
    numbers: ClassVar[tuple[str, ...]] = ()
    lowest: ClassVar[Mapping[str, float]] = {}
    highest: ClassVar[Mapping[str, float]] = {}
    automatic: ClassVar[bool] = True
    whole: ClassVar[bool] = False
    tilts: ClassVar[bool] = False

    def __init__(self, objects: int = 1):
        """``objects``: how many there are, for a law about any number of them."""

    @classmethod
    def suits(cls, objects: int) -> bool:
        """Whether the law is about so many objects."""
        return cls.objects == objects or (cls.objects == 0 and objects > 1)

    def path(self, numbers: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Positions (P, T, K, 2) in pixels of P guesses, (P, n), at seconds (T,) counted from the motion's middle."""
        raise NotImplementedError

    def guesses(self, times: np.ndarray, positions: np.ndarray) -> list[np.ndarray]:
        """Where a fit may begin, each (n,), from positions (T, K, 2) at times (T,)."""
        raise NotImplementedError

    def refined(self, numbers: np.ndarray) -> np.ndarray:
        """Where a fit may begin, from the numbers of the law that this one refines."""
        return numbers

    def values(self, numbers: np.ndarray) -> dict[str, float]:
        """The constants, in pixels and seconds."""
        raise NotImplementedError

    def potential(self, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Energy by mass of a place, (T,), from positions (T, 2) of one object; pixels²/s²."""
        return np.zeros(len(positions))

    def refused(self, numbers: np.ndarray, times: np.ndarray, positions: np.ndarray) -> str:
        """Why this fit cannot be right; empty if it can."""
        travel = np.linalg.norm(np.ptp(positions, 0), axis=-1).max()
        return "" if travel >= LEAST_TRAVEL else f"it moves by {travel:.1f} pixels only"


LAWS: dict[str, type[ClipLaw]] = {}


def register(law: type[ClipLaw]) -> type[ClipLaw]:
    """Make a law known under its name; a class decorator, also for a cell of a notebook."""
    LAWS[law.name] = law
    return law


def family(name: str) -> str:
    """The simplest law that a law refines: its name in results, where the law itself is the variant."""
    while LAWS[name].refines:
        name = LAWS[name].refines
    return name


def polynomial(times: np.ndarray, positions: np.ndarray, degree: int) -> np.ndarray:
    """Least-squares coefficients (degree + 1, 2), constant first, of positions (T, 2)."""
    design = times[:, None] ** np.arange(degree + 1)
    return np.linalg.lstsq(design, positions, rcond=None)[0]


def runge_kutta(
    acceleration: Callable[[np.ndarray, np.ndarray], np.ndarray],
    pos: np.ndarray, vel: np.ndarray, times: np.ndarray, shortest: float,
) -> np.ndarray:  # fmt: skip
    """Positions at all times from the state at time 0, forwards and backwards.

    Args:
        pos, vel: (P, ...) states of P guesses at time 0.
        times: (T,) seconds, increasing.
        shortest: the time in which the motion changes, seconds; sets the steps.
    Returns:
        (P, T, ...).
    """
    out = np.empty((len(times), *pos.shape))
    after = int(np.searchsorted(times, 0.0))
    for order in (range(after, len(times)), range(after - 1, -1, -1)):
        x, v, now = pos, vel, 0.0
        for i in order:
            count = int(np.clip(np.ceil(abs(times[i] - now) / (STEP * shortest)), 1, MOST_SUBSTEPS))
            h = (times[i] - now) / count
            for _ in range(count):
                a1 = acceleration(x, v)
                v2 = v + h / 2 * a1
                a2 = acceleration(x + h / 2 * v, v2)
                v3 = v + h / 2 * a2
                a3 = acceleration(x + h / 2 * v2, v3)
                v4 = v + h * a3
                a4 = acceleration(x + h * v3, v4)
                x = x + h / 6 * (v + 2 * v2 + 2 * v3 + v4)
                v = v + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
            out[i], now = x, times[i]
    return np.moveaxis(out, 0, 1)


def frequencies(times: np.ndarray, values: np.ndarray, count: int = 2) -> list[float]:
    """The best squared angular frequencies of ``values`` (T, D) = c + A cos + B sin, from a scan; 1/s^2."""
    span, step = times[-1] - times[0], np.median(np.diff(times))
    scan = np.geomspace(2 * np.pi * 0.4 / span, min(np.pi / step, 2 * np.pi * len(times) / 3 / span), 160)
    left = []
    for omega in scan:
        design = np.stack([np.ones_like(times), np.cos(omega * times), np.sin(omega * times)], 1)
        basis = np.linalg.qr(design)[0]
        rest = values - basis @ (basis.T @ values)
        left.append(np.abs(rest).mean())
    left = np.array(left)
    dips = [i for i in range(len(scan)) if left[i] == left[max(0, i - 3) : i + 4].min()]
    return [float(scan[i]) ** 2 for i in sorted(dips, key=lambda i: left[i])[:count]]


# Laws of one object that nothing holds: uniform motion and constant acceleration, with and without drag.

_ACCELERATION = {"unit": "pixels/s²", "length_power": 1, "positive": False}


@register
class Uniform(ClipLaw):
    """Motion without forces."""

    name = "uniform"
    tilts = True
    constants = {
        "speed": Constant(unit="pixels/s", length_power=1),
        "vx": Constant(unit="pixels/s", length_power=1, positive=False),
        "vy": Constant(unit="pixels/s", length_power=1, positive=False),
    }
    numbers = ("x", "y", "vx", "vy")

    def path(self, numbers, times):
        return (numbers[:, None, :2] + times[:, None] * numbers[:, None, 2:])[:, :, None]

    def guesses(self, times, positions):
        return [polynomial(times, positions[:, 0], 1).ravel()]

    def values(self, numbers):
        vx, vy = numbers[2:4]
        return {"speed": float(np.hypot(vx, vy)), "vx": vx, "vy": vy}


@register
class ConstantAcceleration(ClipLaw):
    """One acceleration of any direction: a toss, a fall, a slope; the camera need not be level."""

    name = "constant_acceleration"
    tilts = True
    constants = {
        "a": Constant(unit="pixels/s²", length_power=1),
        "ax": Constant(**_ACCELERATION),
        "ay": Constant(**_ACCELERATION),
    }
    numbers = ("x", "y", "vx", "vy", "ax", "ay")

    def path(self, numbers, times):
        t = times[:, None]
        x, v, a = (numbers[:, None, i : i + 2] for i in (0, 2, 4))
        return (x + t * v + t**2 / 2 * a)[:, :, None]

    def guesses(self, times, positions):
        return [(polynomial(times, positions[:, 0], 2) * [[1], [1], [2]]).ravel()]

    def potential(self, numbers, positions):
        return -positions @ numbers[4:6]

    def values(self, numbers):
        ax, ay = numbers[4:6]
        return {"a": float(np.hypot(ax, ay)), "ax": ax, "ay": ay}


@register
class ConstantAccelerationDrag(ConstantAcceleration):
    """Constant acceleration and a drag that grows with the square of the speed."""

    name = "constant_acceleration_drag"
    refines = "constant_acceleration"
    constants = {**ConstantAcceleration.constants, "drag": Constant(unit="1/pixels", length_power=-1)}
    numbers = (*ConstantAcceleration.numbers, "drag")
    lowest = {"drag": 0.0}

    def path(self, numbers, times):
        x, v, a = (numbers[:, i : i + 2] for i in (0, 2, 4))
        drag = numbers[:, 6:]

        def pull(_: np.ndarray, vel: np.ndarray) -> np.ndarray:
            return a - drag * vel * np.linalg.norm(vel, axis=1, keepdims=True)

        shortest = max(np.median(np.diff(times)), 1e-6) / 0.15
        return runge_kutta(pull, x, v, times, shortest)[:, :, None]

    def guesses(self, times, positions):
        return [self.refined(guess) for guess in super().guesses(times, positions)]

    def refined(self, numbers):
        return np.append(numbers, 1e-6)

    def values(self, numbers):
        return {**super().values(numbers), "drag": numbers[6]}


@register
class ConstantAccelerationLinearDrag(ConstantAcceleration):
    """Constant acceleration and a drag in proportion to the speed, as in oil; ``terminal`` is the speed it ends at."""

    name = "constant_acceleration_linear_drag"
    refines = "constant_acceleration"
    constants = {
        **ConstantAcceleration.constants,
        "drag": Constant(unit="1/s"),
        "terminal": Constant(unit="pixels/s", length_power=1),
    }
    numbers = (*ConstantAcceleration.numbers, "drag")
    lowest = {"drag": 1e-3}

    def path(self, numbers, times):
        x, v, a = (numbers[:, None, i : i + 2] for i in (0, 2, 4))
        drag, t = np.maximum(numbers[:, None, 6:], 1e-6), times[:, None]
        final = a / drag
        return (x + final * t - (v - final) / drag * np.expm1(np.maximum(-drag * t, -50)).clip(-1, 1e6))[:, :, None]

    def guesses(self, times, positions):
        return [self.refined(guess) for guess in super().guesses(times, positions)]

    def refined(self, numbers):
        return np.append(numbers, 1.0)

    def values(self, numbers):
        found = super().values(numbers)
        return {**found, "drag": numbers[6], "terminal": found["a"] / max(numbers[6], 1e-9)}


@register
class Projectile(ConstantAcceleration):
    """Constant acceleration that is known to be gravity's: its size is called g."""

    name = "projectile"
    constants = {"g": Constant(unit="pixels/s²", length_power=1)}
    automatic = False  # the same motion as constant acceleration: no clip can tell

    def values(self, numbers):
        return {"g": super().values(numbers)["a"]}


@register
class ProjectileDrag(ConstantAccelerationDrag):
    """A projectile with a drag that grows with the square of the speed."""

    name = "projectile_drag"
    refines = "projectile"
    constants = {
        "g": Constant(unit="pixels/s²", length_power=1),
        "drag": ConstantAccelerationDrag.constants["drag"],
    }
    automatic = False

    def values(self, numbers):
        found = super().values(numbers)
        return {"g": found["a"], "drag": found["drag"]}


# Laws of one object that swings: a mass on a spring, and pendulums with linear and with quadratic damping.


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
        x, y, angle, cos, sin, omega2, damping = (column[:, None] for column in numbers.T)
        omega = np.sqrt(np.maximum(omega2 - damping**2 / 4, 1e-9))
        along = (cos * np.cos(omega * times) + sin * np.sin(omega * times)) * np.exp(-damping / 2 * times)
        return np.stack([x + np.cos(angle) * along, y + np.sin(angle) * along], -1)[:, :, None]

    def guesses(self, times, positions):
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

    def potential(self, numbers, positions):
        return numbers[5] / 2 * ((positions - numbers[:2]) ** 2).sum(-1)

    def values(self, numbers):
        return {"omega2": numbers[5], "damping": numbers[6]}

    def refused(self, numbers, times, positions):
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

    def potential(self, numbers, positions):
        return -numbers[3] * numbers[2] * positions[:, 1]

    def values(self, numbers):
        length, omega2, damping = numbers[2:5]
        return {"omega2": omega2, "length": length, "damping": damping, "g": omega2 * length}

    def refused(self, numbers, times, positions):
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
        swing = max(abs(numbers[6]), np.sqrt(numbers[3]) * abs(numbers[5]), 0.1)
        return np.concatenate([numbers[:4], [numbers[4] / swing], numbers[5:]])

    @staticmethod
    def friction(damping: np.ndarray, rate: np.ndarray) -> np.ndarray:
        return damping * np.abs(rate) * np.clip(rate, -1e4, 1e4)

    def refused(self, numbers, times, positions):
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
