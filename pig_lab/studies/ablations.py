"""Comparisons: one change undone or added, black boxes, decoders, training signals, and how many videos are enough."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from pig_core.data import example_videos
from pig_core.evaluate import similarity
from pig_core.model import frame_errors, to_video
from pig_core.tasks import RECONS_THRESHOLD, TASKS, Task

from ..report.results import constants_of, load_images, per_frame
from ..report.style import LOSS_LABEL, PALETTE, evenly, image_grid
from ..report.tables import of_task

MEASURES = {
    "pred_loss_per_step": LOSS_LABEL, "ssim_per_step": "structural similarity",
    "rollout_rms_per_step": "position error in pixels",
}  # fmt: skip
# Lines of models differ in style as well as in colour: solid, dashed, dotted, ...
_STYLES = ["", (5, 1.5), (1.5, 1), (5, 1, 1, 1), (2.5, 1), (8, 2), (5, 1, 1, 1, 1, 1)]
_DOTS = {"s": 26, "linewidth": 0}


def summary(runs: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """One row per variant (or per other ``keys``): seeds that meet the thresholds, worst errors, median losses.

    A value that is not finite is the worst of all.
    """
    rows = []
    for names, group in runs.groupby(list(keys or ("variant",)), sort=False):
        errors = constants_of(group).groupby("name", sort=False)["error"]
        steps = group["found_at"].dropna()
        rows.append({
            **dict(zip(keys or ("variant",), names, strict=True)), "seeds": len(group),
            "found": int(group["discovered"].sum()), "predict": int(group["predicted"].sum()),
            "steps to discovery": steps.median() if len(steps) else None,
            **{f"{name}, worst error": 100 * error.abs().fillna(math.inf).max() for name, error in errors},
            **{loss: group[f"{loss}_loss"].fillna(math.inf).median() for loss in ("recons", "pred", "extrap")},
        })  # fmt: skip
    return pd.DataFrame(rows)


def trivial_predictors(task: Task, n: int = 100) -> pd.DataFrame:
    """Two guesses on ``n`` fresh videos: repeat the last input frame, or draw the mean of all frames.

    Returns:
        two rows with the columns of :func:`load_results` that they have; they are no runs, so that "seed" is NaN.
    """
    videos = to_video(example_videos(task, n)[0])  # (n, T, C, S, S)
    ahead = videos[:, task.input_steps :]
    guesses = {"last frame": videos[:, task.input_steps - 1 : task.input_steps], "mean frame": videos.mean((0, 1))}
    rows = []
    for name, guess in guesses.items():
        errors = frame_errors(guess.expand_as(ahead), ahead).mean(0).tolist()
        rows.append({
            "task": task.name, "variant": name, "seed": math.nan, "pred_loss_per_step": errors,
            "pred_loss": float(np.mean(errors[: task.pred_steps])),
            "extrap_loss": float(np.mean(errors[task.pred_steps :])),
            "ssim_per_step": similarity(guess.expand_as(ahead), ahead).mean(0).tolist(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def decoders_frames() -> dict[str, Tensor]:
    """Frames after the input frames of the first test videos, (n, T-L, C, S, S) in [0, 1], of the study "decoder".

    "truth", and the predictions of the variants "network" and "placed".
    """
    task = TASKS["spring_color_half"]
    arrays = {name: load_images(f"decoder/{name}/{task.name}-improved-s0") for name in ("network", "placed")}
    truth = to_video(torch.from_numpy(arrays["placed"]["input"]))[:, task.input_steps :]
    return {"truth": truth, **{name: to_video(torch.from_numpy(each["prediction"])) for name, each in arrays.items()}}


def errors_by_place(images: Tensor, truth: Tensor) -> tuple[float, float]:
    """The mean image loss of frames (n, T, C, S, S) that show nothing in the right half, and of all others."""
    error = frame_errors(images, truth)  # (n, T)
    beyond = truth[..., truth.shape[-1] // 2 :].amax((-3, -2, -1)) > 0.05
    return error[~beyond].mean().item(), error[beyond].mean().item()


def variants(runs: pd.DataFrame, task: Task) -> Figure:
    """Reconstruction, prediction and errors of the constants of every run of every variant, on logarithmic axes.

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
    errors = constants_of(runs, keys=["row"])
    sns.scatterplot(
        errors.assign(percent=100 * errors["error"].abs()), x="percent", y="row", hue="name", style="name", alpha=0.8,
        ax=axes[2], **_DOTS,
    )  # fmt: skip
    for ax, label in zip(axes, ("reconstruction loss", "prediction loss", "error of a constant in %"), strict=True):
        ax.set(xscale="log", xlabel=label, ylabel="")
        low, high = ax.get_xlim()
        if high < 30 * low:  # powers of ten alone would leave one label or none
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    return figure


def decay(models: pd.DataFrame, tasks: Sequence[Task], measures: Sequence[str] = tuple(MEASURES)) -> Figure:
    """Measures over the predicted frames: a row per measure, a column per task, a colour per model, a line per seed.

    Args:
        models: runs, and below them the rows of :func:`trivial_predictors`, with the model's name as "variant".
    """
    guesses = models.loc[models["seed"].isna(), "variant"].unique()
    names = [name for name in models["variant"].unique() if name not in guesses]
    look = {
        "palette": {**dict(zip(names, PALETTE, strict=False)), **dict.fromkeys(guesses, "0.4")},
        "dashes": {**dict(zip(names, _STYLES, strict=False)), **dict(zip(guesses, [(1, 1.6), (4, 1.6)], strict=False))},
    }
    size = (max(3.5 * len(tasks) + 0.5, 8), 2.4 * len(measures) + 0.8)
    figure, axes = plt.subplots(len(measures), len(tasks), figsize=size, squeeze=False, sharex="col")
    drawn = {}  # not every model is there for every task
    for column, task in zip(axes.T, tasks, strict=True):
        runs = of_task(models, task.name).fillna({"seed": -1})
        for ax, measure in zip(column, measures, strict=True):
            points = per_frame(runs, measure, keys=["variant", "seed"])
            sns.lineplot(
                points, x="frame", y="value", hue="variant", style="variant", units="seed", estimator=None, lw=1.2,
                ax=ax, **look,
            )  # fmt: skip
            handles, labels = ax.get_legend_handles_labels()
            drawn |= dict(zip(labels, handles, strict=True))
            ax.get_legend().remove()
            ax.axvspan(task.input_steps + 1, task.input_steps + task.pred_steps, color="0.93", zorder=0)
            label = MEASURES[measure] if ax in axes[:, 0] else ""
            ax.set(yscale="linear" if measure == "ssim_per_step" else "log", ylabel=label)
        column[0].set_title(task.title)
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=3)
    return figure


def data_efficiency(runs: pd.DataFrame, tasks: Sequence[Task]) -> Figure:
    """Errors of the constants against the number of training videos, a dot per seed, a panel per task."""
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.2 * len(tasks), 3), sharey=True, squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        errors = constants_of(of_task(runs, task.name), keys=["train_sequences"])
        errors = errors.assign(percent=100 * errors["error"].abs())
        sns.scatterplot(errors, x="train_sequences", y="percent", hue="name", style="name", alpha=0.8, ax=ax, **_DOTS)
        ax.axhline(0.5, color="0.4", ls=":")
        ax.set(xscale="log", yscale="log", title=task.title, ylabel="", xlabel="training videos")
    axes[0, 0].set_ylabel("error of a constant in %")
    return figure


def other_half(images: Mapping[str, Tensor]) -> Figure:
    """A test video in which a disc leaves the half of the image that training shows, drawn by several decoders.

    Of the videos given it is the one in which discs are in the other half for the longest time.

    Args:
        images: result of :func:`decoders_frames`.
    """
    task = TASKS["spring_color_half"]
    middle, times = task.image_size // 2, evenly(task.input_steps, task.test_length, 9)
    index = int(images["truth"][..., middle:].sum((1, 2, 3, 4)).argmax())
    rows = {name: drawn[index, times - task.input_steps] for name, drawn in images.items()}
    figure, axes = image_grid(rows, [f"frame {t + 1}" for t in times], 1.05)
    for ax in axes.flat:
        ax.axvline(middle - 0.5, color="0.6", lw=0.7)
    return figure
