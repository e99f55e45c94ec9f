"""Laws of several objects: any law of :mod:`pig_core.physics`, fitted to the tracks of a clip."""

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor

from pig_core.physics import Constant, Gravity, Law, Spring

from .laws import ClipLaw, circles, polynomial, register, runge_kutta

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
        c = len(self.constants)
        states = numbers[:, c:].reshape(len(numbers), 2, self.count, 2)
        shortest = max(float(np.median(np.diff(times))), 1e-6) / 0.15
        return runge_kutta(self._acceleration(numbers[:, :c]), states[:, 0], states[:, 1], times, shortest)

    def guesses(self, times, positions):
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


# Two pendulums that collide: arcs of free motion that share pivots, lengths and gravity, with jumps between them.

SHORTEST = 4  # frames of an arc
JUMP = 6.0  # robust standard deviations by which a frame must be off what the two before it say
FAR = 1e4  # pixels: where a frame between two arcs is said to be, so that it is left out


@register
class TwoPendulums(ClipLaw):
    """Two pendulums, each with a pivot and a length of its own; gravity, in pixels, and damping are the same for both.

    Short arcs say little about the radius of a circle, but much about omega2, which is gravity by length.
    Collisions are found where both angles leave what gravity says; frames that belong to no arc are left out, and a
    collision in them is missed.
    """

    name = "two_pendulums"
    objects = 2
    whole = True
    constants = {
        **{f"length{k}": Constant(unit="pixels", length_power=1) for k in (1, 2)},
        **{f"omega2_{k}": Constant(unit="1/s²") for k in (1, 2)},
        "damping": Constant(unit="1/s"),
        "g": Constant(unit="pixels/s²", length_power=1),
    }

    def __init__(self, objects: int = 2):
        self.arcs: list[tuple[float, float]] = []  # first and last time of each
        self._name_numbers()

    def _name_numbers(self) -> None:
        shared = [f"{name}{k}" for k in (1, 2) for name in ("pivot_x", "pivot_y", "length")]
        states = [f"{name}{k}_{arc}" for arc in range(len(self.arcs)) for k in (1, 2) for name in ("angle", "rate")]
        self.numbers = (*shared, "g", "damping", *states)
        self.lowest = {"length1": 2.0, "length2": 2.0, "g": 1e-3, "damping": 0.0}

    @property
    def collisions(self) -> list[tuple[float, float]]:
        """Between which times each of the collisions that were found lies."""
        return [(a[1], b[0]) for a, b in zip(self.arcs[:-1], self.arcs[1:], strict=True)]

    def path(self, numbers, times):
        out = np.full((len(numbers), len(times), 2, 2), FAR)
        states = numbers[:, 8:].reshape(len(numbers), len(self.arcs), 2, 2)
        pivots, lengths, damping = numbers[:, [[0, 1], [3, 4]]], numbers[:, [2, 5]], numbers[:, 7:8]
        omega2 = numbers[:, 6:7] / lengths
        fastest = 1 / np.sqrt(max(float(omega2.max()), 1e-3))

        def pull(theta: np.ndarray, rate: np.ndarray) -> np.ndarray:
            return -omega2 * np.sin(theta) - damping * rate

        for arc, (begin, end) in enumerate(self.arcs):
            inside = (times >= begin - 1e-9) & (times <= end + 1e-9)
            if not inside.any():
                continue
            theta = runge_kutta(pull, states[:, arc, :, 0], states[:, arc, :, 1], times[inside] - begin, fastest)
            swing = np.stack([np.sin(theta), np.cos(theta)], -1) * lengths[:, None, :, None]
            out[:, inside] = pivots[:, None] + swing
        return out

    def guesses(self, times, positions):
        step, found, shared, angles, surprise = float(np.median(np.diff(times))), [], [], [], 0.0
        for k in range(2):
            pivot, length = circles(positions[:, k])[0]
            dx, dy = (positions[:, k] - pivot).T
            theta = np.unwrap(np.arctan2(dx, dy))
            bend = (theta[2:] - 2 * theta[1:-1] + theta[:-2]) / step**2
            sine = np.sin(theta[1:-1])
            large = np.abs(sine) > 0.3 * np.abs(sine).max()
            pace = max(float(np.median(-bend[large] / sine[large])), 1e-2)
            off = np.abs(bend + pace * sine) * step**2
            surprise = surprise + off / max(1.48 * float(np.median(off)), 1e-4)
            true = (np.arccos(np.clip(1 - pace * step**2 / 2, -1, 1)) / step) ** 2
            found.append((pivot, length, true))
            angles.append(theta)
        gravity = float(np.sqrt(np.prod([length * omega2 for _, length, omega2 in found])))
        for pivot, length, omega2 in found:
            shared += [pivot[0], pivot[1] + length - gravity / omega2, gravity / omega2]
        self.arcs = _arcs(times, np.concatenate([[0.0], surprise, [0.0]]) > 2 * JUMP)
        self._name_numbers()
        states = []
        for begin, end in self.arcs:
            near = np.flatnonzero((times >= begin) & (times <= end))[:SHORTEST]
            for theta in angles:
                rate, angle = np.polyfit(times[near] - begin, theta[near], 2)[1:]
                states += [angle, rate]
        return [np.array([*shared, gravity, 0.05, *states])] if self.arcs else []

    def values(self, numbers):
        named = dict(zip(self.numbers, numbers, strict=True))
        named |= {f"omega2_{k}": named["g"] / named[f"length{k}"] for k in (1, 2)}
        return {name: float(named[name]) for name in self.constants}


class Arcs(ClipLaw):
    """Flights of one acceleration between bounces, at each of which the velocity jumps.

    Restitution is the speed after a bounce by the speed before, along the change of velocity.
    """

    whole = True

    def __init__(self, objects: int = 1):
        self.arcs: list[tuple[float, float]] = []  # first and last time of each

    @property
    def numbers(self) -> tuple[str, ...]:
        """Acceleration, then place and velocity at the beginning of each arc."""
        return ("ax", "ay", *(f"{name}_{arc}" for arc in range(len(self.arcs)) for name in ("x", "y", "vx", "vy")))

    @property
    def collisions(self) -> list[tuple[float, float]]:
        """Between which times each bounce lies."""
        return [(a[1], b[0]) for a, b in zip(self.arcs[:-1], self.arcs[1:], strict=True)]

    def path(self, numbers, times):
        out = np.full((len(numbers), len(times), 1, 2), FAR)
        for arc, (begin, end) in enumerate(self.arcs):
            inside = (times >= begin - 1e-9) & (times <= end + 1e-9)
            t = (times[inside] - begin)[:, None]
            x, v = (numbers[:, None, i : i + 2] for i in (2 + 4 * arc, 4 + 4 * arc))
            out[:, inside, 0] = x + t * v + t**2 / 2 * numbers[:, None, :2]
        return out

    def guesses(self, times, positions):
        track = positions[:, 0]
        wide = np.diff(times)
        velocity = np.diff(track, axis=0) / wide[:, None]
        bend = np.diff(velocity, axis=0) / (0.5 * (wide[1:] + wide[:-1]))[:, None]  # (T - 2, 2)
        steady = np.median(bend, 0)
        off = np.linalg.norm(bend - steady, axis=1)
        jump = off > max(JUMP * 1.48 * float(np.median(off)), 1e-9)
        self.arcs = _arcs(times, np.concatenate([[False], jump, [False]]))
        if len(self.arcs) < 2:
            return []
        found, rows, right = np.zeros(len(self.numbers)), [], []
        for arc, (begin, end) in enumerate(self.arcs):
            for t in np.flatnonzero((times >= begin) & (times <= end)):
                row = np.zeros(1 + 2 * len(self.arcs))
                s = times[t] - begin
                row[0], row[1 + 2 * arc], row[2 + 2 * arc] = s**2 / 2, 1.0, s
                rows.append(row)
                right.append(track[t])
        solved = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]  # (1 + 2 arcs, 2)
        found[:2] = solved[0]
        for arc in range(len(self.arcs)):
            found[2 + 4 * arc : 6 + 4 * arc] = solved[1 + 2 * arc : 3 + 2 * arc].ravel()
        return [found]

    def potential(self, numbers, positions):
        return -positions @ numbers[:2]

    def restitutions(self, numbers: np.ndarray) -> list[float]:
        """Of each bounce; not a number where the velocity does not turn back."""
        ratios, a = [], numbers[:2]
        for arc, (first, end) in enumerate(self.arcs[:-1]):
            (x1, v1, x2, v2), second = numbers[2 + 4 * arc : 10 + 4 * arc].reshape(4, 2), self.arcs[arc + 1][0]
            # Along their acceleration both flights are where the bounce is; how far they are apart is linear in time.
            apart = [
                (x2 + v2 * (t - second) + a / 2 * (t - second) ** 2 - x1 - v1 * (t - first) - a / 2 * (t - first) ** 2)
                @ a
                for t in (end, second)
            ]
            share = apart[0] / (apart[0] - apart[1]) if apart[0] != apart[1] else 0.5
            at = end + float(np.clip(share, -0.5, 1.5)) * (second - end)
            before, after = v1 + a * (at - first), v2 + a * (at - second)
            along = (after - before) / max(float(np.linalg.norm(after - before)), 1e-9)
            ratios.append(-float(after @ along) / float(before @ along) if before @ along < 0 else np.nan)
        return ratios

    def values(self, numbers):
        size, found = float(np.hypot(*numbers[:2])), self.restitutions(numbers)
        return {next(iter(self.constants)): size, "restitution": float(np.nanmedian(found)) if found else 0.0}

    def refused(self, numbers, times, positions):
        found = np.array(self.restitutions(numbers))
        if not len(found):
            return "it does not bounce"
        if np.mean((found > 0.05) & (found < 1.1)) < REAL:  # a jump of the track in between is no bounce
            return "it jumps where nothing turns back as in a bounce"
        return super().refused(numbers, times, positions)


REAL = 0.6  # of the jumps, that must be bounces
UPRIGHT = 0.2  # of an acceleration that may point across, for it to be gravity's


@register
class Bounces(Arcs):
    """A ball that bounces: one gravity for all of its flights, and its restitution."""

    name = "bounces"
    constants = {"g": Constant(unit="pixels/s²", length_power=1), "restitution": Constant(unit="1")}

    def refused(self, numbers, times, positions):
        if abs(numbers[0]) > UPRIGHT * abs(numbers[1]):
            return "its acceleration does not point down"
        return super().refused(numbers, times, positions)


@register
class BouncesOnSlope(Arcs):
    """A cart that bounces at the end of a track: one acceleration along it, and its restitution."""

    name = "bounces_on_slope"
    constants = {"a": Constant(unit="pixels/s²", length_power=1), "restitution": Constant(unit="1")}

    def refused(self, numbers, times, positions):
        if abs(numbers[0]) <= UPRIGHT * abs(numbers[1]):
            return "its acceleration points down: that is a ball that bounces"
        return super().refused(numbers, times, positions)


def _arcs(times: np.ndarray, jump: np.ndarray) -> list[tuple[float, float]]:
    """Times of the first and last frames between jumps; a jump between two frames shows in both."""
    found, begin = [], 0
    for t in range(1, len(times)):
        if jump[t] and not jump[t - 1]:  # up to this frame nothing had happened yet
            found.append((begin, t))
            begin = t + 1
        elif jump[t]:
            begin = t
    found.append((begin, len(times) - 1))
    return [(float(times[a]), float(times[b])) for a, b in found if b - a + 1 >= SHORTEST]
