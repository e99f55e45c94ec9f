"""Figures of the comparisons (``ablations.ipynb``): studies against one another, every seed shown."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from pig_core.tasks import RECONS_THRESHOLD, Task

from ..report.results import constants_of, per_frame
from ..report.style import LOSS_LABEL, PALETTE, evenly, image_grid
from ..report.tables import of_task

MEASURES = {
    "pred_loss_per_step": LOSS_LABEL, "ssim_per_step": "structural similarity",
    "rollout_rms_per_step": "position error in pixels",
}  # fmt: skip
# Lines of models differ in style as well as in colour: solid, dashed, dotted, ...
_STYLES = ["", (5, 1.5), (1.5, 1), (5, 1, 1, 1), (2.5, 1), (8, 2), (5, 1, 1, 1, 1, 1)]
_DOTS = {"s": 26, "linewidth": 0}


def variants_figure(runs: pd.DataFrame, task: Task) -> Figure:
    """Reconstruction, prediction and parameter error of every run of every variant, on logarithmic axes.

    Args:
        runs: of one task; the first variant is the one that the others are compared with, and drawn in grey.
    """
    names = runs["variant"].unique()
    shift = runs.groupby("variant")["seed"].transform(lambda s: np.linspace(-0.25, 0.25, len(s)) if len(s) > 1 else 0.0)
    runs = runs.assign(row=pd.factorize(runs["variant"])[0] + shift, usual=runs["variant"] == names[0])
    figure, axes = plt.subplots(1, 3, figsize=(11, 0.27 * len(names) + 1.3), sharey=True)
    limits = {"recons_loss": RECONS_THRESHOLD, "pred_loss": task.pred_threshold}
    for ax, (loss, limit) in zip(axes, limits.items(), strict=False):
        colors = {True: PALETTE[7], False: PALETTE[0]}
        sns.scatterplot(runs, x=loss, y="row", hue="usual", palette=colors, legend=False, ax=ax, **_DOTS)
        ax.axvline(limit, color=PALETTE[3])
    _scatter_errors(axes[2], runs, x="percent", y="row")
    for ax, label in zip(axes, ("reconstruction loss", "prediction loss", "error of a parameter in %"), strict=True):
        ax.set(xscale="log", xlabel=label, ylabel="")
        low, high = ax.get_xlim()
        if high < 30 * low:  # powers of ten alone would leave one label or none
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    return figure


def _scatter_errors(ax: plt.Axes, runs: pd.DataFrame, x: str, y: str) -> None:
    """The error of every parameter of every run in percent; ``x`` or ``y`` is "percent", the other one a column."""
    other = y if x == "percent" else x
    errors = constants_of(runs, keys=[other])
    names = errors["name"].unique()
    sns.scatterplot(
        errors.assign(percent=100 * errors["error"].abs()), x=x, y=y, hue="name", style="name", alpha=0.8, ax=ax,
        palette=PALETTE[: len(names)], markers=["o", "s"][: len(names)], **_DOTS,
    )  # fmt: skip
    ax.legend()


def decay(models: pd.DataFrame, tasks: Sequence[Task]) -> Figure:
    """Image error, similarity and position error over the predicted frames: a colour per model, a line per seed.

    Tasks stand beside one another; those three do if there is only one task.

    Args:
        models: runs, and below them the rows of :func:`trivial_predictors`, with the model's name as "variant".
    """
    guesses = models.loc[models["seed"].isna(), "variant"].unique()
    names = [name for name in models["variant"].unique() if name not in guesses]
    look = {
        "palette": {**dict(zip(names, PALETTE, strict=False)), **dict.fromkeys(guesses, "0.4")},
        "dashes": {**dict(zip(names, _STYLES, strict=False)), **dict(zip(guesses, [(1, 1.6), (4, 1.6)], strict=False))},
    }
    if several := len(tasks) > 1:
        size = (3.5 * len(tasks), 7.2)
        figure, axes = plt.subplots(len(MEASURES), len(tasks), figsize=size, squeeze=False, sharex="col")
    else:
        figure, axes = plt.subplots(1, len(MEASURES), figsize=(11, 3.4), squeeze=False)
    drawn = {}  # not every model is there for every task
    for column, task in zip(axes.T if several else axes, tasks, strict=True):
        shown = of_task(models, task.name).fillna({"seed": -1})
        for ax, (measure, label) in zip(column, MEASURES.items(), strict=True):
            points = per_frame(shown, measure, keys=["variant", "seed"])
            sns.lineplot(
                points, x="frame", y="value", hue="variant", style="variant", units="seed", estimator=None, lw=1.2,
                ax=ax, **look,
            )  # fmt: skip
            handles, labels = ax.get_legend_handles_labels()
            drawn |= dict(zip(labels, handles, strict=True))
            ax.get_legend().remove()
            ax.axvspan(task.input_steps + 1, task.input_steps + task.pred_steps, color="0.93", zorder=0)
            shows_label = not several or ax in axes[:, 0]
            ax.set(yscale="linear" if measure == "ssim_per_step" else "log", ylabel=label if shows_label else "")
        if several:
            column[0].set_title(task.title)
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=4)
    return figure


def data_efficiency(runs: pd.DataFrame, tasks: Sequence[Task]) -> Figure:
    """Parameter error and prediction loss against the number of training videos, a dot per seed."""
    figure, axes = plt.subplots(2, len(tasks), figsize=(4.2 * len(tasks), 5), sharex=True, squeeze=False)
    for (above, below), task in zip(axes.T, tasks, strict=True):
        chosen = of_task(runs, task.name)
        _scatter_errors(above, chosen, x="train_sequences", y="percent")
        sns.scatterplot(chosen, x="train_sequences", y="pred_loss", color=PALETTE[4], alpha=0.8, ax=below, **_DOTS)
        above.axhline(0.5, color="0.4", ls=":")
        below.axhline(task.pred_threshold, color=PALETTE[3])
        above.set(xscale="log", yscale="log", title=task.title, ylabel="")
        below.set(yscale="log", xlabel="training videos", ylabel="")
    axes[0, 0].set_ylabel("error of a parameter in %")
    axes[1, 0].set_ylabel("prediction loss")
    return figure


def other_half(task: Task, images: Mapping[str, Tensor]) -> Figure:
    """A long test video in which a disc leaves the half of the image that training shows, drawn by several decoders.

    It is the one, of those at hand, in which discs are in the other half for the longest time.

    Args:
        images: result of :func:`predicted_frames`.
    """
    middle, times = task.image_size // 2, evenly(task.input_steps, task.test_length, 9)
    index = int(images["truth"][..., middle:].sum((1, 2, 3, 4)).argmax())
    rows = {name: drawn[index, times - task.input_steps] for name, drawn in images.items()}
    figure, axes = image_grid(rows, [f"frame {t + 1}" for t in times], 1.05)
    for ax in axes.flat:
        ax.axvline(middle - 0.5, color="0.6", lw=0.7)
    return figure
