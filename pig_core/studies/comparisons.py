"""Figures and tables of the comparisons (``ablations.ipynb``): studies against one another, every seed shown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ..evaluation.constants import Estimate
from ..report.figures import PALETTE
from ..report.overview import SHORT
from ..report.results import Result, or_infinite, results_folder
from ..report.tables import short_commit, table
from ..tasks import RECONS_THRESHOLD, TASKS
from .studies import STUDIES, study_results

Variants = Mapping[str, Sequence[Result]]


def steps_to_discovery(folder: Path, result: Result) -> int | None:
    """Gradient steps of all stages until the reconstruction is first below the authors' threshold; None: never."""
    path = folder / "curves" / f"{result['task']}-{result['recipe']}-s{result['seed']}.json"
    done, last, stage = 0, 0, None
    for point in json.loads(path.read_text()):
        if point["stage"] != stage:
            done, stage = done + last, point["stage"]
        last = point["step"] + 1
        loss = point.get("recons_loss")  # None: it was not finite
        if loss is not None and loss < RECONS_THRESHOLD:
            return done + last
    return None


def variants_table(variants: Variants, study: str) -> Markdown:
    """One line a variant: seeds that met the thresholds, steps to discovery, errors of parameters, losses (medians).

    Args:
        study: whose variants they are.
    """
    rows = []
    for name, runs in variants.items():
        steps = [steps_to_discovery(results_folder() / study / name, run) for run in runs if run["discovered"]]
        reached = [step for step in steps if step is not None]
        rows.append((
            f"`{name}`", f"{sum(r['discovered'] for r in runs)} / {len(runs)}",
            f"{sum(r['predicted'] for r in runs)} / {len(runs)}",
            f"{statistics.median(reached):.0f} ({len(reached)} of {len(runs)})" if reached else "never",
            _errors(runs),
            *(_median([run[loss] for run in runs]) for loss in ("recons_loss", "pred_loss", "extrap_loss")),
        ))  # fmt: skip
    header = [
        "variant", "discovered", "predicted", "steps to discovery", "error, worst seed", "recons, median",
        "pred, median", "extrap, median",
    ]  # fmt: skip
    return Markdown(table(header, rows))


def _errors(runs: Sequence[Result]) -> str:
    """Worst seed of each parameter, percent; a value that is not finite is the worst of all."""
    names = runs[0]["parameter_error"] if runs else ()
    worst = {name: max(100 * abs(or_infinite(r["parameter_error"][name])) for r in runs) for name in names}
    return ", ".join(f"{name} {value:.2g} %" for name, value in worst.items())


def _median(values: Sequence[float | None]) -> str:
    return f"{statistics.median(map(or_infinite, values)):.2g}"


def variants_figure(variants: Variants, usual: Sequence[Result], name_of_usual: str = "improved") -> Figure:
    """Reconstruction, prediction and parameter error of every run of every variant, on logarithmic axes.

    Args:
        usual: the runs that the variants are compared with, in a row of their own above them.
    """
    rows = {name_of_usual: usual, **variants}
    names = list(dict.fromkeys(n for runs in rows.values() for r in runs for n in r["parameter_error"]))
    figure, axes = plt.subplots(1, 3, figsize=(11, 0.27 * len(rows) + 1.3), sharey=True)
    for y, runs in enumerate(rows.values()):
        shift = np.linspace(-0.25, 0.25, len(runs)) if len(runs) > 1 else [0]
        color = PALETTE[7] if y == 0 else PALETTE[0]
        for ax, loss in zip(axes, ("recons_loss", "pred_loss"), strict=False):
            ax.plot(
                [np.nan if r[loss] is None else r[loss] for r in runs], y + np.asarray(shift), "o", ms=4, color=color
            )
        for i, name in enumerate(names):
            errors = [
                np.nan if r["parameter_error"][name] is None else 100 * abs(r["parameter_error"][name]) for r in runs
            ]
            label = name if y == 0 else None
            axes[2].plot(errors, y + np.asarray(shift), "os"[i], ms=4, color=PALETTE[i], alpha=0.8, label=label)
    axes[0].axvline(RECONS_THRESHOLD, color=PALETTE[3])
    axes[1].axvline(TASKS[usual[0]["task"]].pred_threshold, color=PALETTE[3])
    for ax, label in zip(axes, ("reconstruction loss", "prediction loss", "error of a parameter in %"), strict=True):
        ax.set(xscale="log", xlabel=label)
        low, high = ax.get_xlim()
        if high < 30 * low:  # powers of ten alone would leave one label or none
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_yticks(range(len(rows)), rows)
    axes[0].invert_yaxis()
    axes[2].legend(fontsize=8)
    return figure


def data_efficiency(variants: Variants, full: Sequence[Result], tasks: Sequence[str]) -> Figure:
    """Parameter error and prediction loss against the number of training videos, a dot per seed."""
    figure, axes = plt.subplots(2, len(tasks), figsize=(4.2 * len(tasks), 5), sharex=True, squeeze=False)
    for column, task in enumerate(tasks):
        runs = [r for group in (*variants.values(), full) for r in group if r["task"] == task]
        for i, name in enumerate(TASKS[task].truth):
            points = [(r["train_sequences"], 100 * abs(r["parameter_error"][name])) for r in runs
                      if r["parameter_error"][name] is not None]  # fmt: skip
            axes[0, column].plot(*zip(*points, strict=True), "os"[i], ms=4, color=PALETTE[i], alpha=0.8, label=name)
        axes[0, column].axhline(0.5, color="0.4", ls=":")
        axes[0, column].legend(fontsize=8)
        points = [(r["train_sequences"], r["pred_loss"]) for r in runs if r["pred_loss"] is not None]
        axes[1, column].plot(*zip(*points, strict=True), "o", ms=4, color=PALETTE[4], alpha=0.8)
        axes[1, column].axhline(TASKS[task].pred_threshold, color=PALETTE[3])
        axes[0, column].set(xscale="log", yscale="log", title=SHORT[task])
        axes[1, column].set(yscale="log", xlabel="training videos")
    axes[0, 0].set_ylabel("error of a parameter in %")
    axes[1, 0].set_ylabel("prediction loss")
    return figure


def efficiency_table(variants: Variants, full: Sequence[Result]) -> Markdown:
    """Largest error of each parameter and the median prediction loss for every number of training videos."""
    rows = []
    for task in dict.fromkeys(r["task"] for runs in variants.values() for r in runs):
        for name, runs in {**variants, "all": full}.items():
            chosen = [r for r in runs if r["task"] == task]
            found = f"{sum(r['discovered'] for r in chosen)} / {len(chosen)}"
            rows.append((SHORT[task], name, found, _errors(chosen), _median([r["pred_loss"] for r in chosen])))
    return Markdown(table(["task", "training videos", "discovered", "error, worst seed", "pred, median"], rows))


def spread_table(estimates: Mapping[str, Mapping[str, Estimate]], best: Mapping, runs: Sequence[Result]) -> Markdown:
    """Every parameter with its spreads, and whether two standard deviations cover the truth and the best possible.

    Two spreads are asked: the error bar around the estimate (the wider of both), and the seeds' around their mean.

    Args:
        estimates: task -> parameter -> estimate.
        best: task -> parameter -> the best that a model with 5 substeps can measure.
        runs: the runs over all seeds.
    """
    rows = []
    for task, found in estimates.items():
        for name, e in found.items():
            true, possible = TASKS[task].truth[name], best[task][name]
            seeds = [r["learned"][name] for r in runs if r["task"] == task]
            mean, scatter, bar = statistics.mean(seeds), statistics.stdev(seeds), max(e.laplace, e.bootstrap)
            covered = [
                " / ".join("yes" if abs(value - goal) <= 2 * spread else "no" for goal in (true, possible))
                for value, spread in ((e.value, bar), (mean, scatter))
            ]
            rows.append((
                SHORT[task], f"${name}$", f"{true:g}", f"{possible:.4f}", f"{e.value:.4f}", f"{e.laplace:.4f}",
                f"{e.bootstrap:.4f}", covered[0], f"{mean:.4f}", f"{scatter:.4f}", covered[1],
            ))  # fmt: skip
    header = [
        "task", "", "true", "best with 5 substeps", "estimate", "sd, Laplace", "sd, bootstrap", "covers true / best?",
        "mean over seeds", "sd over seeds", "covers true / best?",
    ]  # fmt: skip
    return Markdown(table(header, rows))


def question(name: str) -> Markdown:
    """What a study asks, how to run it, and where the runs that are shown come from."""
    study, runs = STUDIES[name], [run for group in study_results(name).values() for run in group]
    commits, devices = ({run[key] for run in runs} for key in ("commit", "device"))
    return Markdown(
        f"*{study.question}* Recipe `{study.recipe}`, seeds {', '.join(map(str, study.seeds))}. "
        f"Run it: `make study STUDY={name}`. Shown: {len(runs)} runs; commit "
        f"{', '.join(sorted(map(short_commit, commits)))}; on {', '.join(sorted(devices))}."
    )
