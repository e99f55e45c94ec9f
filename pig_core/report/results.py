"""All committed results at a glance, and their table in the README."""

from __future__ import annotations

import json
import math
import re
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

from ..common.errors import RunError, command_line
from ..common.files import project_root, replacing
from ..config import RECIPES, make_config
from ..tasks import TASKS

Result = dict[str, object]
_SECTION = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)


# What the paper reports, as we recall it: to be compared, not to be trusted to the last digit.
PAPER_VALUES = {"spring_color": {"l": 6.17}, "mnist_spring_color": {"l": 12.24}, "3bp_color": {"g": 65.7}}


def results_folder() -> Path:
    """Where the results that come with the project are."""
    return project_root() / "reports" / "results"


def coordinate_scale(task: str, name: str) -> float:
    """The factor by which the released placement makes a parameter too large (1: not at all).

    A position has to move by S/(S-1) pixels for the drawn object to move by one: lengths grow by that factor, g,
    which goes with the cube of a length, by its cube, and k, which does not know of lengths, not at all.
    """
    size = TASKS[task].image_size
    return (size / (size - 1)) ** {"l": 1, "g": 3}.get(name, 0)


def load_results(folder: Path | None = None) -> list[Result]:
    """All results in ``folder`` (reports/results of the project), in the order of tasks, recipes and seeds.

    Raises:
        RunError: if a file is not a result.
    """
    folder = folder or results_folder()
    results = []
    for path in folder.glob("*.json"):
        try:
            result = json.loads(path.read_text())
            order = (list(TASKS).index(result["task"]), list(RECIPES).index(result["recipe"]), result["seed"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is not the result of a run ({error})") from error
        results.append((order, result))
    return [result for _, result in sorted(results, key=lambda pair: pair[0])]


def summary_table(results: Iterable[Result]) -> str:
    """One line for each task and recipe, as markdown: the median over seeds and, behind it, the worst seed.

    The thresholds are the authors': reconstruction for objects found, prediction for velocity and physics learned.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result["task"], _label(result)), []).append(result)
    lines = [
        "| task | recipe | thresholds met | parameters, error | recons_loss | pred_loss | extrap_loss | training |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (task, recipe), runs in groups.items():
        counts = (sum(run[name] for run in runs) for name in ("discovered", "predicted"))
        found = "recons {}, pred {} of {} seeds".format(*counts, len(runs))
        losses = (_spread([run[name] for run in runs]) for name in ("recons_loss", "pred_loss", "extrap_loss"))
        seconds = f"{statistics.median(run['train_seconds'] for run in runs):.0f} s"
        errors = ", ".join(
            f"{name} {_spread([_percent(run['parameter_error'][name]) for run in runs])} %"
            for name in runs[0]["learned"]
        )
        lines.append("| " + " | ".join([f"`{task}`", recipe, found, errors or "none", *losses, seconds]) + " |")
    return "\n".join(lines) + "\n"


def _label(result: Result) -> str:
    """The recipe, and how long it was run if that was shorter than the recipe says."""
    plain = make_config(result["task"], result["recipe"])
    label, epochs, sequences = result["recipe"], result["config"]["epochs"], result["train_sequences"]
    if epochs != plain.epochs:
        label += f", {epochs} of {plain.epochs} epochs"
    if sequences != plain.n_train:
        label += f", {sequences} of {plain.n_train} sequences"
    return label


def _spread(values: list[float | None]) -> str:
    """Median and, in brackets, the largest; None stands for what was not a finite number."""
    values = [or_infinite(value) for value in values]
    return f"{_digits(statistics.median(values))} ({_digits(max(values))})"


def or_infinite(value: float | None) -> float:
    """A number of a result; None stands for one that was not finite."""
    return math.inf if value is None else value


def _percent(error: float | None) -> float | None:
    return None if error is None else 100 * abs(error)


def _digits(value: float) -> str:
    """Two significant digits, but never an exponent: 0.041, 3.3, 760."""
    return f"{value:.2g}" if value < 99.5 else f"{value:.0f}"


def write_section(path: Path) -> None:
    """Put the table of all results between the marks ``<!-- results -->`` and ``<!-- /results -->`` of a file."""
    if not path.is_file():
        raise RunError(f"there is no file {path}")
    text = path.read_text()
    if not _SECTION.search(text):
        raise RunError(f"{path} has no lines <!-- results --> and <!-- /results --> to write between")
    new = _SECTION.sub(lambda marks: marks[1] + summary_table(load_results()) + marks[2], text)
    with replacing(path) as temporary:
        temporary.write_text(new)


@command_line
def main(arguments: list[str]) -> None:
    """Write the table into README.md, or into the file that is named."""
    write_section(Path(arguments[0] if arguments else "README.md"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
