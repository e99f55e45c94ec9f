"""All committed results as one table of runs, and their summary in the README."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pig_core.config import RECIPES, make_config
from pig_core.system import RunError, replacing, results_folder
from pig_core.tasks import TASKS, Task

_SECTION = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)

COLUMNS = (
    "task", "recipe", "seed", "discovered", "predicted", "recons_loss", "pred_loss", "extrap_loss", "position_rms",
    "train_seconds", "train_sequences", "steps", "epochs", "device", "commit", "config", "learned", "truth", "error",
    "pred_loss_per_step", "ssim_per_step", "rollout_rms_per_step", "position_offset", "folder",
)  # fmt: skip

# What the paper reports, as we recall it: to be compared, not to be trusted to the last digit.
# m is the mass of each of the three bodies, with g known.
PAPER_VALUES = {
    "spring_color": {"k": 4.26, "l": 6.17}, "mnist_spring_color": {"k": 2.18, "l": 12.24},
    "3bp_color": {"g": 65.7, "m": 0.95},
}  # fmt: skip


def coordinate_scale(task: Task, name: str) -> float:
    """The factor by which the released placement makes a parameter too large (1: not at all).

    A position has to move by S/(S-1) pixels for the drawn object to move by one: lengths grow by that factor, g,
    which goes with the cube of a length, by its cube, and k, which does not depend on the length scale, not at all.
    """
    return (task.image_size / (task.image_size - 1)) ** task.law.constants[name].length_power


def load_results(folder: Path | None = None) -> pd.DataFrame:
    """All results in ``folder`` (reports/results of the project), in the order of tasks, recipes and seeds.

    Returns:
        one row per run with the columns :data:`COLUMNS`: "steps" of all stages together; "learned", "truth" and the
        relative "error" as dicts of the physical parameters; "..._per_step" as lists over the predicted frames;
        "position_offset" of each object, pixels;
        "folder", where the result, and with it the run's curves, were found. NaN: not finite, or not measured.
    Raises:
        RunError: if a file is not the result of a run.
    """
    folder = folder or results_folder()
    rows = []
    for path in folder.glob("*.json"):
        try:
            row = as_row(json.loads(path.read_text()), folder)
            order = (list(TASKS).index(row["task"]), list(RECIPES).index(row["recipe"]), row["seed"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path} is not the result of a run ({type(error).__name__}: {error})") from error
        rows.append((order, row))
    return pd.DataFrame([row for _, row in sorted(rows, key=lambda pair: pair[0])], columns=COLUMNS)


def as_row(result: dict[str, object], folder: Path) -> dict[str, object]:
    """The content of a ``metrics.json`` as a row of :func:`load_results`."""
    own = {"steps": sum(result["steps"].values()), "epochs": result["config"]["epochs"], "folder": folder}
    return {**_null_to_nan({**result, "error": result["parameter_error"]}), **own}


def _null_to_nan(value: object) -> object:
    """JSON has no NaN: what was not finite was written as null."""
    if isinstance(value, dict):
        return {name: _null_to_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_null_to_nan(part) for part in value]
    return math.nan if value is None else value


def constants_of(results: pd.DataFrame, keys: Sequence[str] = ("task", "recipe", "seed")) -> pd.DataFrame:
    """The physical parameters of all runs: one row per run and parameter.

    Returns:
        columns ``keys``, taken over from the runs, then name, learned, truth and (relative) error.
    """
    rows = [
        (*(run[key] for key in keys), name, value, run["truth"][name], run["error"][name])
        for run in results.to_dict("records")
        for name, value in run["learned"].items()
    ]
    return pd.DataFrame(rows, columns=[*keys, "name", "learned", "truth", "error"])


def from_coordinates(results: pd.DataFrame) -> pd.Series:
    """How far each learned parameter is from what the released placement makes of it, relative: one for each run's."""
    learned = constants_of(results)
    wanted = [row.truth * coordinate_scale(TASKS[row.task], row.name) for row in learned.itertuples()]
    return learned["learned"] / wanted - 1


def per_frame(results: pd.DataFrame, column: str, keys: Sequence[str] = ("task", "seed")) -> pd.DataFrame:
    """A measure over the predicted frames, "..._per_step": one row per run and frame; runs without it have no row.

    Returns:
        columns ``keys``, taken over from the runs, then frame (the first frame of a video is 1) and value.
    """
    rows = [
        (*(run[key] for key in keys), TASKS[run["task"]].input_steps + 1 + t, value)
        for run in results.to_dict("records")
        if isinstance(run[column], list)
        for t, value in enumerate(run[column])
    ]
    return pd.DataFrame(rows, columns=[*keys, "frame", "value"])


def kept(run: pd.Series, kind: str, suffix: str) -> Path:
    """A file that belongs to the result of a run (a row of :func:`load_results`), in the folder ``kind`` beside it."""
    return run.folder / kind / f"{run.task}-{run.recipe}-s{run.seed}.{suffix}"


def successes(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that found all objects and predict."""
    return runs[runs["discovered"] & runs["predicted"]]


def curves_of(run: pd.Series) -> pd.DataFrame:
    """The training curves of one run (a row of :func:`load_results`); without a row if they were not kept.

    Returns:
        columns stage, step (within the stage), seconds, recons_loss, pred_loss and what else the stages recorded; NaN
        where a stage has no such value or it was not finite.
    """
    path = kept(run, "curves", "json")
    points = pd.DataFrame(_null_to_nan(json.loads(path.read_text())) if path.is_file() else [])
    return points.reindex(columns=dict.fromkeys(["stage", "step", "seconds", "recons_loss", "pred_loss", *points]))


def summary_table(results: pd.DataFrame) -> str:
    """One line for each task and recipe, as markdown: the median over seeds and, behind it, the worst seed.

    The thresholds are the authors': reconstruction for objects found, prediction for velocity and physics learned.
    """
    names = list(dict.fromkeys(constants_of(results)["name"]))
    losses = ["recons_loss", "pred_loss", "extrap_loss"]
    header = ["task", "recipe", "thresholds met", *(f"error of {name}, %" for name in names), *losses, "training"]
    lines = [header, ["---"] * len(header)]
    labels = results.apply(_label, axis=1) if len(results) else results["recipe"]
    for (task, label), runs in results.groupby(["task", labels.rename("label")], sort=False):
        found = f"recons {runs['discovered'].sum()}, pred {runs['predicted'].sum()} of {len(runs)} seeds"
        errors = dict(iter(constants_of(runs).groupby("name")["error"]))
        percent = [_spread(100 * errors[name].abs()) if name in errors else "" for name in names]
        seconds = f"{runs['train_seconds'].median():.0f} s"
        lines.append([f"`{task}`", label, found, *percent, *(_spread(runs[name]) for name in losses), seconds])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _label(run: pd.Series) -> str:
    """The recipe, and how it was run if that is not what the recipe says."""
    plain, label = make_config(run.task, run.recipe), run.recipe
    if (run.epochs, run.config["batch_size"]) != (plain.epochs, plain.batch_size) and run.epochs:
        label += f", batch {run.config['batch_size']}, {run.steps:,.0f} updates"
    if run.train_sequences != plain.n_train:
        label += f", {run.train_sequences} of {plain.n_train} sequences"
    return label


def _spread(values: pd.Series) -> str:
    """Median and, in brackets, the largest; what was not finite is infinitely bad."""
    values = values.fillna(math.inf)
    return f"{two_digits(values.median())} ({two_digits(values.max())})"


def two_digits(value: float) -> str:
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


def main(arguments: list[str]) -> None:
    """Write the table into README.md, or into the file that is named."""
    if arguments and arguments[0].startswith("-"):
        raise RunError("write: python -m pig_core results README.md")
    write_section(Path(arguments[0] if arguments else "README.md"))
