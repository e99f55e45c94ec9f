"""The project's results: a table per study, a row per run, and the training curves beside it.

``load_results("without")`` and ``load_curves("without")`` read a study as pandas tables. "sweep" holds the runs of both
recipes, "full" the trainings of the recipe ``paper`` with one thing changed; the rest are the studies of
:mod:`pig_lab.studies.studies`. Files are JSON lines: ``reports/results/<study>.jsonl`` and ``<study>.curves.jsonl``.
"""

import fcntl
import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from pig_core.config import RECIPES, make_config
from pig_core.system import METRICS, RunError, replacing, results_folder
from pig_core.tasks import RECONS_THRESHOLD, TASKS, Task

KEYS = ("variant", "task", "recipe", "seed")  # name a run within its study
BENCHMARKS = "benchmarks.jsonl"
CURVE_POINTS = 60  # of a run's training curves in a table

# The paper's constants as we recall them; they must be checked against arXiv 1905.11169. m is the mass of each of the
# three bodies, with g known.
PAPER_VALUES = {
    "spring_color": {"k": 4.26, "l": 6.17}, "mnist_spring_color": {"k": 2.18, "l": 12.24},
    "3bp_color": {"g": 65.7, "m": 0.95},
}  # fmt: skip


class Result(BaseModel):
    """The shape of a run's metrics, a row of a study. NaN: not finite, or not measured."""

    model_config = ConfigDict(strict=True)

    variant: str = ""
    task: str
    recipe: str
    seed: int
    learned: dict[str, float]
    truth: dict[str, float]
    parameter_error: dict[str, float]
    discovered: bool
    predicted: bool
    recons_loss: float
    pred_loss: float
    extrap_loss: float
    pred_loss_per_step: list[float]
    ssim_per_step: list[float]
    steps: dict[str, int]
    train_seconds: float
    train_sequences: int
    device: str
    commit: str
    config: dict[str, object]
    # What models without objects, and most studies, do not have.
    position_rms: float = math.nan
    rollout_rms_per_step: list[float] = []
    position_offset: list[object] = []
    found_at: float = math.nan
    explained: dict[str, object] = {}


COLUMNS = ("epochs", "error", *(name for name in Result.model_fields if name != "parameter_error"))


def coordinate_scale(task: Task, name: str) -> float:
    """The factor by which the released placement makes a constant too large (1: not at all).

    A position has to move by S/(S-1) pixels for the drawn object to move by one. Lengths grow by that factor, g by its
    cube, and k, which does not depend on the length scale, not at all.
    """
    return (task.image_size / (task.image_size - 1)) ** task.law.constants[name].length_power


def load_results(study: str = "sweep", folder: Path | None = None) -> pd.DataFrame:
    """The runs of a study, a row each.

    Args:
        folder: of the tables; None: the project's.
    Returns:
        columns :data:`COLUMNS`. "found_at": gradient steps until the reconstruction of a batch was first below the
        authors' threshold; "steps": of all stages; "config": the options as recorded; "learned", "truth" and the
        relative "error": dicts of the constants; "..._per_step": lists over the predicted frames; "position_offset":
        of each object, pixels. NaN: not finite, or not measured.
    Raises:
        RunError: if there is no such table, or a row is not the result of a run.
    """
    path = table_path(study, folder)
    rows, seen = [], set()
    for number, row in enumerate(read_table(path), 1):
        try:
            check_run(row)
            key = tuple(row.get(name, "") for name in KEYS)
            if key in seen:
                raise RunError(f"an earlier line is the same run, {' '.join(map(str, key)).strip()}")
            seen.add(key)
        except (RunError, TypeError) as error:
            raise RunError(f"line {number} of {path} is not the result of a run ({error})") from error
        rows.append(as_row(row))
    return pd.DataFrame(rows, columns=COLUMNS)


def as_row(metrics: Mapping[str, object]) -> dict[str, object]:
    """A run's metrics as a row of :func:`load_results`."""
    steps, error = sum(metrics["steps"].values()), metrics["parameter_error"]
    return {**metrics, "steps": steps, "error": error, "epochs": metrics["config"]["epochs"]}


def load_curves(study: str = "sweep", folder: Path | None = None) -> pd.DataFrame:
    """The training curves of a study, a row per point: at most :data:`CURVE_POINTS` of a run.

    Returns:
        columns variant, task, recipe, seed, stage, step (within the stage), seconds, recons_loss, pred_loss and what
        else the stages recorded; NaN where a stage has no such value.
    """
    path = table_path(study, folder).with_suffix(".curves.jsonl")
    try:
        return pd.concat(
            [pd.DataFrame({**{key: row[key] for key in KEYS}, **row["curves"]}) for row in read_table(path)]
        )
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path} is not a table of training curves ({error})") from error


def load_images(prefix: str, folder: Path | None = None) -> dict[str, np.ndarray]:
    """Arrays that belong to runs, by the rest of their names, e.g. of "full/separate/spring_color-paper-s0"."""
    path = (folder or results_folder()) / "images.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name.removeprefix(f"{prefix}/"): file[name] for name in file.files if name.startswith(f"{prefix}/")}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        why = "it is no npz file" if "pickle" in str(error) else error
        raise RunError(f"{path} is damaged or holds no images ({why})") from error


def table_path(study: str, folder: Path | None = None) -> Path:
    """Where the table of a study is."""
    return (folder or results_folder()) / f"{study}.jsonl"


def read_table(path: Path) -> list[dict[str, object]]:
    """The rows of a file of JSON lines; null is NaN.

    Raises:
        RunError: if it is not there or not such a file.
    """
    try:
        rows = [_null_to_nan(json.loads(line)) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is not a table of results ({error})") from error
    if not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{path} is not a table of results: a line is not an object")
    return rows


def benchmark(part: str) -> dict[str, object]:
    """The row of one part: "result", and where it was measured.

    Raises:
        RunError: if that part was not measured yet.
    """
    rows = {row["part"]: row for row in read_table(results_folder() / BENCHMARKS) if {"part", "result"} <= row.keys()}
    if part not in rows:
        raise RunError(f"{BENCHMARKS} has no {part}: python -m pig_core bench {part}")
    return rows[part]


def _null_to_nan(value: object) -> object:
    """JSON has no NaN: what was not finite was written as null."""
    if isinstance(value, dict):
        return {name: _null_to_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_null_to_nan(part) for part in value]
    return math.nan if value is None else value


def nan_to_null(value: object) -> object:
    """A value without NaN and infinity, to be written as JSON."""
    if isinstance(value, dict):
        return {name: nan_to_null(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_null(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_run(row: Mapping[str, object]) -> None:
    """Refuse metrics of another shape than :class:`Result`, and names that are not ours: none is taken from a file.

    Raises:
        RunError: it says which part, and what is allowed.
    """
    for key, allowed in (("task", TASKS), ("recipe", RECIPES)):
        if not isinstance(row.get(key), str) or row[key] not in allowed:
            raise RunError(f"{key} is {row.get(key)!r}; allowed: {', '.join(allowed)}")
    if type(row.get("seed")) is not int or row["seed"] < 0:
        raise RunError(f"seed is {row.get('seed')!r}; allowed: whole numbers from 0")
    try:
        Result.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        raise RunError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    constants = set(TASKS[row["task"]].law.constants)
    if not row["learned"].keys() <= constants or not row["learned"].keys() <= row["truth"].keys():
        raise RunError(f"learned is of {', '.join(row['learned'])}; allowed: {', '.join(constants) or 'none'}")


def read_run(run: Path) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The metrics and the training curves in the folder of a finished run.

    Raises:
        RunError: if it holds none, or its names are not ours.
    """
    try:
        metrics, curves = (json.loads((run / name).read_text()) for name in (METRICS, "curves.json"))
        check_run(_null_to_nan(metrics))
        found_at(curves)
    except (OSError, ValueError, AttributeError, LookupError, TypeError, RunError) as error:
        raise RunError(f"{run} does not hold a finished run ({error})") from None
    return metrics, curves


def add_run(
    metrics: Mapping[str, object], curves: Sequence[Mapping[str, object]], study: str, variant: str = "",
    folder: Path | None = None, replace: bool = False, images: Mapping[str, np.ndarray] = {}, **more: object,
) -> Path:  # fmt: skip
    """Add a run to the table of a study, and its thinned curves beside it; returns the table's path.

    Args:
        replace: a run that the table holds already; without it such a run is refused.
        images: arrays to store for the run (:func:`load_images`).
        more: further columns.
    Raises:
        RunError: if the table holds the run, or the run's names are not ours.
    """
    check_run(_null_to_nan(metrics))
    key = {"variant": variant, **{name: metrics[name] for name in KEYS[1:]}}
    path = table_path(study, folder)
    label = f"{metrics['task']}-{metrics['recipe']}-s{metrics['seed']}"
    row = {**key, **metrics, "found_at": found_at(curves), **more}
    with _locked(path.parent):
        rows = read_table(path) if path.is_file() else []
        if not replace and any(all(old[name] == key[name] for name in KEYS) for old in rows):
            raise RunError(f"{path} holds {label}{f' of {variant}' * bool(variant)} already: --replace replaces it")
        if images:
            _store_images(path.parent / "images.npz", f"{study}/{variant}/{label}", images)
        _write(path.with_suffix(".curves.jsonl"), {**key, "curves": thinned(curves)})
        _write(path, row)  # last: a run is there when its row is
    return path


def _store_images(path: Path, prefix: str, images: Mapping[str, np.ndarray]) -> None:
    stored = {}
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files if not name.startswith(f"{prefix}/")}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **stored, **{f"{prefix}/{name}": array for name, array in images.items()})


def _write(path: Path, row: dict[str, object]) -> None:
    """Put a row into a table, in the order of variants, tasks, recipes and seeds, in place of that of the same run."""
    rows = read_table(path) if path.is_file() else []
    variants = list(dict.fromkeys(each["variant"] for each in [*rows, row]))
    rows = [old for old in rows if any(old[name] != row[name] for name in KEYS)] + [row]
    rows.sort(key=lambda each: (
        variants.index(each["variant"]), list(TASKS).index(each["task"]), list(RECIPES).index(each["recipe"]),
        each["seed"],
    ))  # fmt: skip
    with replacing(path) as temporary:
        lines = (json.dumps(nan_to_null(each), separators=(",", ":"), ensure_ascii=False) for each in rows)
        temporary.write_text("".join(f"{line}\n" for line in lines))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time changes the tables of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def found_at(curves: Sequence[Mapping[str, object]]) -> int | None:
    """Gradient steps of all stages until the reconstruction is first below the authors' threshold; None: never."""
    before, stage, last = 0, None, 0
    for point in curves:
        if point["stage"] != stage:
            before, stage = before + last, point["stage"]
        last = point["step"] + 1
        loss = point.get("recons_loss")
        if loss is not None and loss < RECONS_THRESHOLD:
            return before + last
    return None


def thinned(curves: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """A run's curves by column, at most :data:`CURVE_POINTS` points; the first and the last one stay."""
    chosen = np.unique(np.linspace(0, len(curves) - 1, CURVE_POINTS).round().astype(int)) if curves else []
    return {name: [curves[i].get(name) for i in chosen] for name in dict.fromkeys(n for point in curves for n in point)}


def constants_of(results: pd.DataFrame, keys: Sequence[str] = ("task", "recipe", "seed")) -> pd.DataFrame:
    """The physical constants of all runs: one row per run and constant.

    Returns:
        columns ``keys``, taken over from the runs, then name, learned, truth and (relative) error.
    """
    rows = [
        (*(run[key] for key in keys), name, value, run["truth"][name], run["error"][name])
        for run in results.to_dict("records")
        for name, value in run["learned"].items()
    ]
    return pd.DataFrame(rows, columns=[*keys, "name", "learned", "truth", "error"])


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


def successes(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that found all objects and predict."""
    return runs[runs["discovered"].astype(bool) & runs["predicted"].astype(bool)]


def summary_table(results: pd.DataFrame) -> str:
    """One line for each task and recipe, as Markdown: the median over seeds and, in brackets, the worst seed.

    The thresholds are the authors': reconstruction for objects found, prediction for velocity and physics learned.
    """
    names = list(dict.fromkeys(constants_of(results)["name"]))
    losses = ["recons_loss", "pred_loss", "extrap_loss"]
    header = ["task", "recipe", "thresholds met", *(f"error of {name}, %" for name in names), *losses, "training"]
    lines = [header, ["---"] * len(header)]
    order = {name: i for i, name in enumerate([*TASKS, *RECIPES])}
    results = results.sort_values(["task", "recipe"], key=lambda names: names.map(order), kind="stable")
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
