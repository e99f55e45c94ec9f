"""Physics as inverse graphics: from raw video alone, find the objects and measure the physics between them.

What one needs to use it (``from pig_core import Run, make_config``); each name is loaded when it is first asked for:

- :class:`Task`, ``TASKS``: a kind of video as a value, and the paper's five;
- :class:`Law`, :class:`Constant`: the base of a law of motion, and one of its unknowns;
- :func:`make_config`: the options of a run;
- :class:`Run`: from options to results;
- :func:`simulate`, :func:`example_videos`: scenes of a task, and fresh videos of them.

Everything around it (the report, clips of one's own, control, studies) is in :mod:`pig_lab`.
"""

import importlib

_HOMES = {
    "tasks": ("Task", "TASKS"),
    "physics": ("Law", "Constant"),
    "config": ("make_config",),
    "run": ("Run",),
    "data": ("simulate", "example_videos"),
}
__all__ = sorted(name for names in _HOMES.values() for name in names)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
