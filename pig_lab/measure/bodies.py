"""Laws of several objects: any law of :mod:`pig_core.physics`, fitted to the tracks of a clip."""

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor

from pig_core.physics import Gravity, Law, Spring

from .law import ClipLaw, polynomial, register, runge_kutta

WINDOW = 7  # frames that an acceleration is read off for a first guess
UNIT = 40.0  # pixels that a scene is large inside of a law: its guards against small distances are made for that


class Bodies(ClipLaw):
    """Objects that obey a law of states: constants, then positions and velocities at time 0.

    Lengths are scaled so that the scene is as large as those the law was written for.
    """

    states: type[Law]
    objects = 0  # any number above one
    whole = True

    def __init__(self, objects: int = 2):
        self.count, self.unit = objects, 1.0
        names = [f"{what}{axis}{k + 1}" for what in ("", "v") for k in range(objects) for axis in "xy"]
        self.numbers = (*self.constants, *names)
        self.lowest = {name: 1e-9 for name, about in self.constants.items() if about.positive}
        self.law = self.states(1.0).double()

    def _acceleration(self, constants: np.ndarray):
        """Of positions (P, K, 2) in pixels, each with its own constants, (P, c)."""
        powers = np.array([about.length_power for about in self.constants.values()])
        inner = torch.from_numpy(constants / self.unit**powers)
        alike = bool((inner == inner[:1]).all())

        def pull(pos: np.ndarray, vel: np.ndarray) -> np.ndarray:
            pos, vel = (torch.from_numpy(np.ascontiguousarray(x)) / self.unit for x in (pos, vel))
            with torch.no_grad():
                found = self._of_all(inner[0], pos, vel) if alike else torch.vmap(self._of_one)(inner, pos, vel)
                return found.numpy() * self.unit

        return pull

    def _of_one(self, constants: Tensor, pos: Tensor, vel: Tensor) -> Tensor:
        """Acceleration (K, 2) at one state; a law takes several."""
        return self._of_all(constants, pos[None], vel[None])[0]

    def _of_all(self, constants: Tensor, pos: Tensor, vel: Tensor) -> Tensor:
        """Acceleration (P, K, 2) at states that share their constants, (c,)."""
        self.law.value = dict(zip(self.constants, constants.unbind(), strict=True)).get
        return self.law.acceleration(pos, vel)

    def path(self, numbers, times):
        """See :class:`ClipLaw`."""
        c = len(self.constants)
        states = numbers[:, c:].reshape(len(numbers), 2, self.count, 2)
        shortest = max(float(np.median(np.diff(times))), 1e-6) / 0.15
        return runge_kutta(self._acceleration(numbers[:, :c]), states[:, 0], states[:, 1], times, shortest)

    def guesses(self, times, positions):
        """See :class:`ClipLaw`."""
        self.unit = max(1.0, float(np.ptp(positions, axis=(0, 1)).max()) / UNIT)
        where, force = [], []
        for t in range(0, len(times) - WINDOW + 1):
            part = slice(t, t + WINDOW)
            middle = times[part] - times[part].mean()
            fits = [polynomial(middle, positions[part, k], 2) for k in range(self.count)]
            where.append([fit[0] for fit in fits])
            force.append([2 * fit[2] for fit in fits])
        if len(where) < 3:
            return []
        where, force = np.array(where), np.array(force)
        begin = np.array([about.start * self.unit**about.length_power for about in self.constants.values()])

        def off(logs: np.ndarray) -> np.ndarray:
            constants = np.broadcast_to(begin * np.exp(logs), (len(where), len(begin)))
            return (self._acceleration(constants)(where, 0 * where) - force).ravel() / scale

        scale = max(float(np.median(np.abs(force))), 1e-9)
        starts = [np.full(len(begin), x) for x in (0.0, 2.0)]
        logs = min((least_squares(off, x, bounds=(-9, 9), loss="soft_l1", max_nfev=40) for x in starts),
                   key=lambda fit: fit.cost).x  # fmt: skip
        near = np.argsort(np.abs(times))[:WINDOW]
        state = [polynomial(times[near], positions[near, k], 2) for k in range(self.count)]
        state = [fit[i] for i in (0, 1) for fit in state]
        return [np.concatenate([begin * np.exp(logs), *state])]

    def values(self, numbers):
        """See :class:`ClipLaw`."""
        return {name: float(value) for name, value in zip(self.constants, numbers, strict=False)}


@register
class SpringBetween(Bodies):
    """A spring between every two objects; ``l`` is half of its length at rest."""

    name = "spring_between"
    states, constants = Spring, Spring.constants


@register
class GravityBetween(Bodies):
    """Attraction between all objects, of masses 1."""

    name = "gravity_between"
    states, constants = Gravity, Gravity.constants
