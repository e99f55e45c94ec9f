"""Progress of a loop: one live bar where a person watches, a line every N steps where a log is kept."""

import sys
import time
from typing import Self

import psutil
from tqdm.auto import tqdm

# Programs that execute notebooks without a person in front of them.
EXECUTORS = ("papermill", "nbconvert", "nbclient", "pytest", "snakemake")


def person_watches() -> bool:
    """True in a terminal and in a live notebook, False under papermill, in a pipe or in a log file."""
    if "ipykernel" not in sys.modules:
        return sys.stderr.isatty()
    parent = psutil.Process().parent()
    try:
        command = parent.cmdline() if parent else []
    except psutil.Error:
        command = []
    return not any(name in part for part in command for name in EXECUTORS)


class Progress:
    """Counts the steps of a loop; use as a context manager.

    Args:
        name: of the loop, shown in front.
        total: number of steps.
        interval: steps between lines where nobody watches.
        start: steps done already (a resumed run).
    """

    def __init__(self, name: str, total: int, interval: int, start: int = 0):
        self.name, self.total, self.interval = name, total, interval
        self.done, self.started = start, time.perf_counter()
        self.bar = tqdm(total=total, initial=start, desc=name, leave=True) if person_watches() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self.bar is not None:
            if error is None:
                self.bar.total = self.bar.n  # a loop that was left early has not failed, as a red bar would say
            self.bar.close()

    def due(self) -> bool:
        """Whether the step now to be counted ends with something to show."""
        step = self.done + 1
        return step % (10 if self.bar is not None else self.interval) == 0 or step in (1, self.total)

    def advance(self, text: str = "") -> None:
        """Count one step; ``text`` says how things stand, where :meth:`due` asked for it."""
        show = self.due()
        self.done += 1
        if self.bar is not None:
            self.bar.update()
            if text:
                self.bar.set_postfix_str(text, refresh=False)
        elif show:
            seconds = time.perf_counter() - self.started
            print(f"{self.name:9} step {self.done:5d}/{self.total}  {text}  {seconds:6.1f} s", flush=True)
