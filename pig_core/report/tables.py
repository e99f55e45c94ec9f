"""Sentences and tables of the report, computed from the committed results: no number in it is typed by hand."""

import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import Markdown

from ..common.options import SHAPING, differing
from ..config import make_config
from ..runs.checkpoint import saved_config
from ..tasks import TASKS
from .results import PAPER_VALUES, constants_of, coordinate_scale


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def of_task(results: pd.DataFrame, task: str) -> pd.DataFrame:
    """The results of one task."""
    return results[results["task"] == task]


def source_note(results: pd.DataFrame) -> Markdown:
    """Which runs a figure or table shows: tasks, seeds, recipe with changed options, device and commit."""
    if results.empty:
        return Markdown("*There are no such runs yet.*")
    parts = {
        "tasks": results["task"],
        "seeds": results["seed"].astype(str),
        "recipe": results.apply(_recipe, axis=1),
        "commit": results["commit"].map(short_commit),
        "on": results["device"],
    }
    text = "; ".join(f"{name} {', '.join(sorted(set(values)))}" for name, values in parts.items())
    return Markdown(f"*Shown: {len(results)} runs; {text}.*")


def short_commit(commit: str) -> str:
    """A commit by its first eight digits; what follows ("+changes") stays."""
    return re.sub("[0-9a-f]{32}(?=$|[+])", "", commit)


def _recipe(run: pd.Series) -> str:
    """The recipe and the options that were set to something else and shape what comes out."""
    ours, plain = saved_config(run.config), make_config(run.task, run.recipe, seed=run.seed)
    other = differing(plain, ours, *SHAPING)
    return run.recipe + "".join(f" with {name}={getattr(ours, name)}" for name in other)


def headline(results: pd.DataFrame) -> Markdown:
    """What came out, in two sentences."""
    errors = 100 * constants_of(results)["error"].abs().fillna(math.inf)
    seconds = results.groupby("task")["train_seconds"].median()
    return Markdown(
        f"**{(results['discovered'] & results['predicted']).sum()} of {len(results)} runs of the recipe `improved` "
        f"find the objects and the physics, every seed of every task counted. The {len(errors)} physical parameters "
        f"they measure are {errors.median():.2f} % off in the median and {errors.max():.2f} % in the worst case. A run "
        f"takes {seconds.min():.0f} to {seconds.max():.0f} seconds on two CPU cores, without a GPU.**"
    )


def comparison_table(
    exact: pd.DataFrame, released: pd.DataFrame, best: Mapping[str, Mapping[str, float]], paper: pd.DataFrame
) -> Markdown:
    """Every parameter: true, in the paper, in our runs of ``paper``, with either placement, and the best possible.

    Args:
        exact, released: runs of the recipe ``improved`` with exact and with released placement.
        best: task -> parameter -> the best that a model with 5 substeps can measure.
        paper: runs of the recipe ``paper``.
    """
    rows = []
    for task in TASKS.values():
        for name, true in task.truth.items():
            quoted = PAPER_VALUES.get(task.name, {}).get(name)
            ours, placed, precise = (_values(of_task(runs, task.name), name) for runs in (paper, released, exact))
            rows.append((
                f"`{task.name}`", f"${name}$", f"{true:g}", "" if quoted is None else f"{quoted:g}", ours,
                f"{true * coordinate_scale(task, name):.2f}", placed, precise, f"{best[task.name][name]:.4g}",
            ))  # fmt: skip
    header = [
        "task", "", "true", "the paper (from memory)", "recipe `paper`, ours", "released placement, predicted",
        "released placement, ours", "exact placement, ours", "best possible with 5 substeps",
    ]  # fmt: skip
    return Markdown(table(header, rows))


def _values(runs: pd.DataFrame, name: str) -> str:
    """Median and range over the seeds; without objects a value measures nothing, and that is said."""
    found = constants_of(runs)
    values, lost, text = found.loc[found["name"] == name, "learned"].dropna(), (~runs["discovered"]).sum(), ""
    if len(values) == 1:
        text = f"{values.iloc[0]:.4g} (1 seed)"
    elif len(values):
        text = f"{values.median():.4g} ({values.min():.4g} to {values.max():.4g}, {len(values)} seeds)"
    return text + (f", objects not found by {lost} of {len(runs)}" if lost else "")


def paper_runs(results: pd.DataFrame) -> Markdown:
    """What the recipe ``paper`` gave, run by run, with what each run was."""
    rows = [
        (
            f"`{run.task}`", run.seed, run.epochs, run.steps, run.train_sequences,
            *map(_number, (run.recons_loss, run.pred_loss, run.extrap_loss)),
            ", ".join(f"{name} {_number(value)}" for name, value in run.learned.items()) or "none",
            f"{run.train_seconds / 60:.0f} min", run.device,
        )
        for run in results.itertuples()
    ]  # fmt: skip
    header = ["task", "seed", "epochs", "steps", "sequences", "recons", "pred", "extrap", "learned", "time", "on"]
    return Markdown(table(header, rows) if rows else "There is no run of the recipe `paper` yet.")


def cost_table(results: pd.DataFrame) -> Markdown:
    """Time and device of every task's runs."""
    rows = [
        (f"`{task}`", len(runs), *(f"{s:.0f} s" for s in (runs["train_seconds"].median(), runs["train_seconds"].max())),
         ", ".join(sorted(set(runs["device"]))))
        for task, runs in results.groupby("task", sort=False)
    ]  # fmt: skip
    return Markdown(table(["task", "runs", "median", "slowest", "device"], rows))


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "not finite"


def ratio(worse: pd.DataFrame, better: pd.DataFrame, name: str) -> str:
    """How many times smaller a loss is in the second group of runs, medians compared; "no run" if one is empty."""
    without, with_it = (runs[name].median() for runs in (worse, better))  # NaN: no run, or none that is finite
    return "no run" if math.isnan(without + with_it) else f"{without:.3g} without, {with_it:.3g} with"
