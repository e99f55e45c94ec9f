"""One program: ``pig <verb>``, also ``python -m pig_core <verb>``; without a verb it trains."""

import importlib
import signal
import sys
import threading

from .system import ConfigError, PigError, nearest

# Verb -> module whose ``main(arguments)`` does it, and what it does. A module is loaded when its verb is asked for:
# training needs nothing of pig_lab.
VERBS = {
    "train": ("pig_core.run", "train, evaluate and save one run (also without a verb)"),
    "publish": ("pig_lab.trained", "add a run's weights to the project's"),
    "keep": ("pig_lab.studies.studies", "add finished runs to the project's results"),
    "wall": ("pig_lab.report.overview", "draw the animation of README.md"),
    "page": ("pig_lab.report.page", "turn an executed notebook into a page"),
    "measure": ("pig_lab.measure.command", "measure constants in a clip of your own"),
    "clips": ("pig_lab.studies.clips", "measure clips whose truth is known"),
    "bench": ("pig_lab.studies.bench", "benchmark run times on this machine"),
    "control": ("pig_lab.control.experiment", "learn a pendulum from video and swing it up from pixels"),
}


def run(arguments: list[str]) -> None:
    """Do what the verb says with the arguments after it."""
    if arguments in (["-h"], ["--help"]):
        print("pig VERB [--OPTION VALUE ...]; pig VERB --help lists the options of a verb", "", sep="\n")
        print(*(f"  {name:9}{about}" for name, (_, about) in VERBS.items()), sep="\n")
        return
    named = arguments and not arguments[0].startswith("-")
    verb, rest = (arguments[0], arguments[1:]) if named else ("train", arguments)
    if verb not in VERBS:
        raise ConfigError(f"there is no verb {verb!r}{nearest(verb, VERBS)}; allowed: {', '.join(VERBS)}")
    importlib.import_module(VERBS[verb][0]).main(rest)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, 2 after one sentence on what was wrong, 130 if stopped."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *about: sys.exit(143))  # killed: files that are half written are removed
    try:
        run(sys.argv[1:] if arguments is None else arguments)
    except (PigError, OSError, MemoryError) as error:  # a full disk says in one sentence, too, what is wrong
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; an interrupted training continues with --resume True", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
