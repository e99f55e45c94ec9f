"""Everything around the method: the report, clips of one's own, control from pixels, and the studies.

Trained models and results (``from pig_lab import open_task``); each name is loaded when it is first asked for:

- :func:`open_task`, :func:`open_checkpoint`: trained models;
- :func:`load_results`: the project's results, a table;
- :func:`best_possible`: the constants that a fit to the simulator's own positions gives.
"""

import importlib

_HOMES = {
    "trained": ("open_task", "open_checkpoint"),
    "estimate": ("best_possible",),
    "report.results": ("load_results",),
}
__all__ = sorted(name for names in _HOMES.values() for name in names)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
