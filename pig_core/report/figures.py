"""Every figure of the notebooks: one style, labelled axes, colours that a colour-blind reader can tell apart."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..config import Config
from ..data.videos import to_video
from ..evaluation.evaluate import Evaluation
from ..model import PAIG
from ..runs.artifacts import comparison, template_sheet
from ..tasks import RECONS_THRESHOLD, TASKS
from ..training import Curves

PALETTE = sns.color_palette("colorblind")
# Object j is drawn in these colours, close to the blue, green and red of the videos.
OBJECT_COLORS = [PALETTE[0], PALETTE[2], PALETTE[3]]
LOSS_LABEL = "squared error per frame"


def use_style() -> None:
    """One look for all figures: white background (they sit on a light card in dark mode), thin grid."""
    sns.set_theme(style="whitegrid", palette="colorblind", rc={"axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams.update(
        {"figure.dpi": 110, "figure.constrained_layout.use": True, "font.size": 10, "axes.titlesize": 11}
    )


def show_image(ax: plt.Axes, image: Tensor) -> None:
    """Show an image (C, S, S) in [0, 1]."""
    picture = image.detach().cpu().clamp(0, 1).movedim(0, -1)
    ax.imshow(picture.expand(*picture.shape[:2], 3).numpy(), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)


def samples(frames: Tensor, rows: int = 3, columns: int = 10) -> Figure:
    """The first training sequences, uint8 (N, T, H, W, 3), a row each."""
    rows, columns = min(rows, len(frames)), min(columns, frames.shape[1])
    figure, axes = plt.subplots(rows, columns, figsize=(columns * 0.95, rows * 1.05), squeeze=False)
    for i in range(rows):
        for t in range(columns):
            show_image(axes[i, t], to_video(frames[i, t]))
            if i == 0:
                axes[i, t].set_title(f"t = {t + 1}", fontsize=8)
        axes[i, 0].set_ylabel(f"video {i + 1}", fontsize=8)
    return figure


def curves(points: Curves, config: Config) -> Figure:
    """Image losses of the stages that have one, and physical parameters of those that learn them."""
    # A black box has no parameters, whatever the task's are.
    truth = {name: value for name, value in config.true_parameters().items() if any(name in p for p in points)}
    figure, axes = plt.subplots(1, 2 if truth else 1, figsize=(9 if truth else 5, 3.2), squeeze=False)
    losses = {"recons_loss": "reconstruction", "pred_loss": "prediction"}
    shown = [p for p in points if losses.keys() & p.keys()]
    starts = _stage_starts(axes[0, 0], shown)
    for name, label in losses.items():
        chosen = [p for p in shown if name in p]
        if chosen:
            axes[0, 0].plot([starts[p["stage"]] + p["step"] for p in chosen], [p[name] for p in chosen], label=label)
    axes[0, 0].axhline(RECONS_THRESHOLD, color="0.4", ls=":", label="objects are discovered")
    axes[0, 0].set(yscale="log", xlabel="step", ylabel=LOSS_LABEL, title="Loss on training batches")
    axes[0, 0].legend(fontsize=8)
    if truth:
        shown = [p for p in points if p["stage"] in ("dynamics", "joint")]
        starts = _stage_starts(axes[0, 1], shown)
        steps = [starts[p["stage"]] + p["step"] for p in shown]
        for i, (name, value) in enumerate(truth.items()):
            axes[0, 1].plot(steps, [p[name] for p in shown], color=PALETTE[i], label=f"{name} learned")
            axes[0, 1].axhline(value, color=PALETTE[i], ls=":", label=f"{name} true")
        axes[0, 1].set(xlabel="step", ylabel="value", title="Physical parameters")
        axes[0, 1].legend(fontsize=8)
    return figure


def _stage_starts(ax: plt.Axes, points: Curves) -> dict[str, int]:
    """Where each stage starts on a common axis of steps; marks it with a line and the stage's name."""
    starts, total = {}, 0
    for stage in dict.fromkeys(p["stage"] for p in points):
        starts[stage] = total
        ax.axvline(total, color="0.8", lw=1, zorder=0)
        ax.text(total, 1.0, f" {stage}", transform=ax.get_xaxis_transform(), fontsize=7, va="top", color="0.4")
        total += max(p["step"] for p in points if p["stage"] == stage) + 1
    return starts


def filmstrip(evaluation: Evaluation, config: Config, index: int = 0, columns: int = 12) -> Figure:
    """Prediction, truth and reconstruction of one test sequence at evenly spaced frames."""
    task = TASKS[config.task]
    rows = comparison(evaluation, index)
    length = len(rows["truth"])
    times = np.unique(np.linspace(0, length - 1, min(columns, length)).round().astype(int))
    figure, axes = plt.subplots(3, len(times), figsize=(len(times) * 0.85, 3.0))
    for row, (name, images) in enumerate(rows.items()):
        for column, t in enumerate(times):
            ax = axes[row, column]
            show_image(ax, images[t])
            shown = {
                "truth": True,
                "prediction": t >= task.input_steps,
                "reconstruction": t < task.input_steps + task.pred_steps,
            }
            if not shown[name]:
                ax.clear()
                ax.axis("off")
            if row == 0:
                part = "input" if t < task.input_steps else (
                    "predicted" if t < task.input_steps + task.pred_steps else "extrap."
                )  # fmt: skip
                ax.set_title(f"{t + 1}\n{part}", fontsize=7)
        axes[row, 0].text(
            -0.25, 0.5, name, transform=axes[row, 0].transAxes, rotation=90, va="center", ha="center", fontsize=8
        )
    return figure


def trajectories(evaluation: Evaluation, config: Config, count: int = 3) -> Figure:
    """Encoded, rolled-out and (if known) true paths of the first test sequences."""
    task = TASKS[config.task]
    count = min(count, len(evaluation.rollout))
    figure, axes = plt.subplots(1, count, figsize=(3.1 * count, 3.3), squeeze=False)
    for i, ax in enumerate(axes[0]):
        for k in range(evaluation.rollout.shape[2]):  # a baseline may know no objects
            color = OBJECT_COLORS[k]
            if evaluation.truth is not None:
                ax.plot(*evaluation.truth[i, :, k].T, color="0.75", lw=4, label="true path", zorder=1)
            ax.plot(
                *evaluation.positions[i, : task.input_steps, k].T,
                "s",
                color=color,
                ms=5,
                label="input frames",
                zorder=3,
            )
            ax.plot(*evaluation.rollout[i, :, k].T, "o-", color=color, ms=2, lw=0.8, label="rollout", zorder=2)
        ax.set(xlim=(0, task.image_size), ylim=(task.image_size, 0), aspect="equal", xlabel="x in pixels")
        ax.set_title(f"test video {i + 1}")
    axes[0, 0].set_ylabel("y in pixels")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def masks(evaluation: Evaluation, index: int = 0, times: int = 4) -> Figure:
    """Frames of one test sequence with what the encoder takes for each object."""
    frames, found = evaluation.video[index], evaluation.output.masks[index]  # (T, C, S, S), (L+P, K, S, S)
    k = found.shape[1]
    chosen = np.linspace(0, len(found) - 1, times).round().astype(int)
    figure, axes = plt.subplots(k + 1, times, figsize=(1.3 * times + 0.6, 1.35 * (k + 1)), squeeze=False)
    for column, t in enumerate(chosen):
        show_image(axes[0, column], frames[t])
        axes[0, column].set_title(f"t = {t + 1}", fontsize=8)
        for j in range(k):
            show_image(axes[j + 1, column], found[t, j : j + 1] * frames[t])
            x, y = evaluation.output.positions[index, t, j].tolist()
            axes[j + 1, column].plot(x - 0.5, y - 0.5, "+", color="white", ms=9)
            axes[j + 1, 0].set_ylabel(f"object {j + 1}", fontsize=8)
    axes[0, 0].set_ylabel("frame", fontsize=8)
    return figure


@torch.no_grad()
def templates(model: PAIG) -> Figure:
    """What the decoder draws: contents on top, masks below, a column per object and the background last."""
    sheet = template_sheet(model)
    side = sheet.shape[-2] // 2
    columns = sheet.shape[-1] // side
    figure, ax = plt.subplots(figsize=(1.7 * columns, 3.4))
    show_image(ax, sheet)
    ax.set_xticks([side * (i + 0.5) for i in range(columns)])
    ax.set_xticklabels([*(f"object {i + 1}" for i in range(columns - 1)), "background"], fontsize=9)
    ax.set_yticks([side / 2, 1.5 * side])
    ax.set_yticklabels(["content", "mask"], fontsize=9)
    return figure


def errors_over_time(evaluation: Evaluation, config: Config) -> Figure:
    """How image loss, similarity and positions decay over the predicted frames of the long test file."""
    task, metrics = TASKS[config.task], evaluation.metrics
    panels = {
        "pred_loss_per_step": (LOSS_LABEL, "Image error"),
        "ssim_per_step": ("structural similarity", "Similarity (1 is perfect)"),
        "rollout_rms_per_step": ("rms error per axis in pixels", "Position error"),
    }
    panels = {name: about for name, about in panels.items() if name in metrics}
    figure, axes = plt.subplots(1, len(panels), figsize=(3.2 * len(panels), 2.9), squeeze=False)
    for ax, (name, (label, title)) in zip(axes[0], panels.items(), strict=True):
        frames = task.input_steps + 1 + np.arange(len(metrics[name]))
        ax.axvspan(frames[0], task.input_steps + task.pred_steps, color="0.93", zorder=0)
        ax.plot(frames, metrics[name])
        ax.set(xlabel="frame", ylabel=label, title=title)
    axes[0, 0].text(
        frames[0], 0.97, " trained range", transform=axes[0, 0].get_xaxis_transform(), fontsize=8, va="top", color="0.4"
    )
    return figure
