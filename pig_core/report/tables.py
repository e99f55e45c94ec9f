"""Sentences and tables of the report, computed from the committed results: no number in it is typed by hand."""

from __future__ import annotations

import dataclasses
import math
import re
import statistics
from collections.abc import Sequence

from IPython.display import Markdown

from ..config import make_config
from ..evaluation.oracle import oracle_fit
from ..tasks import TASKS
from .results import PAPER_VALUES, Result, coordinate_scale


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def of_task(results: Sequence[Result], task: str) -> list[Result]:
    """The results of one task."""
    return [result for result in results if result["task"] == task]


def source_note(results: Sequence[Result]) -> Markdown:
    """Which runs a figure or table shows: tasks, seeds, recipe with changed options, device and commit."""
    if not results:
        return Markdown("*There are no such runs yet.*")
    parts = {
        "tasks": {r["task"] for r in results},
        "seeds": {str(r["seed"]) for r in results},
        "recipe": {_recipe(r) for r in results},
        "commit": {short_commit(r["commit"]) for r in results},
        "on": {r["device"] for r in results},
    }
    text = "; ".join(f"{name} {', '.join(sorted(values))}" for name, values in parts.items())
    return Markdown(f"*Shown: {len(results)} runs; {text}.*")


def short_commit(commit: str) -> str:
    """A commit by its first eight digits; what follows ("+changes") stays."""
    return re.sub("[0-9a-f]{32}(?=$|[+])", "", commit)


def _recipe(result: Result) -> str:
    """The recipe and the options that were set to something else."""
    plain = dataclasses.asdict(make_config(result["task"], result["recipe"]))
    about = {"seed", "save_dir", "data_dir", "overwrite", "resume", "eval_every_n_epochs", "print_interval"}
    other = {n: v for n, v in result["config"].items() if n not in about and plain.get(n) != v}
    return result["recipe"] + "".join(f" with {name}={value}" for name, value in other.items())


def headline(results: Sequence[Result]) -> Markdown:
    """What came out, in two sentences."""
    found = sum(r["discovered"] and r["predicted"] for r in results)
    errors = [math.inf if e is None else 100 * abs(e) for r in results for e in r["parameter_error"].values()]
    seconds = {task: statistics.median(r["train_seconds"] for r in of_task(results, task)) for task in TASKS
               if of_task(results, task)}  # fmt: skip
    return Markdown(
        f"**{found} of {len(results)} runs of the recipe `improved` find the objects and the physics, every seed of "
        f"every task counted. The {len(errors)} physical parameters they measure are {statistics.median(errors):.2f} % "
        f"off in the median and {max(errors):.2f} % in the worst case. A run takes {min(seconds.values()):.0f} to "
        f"{max(seconds.values()):.0f} seconds on two CPU cores, without a GPU.**"
    )


def comparison_table(exact: Sequence[Result], released: Sequence[Result], paper: Sequence[Result]) -> Markdown:
    """Every parameter: true, in the paper, in our runs of ``paper``, with either placement, and the best possible.

    Args:
        exact, released: runs of the recipe ``improved`` with exact and with released placement.
        paper: runs of the recipe ``paper``.
    """
    rows = []
    for task, about in TASKS.items():
        best = oracle_fit(task) if about.truth else {}
        for name, true in about.truth.items():
            quoted = PAPER_VALUES.get(task, {}).get(name)
            rows.append((
                f"`{task}`", f"${name}$", f"{true:g}", "" if quoted is None else f"{quoted:g}",
                _values(of_task(paper, task), name), f"{true * coordinate_scale(task, name):.2f}",
                _values(of_task(released, task), name), _values(of_task(exact, task), name), f"{best[name]:.4g}",
            ))  # fmt: skip
    header = [
        "task", "", "true", "the paper (from memory)", "recipe `paper`, ours", "released placement, predicted",
        "released placement, ours", "exact placement, ours", "best possible with 5 substeps",
    ]  # fmt: skip
    return Markdown(table(header, rows))


def _values(runs: Sequence[Result], name: str) -> str:
    """Median and range over the seeds; without objects a value measures nothing, and that is said."""
    lost = sum(not r["discovered"] for r in runs)
    return _median_and_range(runs, name) + (f", objects not found by {lost} of {len(runs)}" if lost else "")


def _median_and_range(runs: Sequence[Result], name: str) -> str:
    values = [r["learned"][name] for r in runs if r["learned"].get(name) is not None]
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.4g} (1 seed)"
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g}, {len(values)} seeds)"


def paper_runs(results: Sequence[Result]) -> Markdown:
    """What the recipe ``paper`` gave, run by run, with what each run was."""
    rows = [
        (
            f"`{r['task']}`", r["seed"], r["config"]["epochs"], sum(r["steps"].values()), r["train_sequences"],
            *(_number(r[name]) for name in ("recons_loss", "pred_loss", "extrap_loss")),
            ", ".join(f"{n} {_number(v)}" for n, v in r["learned"].items()) or "none",
            f"{r['train_seconds'] / 60:.0f} min", r["device"],
        )
        for r in results
    ]  # fmt: skip
    header = ["task", "seed", "epochs", "steps", "sequences", "recons", "pred", "extrap", "learned", "time", "on"]
    return Markdown(table(header, rows) if rows else "There is no run of the recipe `paper` yet.")


def cost_table(results: Sequence[Result]) -> Markdown:
    """Time and device of every task's runs."""
    rows = []
    for task in TASKS:
        runs = of_task(results, task)
        if runs:
            seconds = [r["train_seconds"] for r in runs]
            rows.append((
                f"`{task}`", len(runs), f"{statistics.median(seconds):.0f} s", f"{max(seconds):.0f} s",
                ", ".join(sorted({r["device"] for r in runs})),
            ))  # fmt: skip
    return Markdown(table(["task", "runs", "median", "slowest", "device"], rows))


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"


def ratio(worse: Sequence[Result], better: Sequence[Result], name: str) -> str:
    """How many times smaller a loss is in the second group of runs, medians compared; "no run" if one is empty."""
    groups = [[r[name] for r in runs if r[name] is not None] for runs in (worse, better)]
    if not all(groups):
        return "no run"
    return f"{statistics.median(groups[0]):.3g} without, {statistics.median(groups[1]):.3g} with"
