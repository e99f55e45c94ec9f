"""Laws of one object that nothing holds: uniform motion and constant acceleration, with and without drag."""

import numpy as np

from pig_core.physics import Constant

from .law import ClipLaw, polynomial, register, runge_kutta

_ACCELERATION = {"unit": "pixels/s²", "length_power": 1, "positive": False}


@register
class Uniform(ClipLaw):
    """Motion without forces."""

    name = "uniform"
    constants = {
        "speed": Constant(unit="pixels/s", length_power=1),
        "vx": Constant(unit="pixels/s", length_power=1, positive=False),
        "vy": Constant(unit="pixels/s", length_power=1, positive=False),
    }
    numbers = ("x", "y", "vx", "vy")

    def path(self, numbers, times):
        """See :class:`ClipLaw`."""
        return (numbers[:, None, :2] + times[:, None] * numbers[:, None, 2:])[:, :, None]

    def guesses(self, times, positions):
        """See :class:`ClipLaw`."""
        return [polynomial(times, positions[:, 0], 1).ravel()]

    def values(self, numbers):
        """See :class:`ClipLaw`."""
        vx, vy = numbers[2:4]
        return {"speed": float(np.hypot(vx, vy)), "vx": vx, "vy": vy}


@register
class ConstantAcceleration(ClipLaw):
    """One acceleration of any direction: a toss, a fall, a slope; the camera need not be level."""

    name = "constant_acceleration"
    constants = {
        "a": Constant(unit="pixels/s²", length_power=1),
        "ax": Constant(**_ACCELERATION),
        "ay": Constant(**_ACCELERATION),
    }
    numbers = ("x", "y", "vx", "vy", "ax", "ay")

    def path(self, numbers, times):
        """See :class:`ClipLaw`."""
        t = times[:, None]
        x, v, a = (numbers[:, None, i : i + 2] for i in (0, 2, 4))
        return (x + t * v + t**2 / 2 * a)[:, :, None]

    def guesses(self, times, positions):
        """See :class:`ClipLaw`."""
        return [(polynomial(times, positions[:, 0], 2) * [[1], [1], [2]]).ravel()]

    def values(self, numbers):
        """See :class:`ClipLaw`."""
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
        """See :class:`ClipLaw`."""
        x, v, a = (numbers[:, i : i + 2] for i in (0, 2, 4))
        drag = numbers[:, 6:]

        def pull(_: np.ndarray, vel: np.ndarray) -> np.ndarray:
            return a - drag * vel * np.linalg.norm(vel, axis=1, keepdims=True)

        shortest = max(np.median(np.diff(times)), 1e-6) / 0.15
        return runge_kutta(pull, x, v, times, shortest)[:, :, None]

    def guesses(self, times, positions):
        """See :class:`ClipLaw`."""
        return [self.refined(guess) for guess in super().guesses(times, positions)]

    def refined(self, numbers):
        """See :class:`ClipLaw`."""
        return np.append(numbers, 1e-6)

    def values(self, numbers):
        """See :class:`ClipLaw`."""
        return {**super().values(numbers), "drag": numbers[6]}


@register
class Projectile(ConstantAcceleration):
    """Constant acceleration that is known to be gravity's: its size is called g."""

    name = "projectile"
    constants = {"g": Constant(unit="pixels/s²", length_power=1)}
    automatic = False  # the same motion as constant acceleration: no clip can tell

    def values(self, numbers):
        """See :class:`ClipLaw`."""
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
        """See :class:`ClipLaw`."""
        found = super().values(numbers)
        return {"g": found["a"], "drag": found["drag"]}
