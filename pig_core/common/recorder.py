"""How far a training has come: its curves, its progress, and steps whose gradient was not finite.

Numbers of a step stay on the device until they are read: whoever reads a number waits for it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from .errors import RunError
from .progress import Progress

MAX_NON_FINITE = 20  # consecutive steps without a finite gradient, after which a run is given up
RECORD_EVERY = 5  # steps between two points of the loss curves

Curves = list[dict[str, object]]
# Called after every step: the stage, its steps done and in all, and what makes the model fit to be looked at just now.
OnStep = Callable[[str, int, int, Callable[[], None]], None]


@dataclass
class Session:
    """What has to survive an interruption of a training besides the weights."""

    finished: list[str] = field(default_factory=list)  # names of the stages that are done
    step: int = 0  # steps of the next stage that are done
    seconds: float = 0.0
    curves: Curves = field(default_factory=list)
    # What the optimiser remembers after ``step``, as in its state_dict; None where it is not known.
    optimizer: dict[int, dict[str, Tensor]] | None = None
    on_step: OnStep = lambda *about: None  # who looks on; does not survive

    @contextmanager
    def clocked(self) -> Iterator[None]:
        """Count the time that is spent inside."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


class Recorder:
    """Records the steps of one stage into a session; use as a context manager, call it after every step.

    Args:
        name: of the stage.
        steps: how many it has.
        interval: steps between progress lines where nobody watches.
        steps_per_epoch: 0: the stage does not count in epochs.
        look: makes the model fit to be looked at between two steps.
    """

    def __init__(
        self, name: str, steps: int, session: Session, interval: int, steps_per_epoch: int, look: Callable[[], None]
    ):
        self.name, self.steps, self.session, self.look = name, steps, session, look
        self.per_epoch = steps_per_epoch or steps + 1
        self.progress = Progress(name, steps, interval, session.step)
        self.clock = time.perf_counter() - session.seconds
        self.streak = self.longest = torch.zeros(())  # consecutive steps without a finite gradient: up to now, at most
        self.waiting: list[tuple[dict[str, object], Tensor]] = []  # about a point, and its numbers
        self.names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.__exit__(*error)

    def __call__(self, finite: Tensor, numbers: dict[str, Tensor]) -> int | None:
        """Count a step; returns the number of epochs done if it ends one.

        Args:
            finite: whether its gradient was; without one its numbers will be dropped.
            numbers: losses and constants.
        Raises:
            RunError: after too many consecutive steps without a finite gradient, when their number is next read.
        """
        session = self.session
        session.step, session.seconds = session.step + 1, time.perf_counter() - self.clock
        self.streak = torch.where(finite, 0.0, self.streak.to(finite.device) + 1)
        self.longest = torch.maximum(self.streak, self.longest.to(finite.device))
        due = self.progress.due()
        epoch, rest = divmod(session.step, self.per_epoch)
        if due or (session.step - 1) % RECORD_EVERY == 0 or session.step == self.steps:
            self.names = list(numbers)
            values = torch.stack([self.streak, *(number.detach() for number in numbers.values())])
            about = {"stage": self.name, "step": session.step - 1, "seconds": session.seconds}
            self.waiting.append((about, values))
        if due or not rest:
            self._read()
        self.progress.advance(describe(session.curves[-1]) if due and session.curves else "")
        started = time.perf_counter()
        session.on_step(self.name, session.step, self.steps, self.look)
        self.clock += time.perf_counter() - started  # looking on does not count as training
        return None if rest else epoch

    def _read(self) -> None:
        """Move all points to the curves in one transfer."""
        if self.waiting:
            about, values = zip(*self.waiting, strict=True)
            for point, (streak, *numbers) in zip(about, torch.stack(values).tolist(), strict=True):
                if not streak:
                    self.session.curves.append(point | dict(zip(self.names, numbers, strict=True)))
        self.waiting.clear()
        if (streak := int(self.longest)) > MAX_NON_FINITE:
            raise RunError(
                f"{streak} steps in a row had no finite gradient in stage {self.name}, before step "
                f"{self.session.step}: try a lower learning rate, or debug=True to see where it arises"
            )


def describe(point: dict[str, object]) -> str:
    """One point of the curves in words, e.g. ``loss 0.12  k 3.99  l 6.00``."""
    numbers = {k: v for k, v in point.items() if k not in ("stage", "step", "seconds")}
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
