"""Two pendulums that collide: arcs of free motion that share pivots, lengths and gravity, with jumps between them."""

import numpy as np

from pig_core.physics import Constant

from .law import ClipLaw, register, runge_kutta
from .swings import circles

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
        """See :class:`ClipLaw`."""
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
        """See :class:`ClipLaw`."""
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
        """See :class:`ClipLaw`."""
        named = dict(zip(self.numbers, numbers, strict=True))
        named |= {f"omega2_{k}": named["g"] / named[f"length{k}"] for k in (1, 2)}
        return {name: float(named[name]) for name in self.constants}


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
