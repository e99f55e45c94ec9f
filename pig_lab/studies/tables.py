"""Tables of the comparisons (``ablations.ipynb``): counts, medians and the worst seed."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import Markdown
from torch import Tensor

from pig_core.tasks import TASKS, Task

from ..estimate import Estimate
from ..report.results import constants_of, curves_of
from ..report.tables import of_task, short_commit, table
from .measures import errors_by_place, steps_to_discovery
from .studies import STUDIES, study_results


def study_header(*names: str) -> Markdown:
    """What a study, or several with one question, asks, how to run it, and where the runs that are shown come from."""
    study, runs = STUDIES[names[0]], pd.concat([study_results(name) for name in names])
    given = names[0] if len(names) == 1 else f'"{" ".join(names)}"'
    commits, devices = (", ".join(sorted(set(values))) for values in (runs["commit"].map(short_commit), runs["device"]))
    return Markdown(
        f"*{study.question}* Recipe `{study.recipe}`, seeds {', '.join(map(str, study.seeds))}. Run it: "
        f"`make study STUDY={given}`. Shown: {len(runs)} runs; commit {commits}; on {devices}."
    )


def variants_table(runs: pd.DataFrame) -> Markdown:
    """One line a variant: seeds that met the thresholds, steps to discovery, errors of parameters, losses (medians)."""
    rows = []
    for name, group in runs.groupby("variant", sort=False):
        found = group[group["discovered"]]
        steps = pd.Series([steps_to_discovery(curves_of(run)) for run in found.itertuples()], dtype=float).dropna()
        rows.append({
            "variant": f"`{name}`", **{met: counted(group, met) for met in ("discovered", "predicted")},
            "steps to discovery": f"{steps.median():.0f} ({len(steps)} of {len(group)})" if len(steps) else "never",
            **_worst_errors(group),
            **{f"{loss}, median": _median(group[f"{loss}_loss"]) for loss in ("recons", "pred", "extrap")},
        })  # fmt: skip
    return rows_table(rows)


def counted(runs: pd.DataFrame, met: str) -> str:
    """How many of the runs met a threshold ("discovered" or "predicted"), and of how many."""
    return f"{sum(runs[met])} / {len(runs)}"


def _worst_errors(runs: pd.DataFrame) -> dict[str, str]:
    """Worst seed of each parameter, a column each; a value that is not finite is the worst of all."""
    errors = constants_of(runs).groupby("name", sort=False)["error"]
    return {f"{name}, worst seed": f"{100 * error.abs().fillna(math.inf).max():.2g} %" for name, error in errors}


def _median(values: pd.Series) -> str:
    return f"{values.fillna(math.inf).median():.2g}"


def rows_table(rows: Sequence[Mapping[str, str]]) -> Markdown:
    """A table with a line for each row; a cell that a row does not have stays empty."""
    cells = pd.DataFrame(rows).fillna("")
    return Markdown(table(cells.columns, cells.itertuples(index=False)))


def models_table(models: pd.DataFrame, tasks: Sequence[Task], counts: Mapping) -> Markdown:
    """Losses of every model on every task (median over seeds), its learned numbers, its training steps and time.

    Args:
        models: runs, and below them the rows of :func:`trivial_predictors`, with the model's name as "variant".
        counts: result of :func:`parameter_counts` for the runs.
    """
    rows = []
    for task in tasks:
        for name, runs in of_task(models, task.name).groupby("variant", sort=False):
            cells = {loss: _median(runs[f"{loss}_loss"]) for loss in ("pred", "extrap")}
            if numbers := counts.get((task.name, name)):  # else it was not trained
                first = runs.iloc[0]
                cells = {
                    "seeds": f"{len(runs)}", **{f"numbers, {part}": f"{n:,d}" for part, n in numbers.items()},
                    "recons": _median(runs["recons_loss"]), **cells, "steps": f"{first['steps']:.0f}",
                    "training": f"{runs['train_seconds'].median():.0f} s, {first['device'].rsplit(', ', 1)[-1]}",
                }  # fmt: skip
            rows.append({"task": task.title, "model": name, **cells})
    return rows_table(rows)


def last_frame_table(models: pd.DataFrame) -> Markdown:
    """Losses in the trained range and beyond it, and how good the last predicted frame is; medians over seeds.

    Args:
        models: runs of one task, and below them the rows of :func:`trivial_predictors`, as for :func:`models_table`.
    """
    last = {
        "image error": "pred_loss_per_step", "similarity": "ssim_per_step", "position error": "rollout_rms_per_step",
    }  # fmt: skip
    rows = []
    for name, runs in models.groupby("variant", sort=False):
        seen = {label: runs[column].dropna().map(lambda values: values[-1]) for label, column in last.items()}
        rows.append({
            "model": name, "seeds": f"{runs['seed'].count() or ''}",
            **{loss: _median(runs[f"{loss}_loss"]) for loss in ("pred", "extrap")},
            **{f"at the end: {label}": "" if ends.empty else _median(ends) for label, ends in seen.items()},
        })  # fmt: skip
    return rows_table(rows)


def similarity_table(models: pd.DataFrame, frames: Sequence[int] = (1, 6, 13, 26)) -> Markdown:
    """Similarity of single predicted frames, the first one being 1, of every variant; medians over seeds."""
    return rows_table([
        {
            "task": TASKS[task].title, "variant": f"`{name}`", "seeds": f"{len(runs)}",
            **{f"frame {n}": f"{runs['ssim_per_step'].str[n - 1].median():.3f}" for n in frames},
        }
        for (task, name), runs in models.groupby(["task", "variant"], sort=False)
    ])  # fmt: skip


def place_table(images: Mapping[str, Tensor]) -> Markdown:
    """Image error of predicted frames whose discs are all in the half that training shows, and of the others.

    Args:
        images: result of :func:`predicted_frames`.
    """
    truth = images["truth"]
    drawn = {name: part for name, part in images.items() if part is not truth} | {"(nothing drawn)": 0 * truth}
    columns = (f"decoder, {len(truth)} videos", "error, all in the half seen", "error, some beyond")
    rows = [(name, *(f"{error:.2g}" for error in errors_by_place(part, truth))) for name, part in drawn.items()]
    return Markdown(table(columns, rows))


def efficiency_table(runs: pd.DataFrame, tasks: Sequence[Task]) -> Markdown:
    """Largest error of each parameter and the median prediction loss for every number of training videos (variant)."""
    return rows_table([
        {
            "task": task.title, "training videos": name, "discovered": counted(chosen, "discovered"),
            **_worst_errors(chosen), "pred, median": _median(chosen["pred_loss"]),
        }
        for task in tasks
        for name, chosen in of_task(runs, task.name).groupby("variant", sort=False)
    ])  # fmt: skip


def spread_table(
    tasks: Sequence[Task], estimates: Mapping[str, Mapping[str, Estimate]], best: Mapping, runs: pd.DataFrame
) -> Markdown:
    """Every parameter with its spreads, and whether two standard deviations cover the truth and the best possible.

    Two spreads are asked: the error bar around the estimate (the wider of both), and the seeds' around their mean.

    Args:
        estimates: name of a task -> parameter -> estimate.
        best: name of a task -> parameter -> the best that a model with 5 substeps can measure.
        runs: the runs over all seeds.
    """
    rows, learned = [], constants_of(runs).groupby(["task", "name"])["learned"]
    for task in tasks:
        for name, e in estimates[task.name].items():
            seeds, goals = learned.get_group((task.name, name)), (task.truth[name], best[task.name][name])
            mean, scatter = seeds.mean(skipna=False), seeds.std(skipna=False)
            rows.append({
                "task": task.title, "": f"${name}$", "true": f"{goals[0]:g}", "best with 5 substeps": f"{goals[1]:.4f}",
                "estimate": f"{e.value:.4f}", "sd, Laplace": f"{e.laplace:.4f}", "sd, bootstrap": f"{e.bootstrap:.4f}",
                "covers true / best?": _covers(e.value, max(e.laplace, e.bootstrap), goals),
                "mean over seeds": f"{mean:.4f}", "sd over seeds": f"{scatter:.4f}",
                "seeds cover true / best?": _covers(mean, scatter, goals),
            })  # fmt: skip
    return rows_table(rows)


def _covers(value: float, deviation: float, goals: Sequence[float]) -> str:
    return " / ".join("yes" if abs(value - goal) <= 2 * deviation else "no" for goal in goals)
