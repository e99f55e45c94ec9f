"""Errors a person can act on: one sentence that says what was wrong and what is allowed."""

import sys
from collections.abc import Callable


class PigError(Exception):
    """Base of every error whose message alone tells the user what to change."""

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: show the sentence in a notebook instead of a page of stack frames."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(PigError, ValueError):
    """An option has an unknown name or a value that is not allowed."""


class SimulationError(PigError, ValueError):
    """The task's conditions cannot be met, e.g. a spring that is longer than the image."""


class DataError(PigError):
    """A data file is missing, damaged or of the wrong shape or type."""


class RunError(PigError):
    """A run cannot start or its results cannot be written or read."""


def in_one_sentence(main: Callable[..., None], *arguments: object) -> int:
    """Call a program; returns its exit status: 0, or 2 after one sentence on what was wrong."""
    try:
        main(*arguments)
    except (PigError, OSError) as error:  # a full disk says in one sentence, too, what is wrong
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0
