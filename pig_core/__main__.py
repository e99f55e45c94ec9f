"""One program: ``python -m pig_core <verb>``. Without a verb it trains: ``python -m pig_core --task 3bp_color``."""

import importlib
import sys

from .system import ConfigError, in_one_sentence

# Verb -> module whose ``main(arguments)`` does it, loaded only when it is asked for; and what it does.
VERBS = {
    "train": ("pig_core.run", "one run, with the options below (also if no verb is given)"),
    "data": ("pig_core.data", "simulate all data files"),
    "publish": ("pig_lab.trained", "checkpoints to the project's weights"),
    "keep": ("pig_lab.studies.full", "finished full runs to the project's results, with what explains them"),
    "results": ("pig_lab.report.results", "the table of results into README.md"),
    "wall": ("pig_lab.report.overview", "the animation of README.md"),
    "page": ("pig_lab.report.page", "an executed notebook as a page"),
    "measure": ("pig_lab.report.measured", "constants from a clip of your own"),
    "clips": ("pig_lab.measure.bench", "measure clips whose truth is known"),
    "bench": ("pig_lab.studies.bench", "what everything costs on this machine"),
    "control": ("pig_lab.control.experiment", "a pendulum, learned from video and swung up from pixels"),
}


def run(arguments: list[str]) -> None:
    """Do what the verb says with the arguments behind it."""
    named = arguments and not arguments[0].startswith("-")
    verb, rest = (arguments[0], arguments[1:]) if named else ("train", arguments)
    if rest in (["-h"], ["--help"]) and verb == "train":
        print("verbs:", *(f"  {name:9}{about}" for name, (_, about) in VERBS.items()), "", sep="\n")
    if verb not in VERBS:
        raise ConfigError(f"there is no verb {verb!r}; allowed: {', '.join(VERBS)}")
    importlib.import_module(VERBS[verb][0]).main(rest)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 2 after one sentence on what was wrong."""
    return in_one_sentence(run, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
