"""Sentences and tables of the report, computed from the committed results: no number in it is typed by hand."""

import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import Markdown

from pig_core.checkpoint import saved_config
from pig_core.config import RECIPES, SHAPING, differing, make_config
from pig_core.tasks import RECONS_THRESHOLD, TASKS

from .results import PAPER_VALUES, constants_of, coordinate_scale, successes, two_digits


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
    return Markdown(f"<small>Shown: {len(results)} runs; {text}.</small>")


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
    constant = results["learned"].map(len) > 0
    return Markdown(
        f"**{len(successes(results))} of {len(results)} runs of the recipe `improved` find their objects and predict "
        f"them, every seed of every task counted; {constant.sum()} of these runs have constants to measure. The "
        f"{len(errors)} "
        f"constants are {errors.median():.2f} % off in the median and {errors.max():.2f} % in the worst case. A run "
        f"takes {results['train_seconds'].min():.0f} to {results['train_seconds'].max():.0f} seconds on two CPU cores "
        f"(medians of tasks: {seconds.min():.0f} to {seconds.max():.0f}), without a GPU.**"
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
                task.title, f"${name}$", f"{true:g}", "" if quoted is None else f"{quoted:g}", ours,
                f"{true * coordinate_scale(task, name):.2f}", placed, precise, f"{best[task.name][name]:.4g}",
            ))  # fmt: skip
    header = [
        "task", "", "true", "the paper (from memory)", "recipe `paper`, ours", "released placement, predicted",
        "released placement, ours", "exact placement, ours", "best possible with 5 substeps",
    ]  # fmt: skip
    return Markdown(table(header, rows))


def _values(runs: pd.DataFrame, name: str) -> str:
    """Median and range over the seeds that find their objects and predict: any other value measures nothing."""
    good = successes(runs)
    found, failed, parts = constants_of(good), len(runs) - len(good), []
    values = found.loc[found["name"] == name, "learned"]
    if len(values) == 1:
        parts.append(f"{values.iloc[0]:.4g} (1 seed)")
    elif len(values):
        parts.append(f"{values.median():.4g} ({values.min():.4g} to {values.max():.4g}, {len(values)} seeds)")
    if failed:
        parts.append(f"{failed} of {len(runs)} seeds measure nothing")
    return "; ".join(parts)


def task_settings(recipe: str) -> Markdown:
    """The options that a recipe sets for single tasks."""
    rows = [
        (f"`{task}`", ", ".join(f"`{name}={value}`" for name, value in options.items()))
        for task, options in RECIPES[recipe].items()
        if task != "all"
    ]
    return Markdown(table(["task", "its own settings"], rows))


def task_names() -> Markdown:
    """What commands and what the text call each task, what moves in it, and what is to be measured."""
    rows = [
        (f"`{name}`", task.title, f"{task.n_objects} {task.sprite}s", task.law.__name__.lower(),
         ", ".join(f"${constant}$" for constant in task.truth) or "nothing")
        for name, task in TASKS.items()
    ]  # fmt: skip
    return Markdown(table(["task", "called", "objects", "law", "to be measured"], rows))


def task_title(results: pd.DataFrame) -> Markdown:
    """What one task's runs came to, as the title of its page."""
    good, task = successes(results), TASKS[results["task"].iloc[0]]
    seeds = f"on all {len(good)} seeds" if len(good) == len(results) else f"on {len(good)} of {len(results)} seeds"
    if good.empty:
        return Markdown(f"# {task.title.capitalize()}: no seed finds the objects and predicts them")
    errors = constants_of(good).groupby("name", sort=False)["error"]
    worst = 100 * errors.agg(lambda each: each.abs().max())
    told = ", ".join(f"{name} to {two_digits(percent)}\u00a0%" for name, percent in worst.items())
    if not told:
        steps = good["rollout_rms_per_step"]
        off = max(values[-1] for values in steps)
        told = f"followed for {len(steps.iloc[0])} frames to {two_digits(off)} pixels"
    return Markdown(f"# {task.title.capitalize()}: {told}, {seeds}")


def task_table(results: pd.DataFrame) -> Markdown:
    """One task's runs in numbers, a row for each: the median over all seeds, and the worst one."""
    task, rows = TASKS[results["task"].iloc[0]], []
    for name, errors in constants_of(results).groupby("name", sort=False)["error"]:
        rows.append((f"error of ${name}$, %", 100 * errors.abs()))
    rows += [
        (f"reconstruction loss (found below {RECONS_THRESHOLD:g})", results["recons_loss"]),
        (f"prediction loss (learned below {task.pred_threshold:g})", results["pred_loss"]),
        ("extrapolation loss", results["extrap_loss"]),
        ("training, seconds", results["train_seconds"]),
    ]
    filled = [(name, values.fillna(math.inf)) for name, values in rows]  # what was not finite is infinitely bad
    lines = [(name, two_digits(values.median()), two_digits(values.max())) for name, values in filled]
    return Markdown(table([f"{len(results)} seeds", "median", "worst"], lines))


def learned_table(results: pd.DataFrame) -> Markdown:
    """True and learned values of one task's constants, a row per seed; a sentence if it has none."""
    found = constants_of(results)
    if found.empty:
        return Markdown("This task has no constant to measure.")
    names = list(found["name"].unique())
    truth = [part for name in names for part in (f"{found.loc[found['name'] == name, 'truth'].iloc[0]:g}", "")]
    rows = [
        (f"seed {seed}", *(text for value, error in zip(part["learned"], part["error"], strict=True)
         for text in (f"{value:.4g}", f"{100 * error:+.2f} %")))
        for seed, part in found.groupby("seed", sort=False)
    ]  # fmt: skip
    return Markdown(
        table(["", *(head for name in names for head in (f"${name}$", "error"))], [("true", *truth), *rows])
    )


def cost_table(results: pd.DataFrame) -> Markdown:
    """Time and device of every task's runs."""
    rows = []
    for task, runs in results.groupby("task", sort=False):
        seconds = (f"{s:.0f} s" for s in (runs["train_seconds"].median(), runs["train_seconds"].max()))
        rows.append((TASKS[task].title, len(runs), *seconds, ", ".join(sorted(set(runs["device"])))))
    return Markdown(table(["task", "runs", "median", "slowest", "device"], rows))


def ratio(worse: pd.DataFrame, better: pd.DataFrame, name: str) -> str:
    """How many times smaller a loss is in the second group of runs, medians compared; "no run" if one is empty."""
    without, with_it = (runs[name].median() for runs in (worse, better))  # NaN: no run, or none that is finite
    return "no run" if math.isnan(without + with_it) else f"{without:.3g} without, {with_it:.3g} with"
