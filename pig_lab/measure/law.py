"""What a law of motion of a clip is: paths in pixels over the clip's own times, and constants read off them.

The laws of :mod:`pig_core.physics` carry states of simulated tasks from frame to frame, differentiable and with a fixed
time between frames. A clip has its own times, unknowns that nobody wants to know (a pivot, a start) and one scene only:
here a law is a function from a few numbers to a path, as scipy's least squares want it, for many guesses at a time.
:mod:`pig_lab.measure.bodies` makes such a law of any law of :mod:`pig_core.physics`.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

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
