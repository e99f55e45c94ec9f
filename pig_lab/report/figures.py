"""Figures of one run: its videos, its training, its masks and templates, and its predictions."""

import itertools
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from pig_core.evaluate import Evaluation, input_steps, template_sheet
from pig_core.model import PAIG, to_video
from pig_core.tasks import RECONS_THRESHOLD
from pig_core.training import Curves

from ..images import own_colors, tinted
from ..trained import Trained
from .panels import FIRST
from .style import LOSS_LABEL, PALETTE, evenly, image_grid, show_image
from .whatif import WhatIf, loss_along, slider_values

ARROW = 3  # frames of motion that a velocity arrow is long


def samples(frames: Tensor, rows: int = 3, columns: int = 10, title: str = "") -> Figure:
    """The first training sequences, uint8 (N, T, H, W, 3), a row each."""
    videos = to_video(frames[:rows, :columns])
    titles = [f"t = {t + 1}" for t in range(videos.shape[1])]
    figure, _ = image_grid({f"video {i + 1}": video for i, video in enumerate(videos)}, titles, 0.95, title)
    return figure


def curves(points: Curves, truth: Mapping[str, float]) -> Figure:
    """Image losses and physical constants over the steps of all stages."""
    data = pd.DataFrame(points)
    steps = data.groupby("stage", sort=False)["step"].max() + 1
    starts = steps.cumsum() - steps
    data["step"] += data["stage"].map(starts)
    truth = {name: value for name, value in truth.items() if name in data}  # a black box has none
    figure, axes = plt.subplots(1, 1 + bool(truth), figsize=(5 + 4 * bool(truth), 3.2), squeeze=False)
    for name, label in {"recons_loss": "reconstruction", "pred_loss": "prediction"}.items():
        if name in data:
            axes[0, 0].plot("step", name, data=data.dropna(subset=name), label=label)
    axes[0, 0].axhline(RECONS_THRESHOLD, color="0.4", ls=":", label="found below")
    axes[0, 0].set(yscale="log", ylabel=LOSS_LABEL)
    for color, (name, value) in zip(PALETTE, truth.items(), strict=False):
        axes[0, 1].plot("step", name, data=data, color=color, label=f"{name} learned")
        axes[0, 1].axhline(value, color=color, ls=":", label=f"{name} true")
    for ax in axes[0]:
        for stage, start in starts.items():
            ax.axvline(start, color="0.8", lw=1, zorder=0)
            ax.text(start, 1, f" {stage}", transform=ax.get_xaxis_transform(), rotation=90, va="top", color="0.4")
        ax.set(xlabel="step")
        ax.legend()
    return figure


def trajectories(evaluation: Evaluation, videos: Mapping[str, int] = FIRST) -> Figure:
    """Encoded, rolled-out and (if known) true paths of some test sequences.

    Args:
        videos: indices with their names; left out are those that do not exist.
    """
    videos = {name: i for name, i in videos.items() if i < len(evaluation.rollout)}
    count, size = len(videos), evaluation.video.shape[-1]
    colors = own_colors(evaluation.video, evaluation.output.masks)
    figure, axes = plt.subplots(1, count, figsize=(3.1 * count, 3.3), squeeze=False)
    for (name, i), ax in zip(videos.items(), axes[0], strict=True):
        seen, ahead = evaluation.positions[i, : input_steps(evaluation)], evaluation.rollout[i]
        for k, color in zip(range(ahead.shape[1]), colors, strict=False):  # a baseline may know no objects
            if evaluation.truth is not None:
                ax.plot(*evaluation.truth[i, :, k].T, color="0.75", lw=4, zorder=1)
            ax.plot(*seen[:, k].T, "s", color=color, ms=5, zorder=3)
            ax.plot(*ahead[:, k].T, "o-", color=color, ms=2, lw=0.8, zorder=2)
        ax.set(xlim=(0, size), ylim=(size, 0), aspect="equal", xlabel="x in pixels", title=name)
    axes[0, 0].set_ylabel("y in pixels")
    kinds = {  # in grey: every object has a colour of its own
        **({} if evaluation.truth is None else {"true path": Line2D([], [], color="0.75", lw=4)}),
        "input frames": Line2D([], [], color="0.4", marker="s", ls="", ms=5),
        "rollout": Line2D([], [], color="0.4", marker="o", ms=2, lw=0.8),
    }
    figure.legend(kinds.values(), kinds.keys(), loc="outside lower center", ncols=3)
    return figure


def masks(evaluation: Evaluation, index: int = 0, times: int = 4) -> Figure:
    """Frames of one test sequence, and the mask of each object in them; borders have the objects' colours."""
    frames, found = evaluation.video[index], evaluation.output.masks[index]  # (T, C, S, S), (L+P, K, S, S)
    chosen = evenly(0, len(found), times)
    rows = {f"object {j + 1}": found[chosen, j : j + 1] for j in range(found.shape[1])}
    figure, axes = image_grid({"frame": frames[chosen], **rows}, [f"frame {t + 1}" for t in chosen], 1.3)
    colors = own_colors(evaluation.video, evaluation.output.masks)
    for column, t in zip(axes.T, chosen, strict=True):
        positions = evaluation.output.positions[index, t].tolist()
        for ax, (x, y), color in zip(column[1:], positions, colors, strict=False):
            ax.plot(x - 0.5, y - 0.5, "+", color=PALETTE[3], ms=9)
            ax.spines[:].set(visible=True, color=color, linewidth=3)
    return figure


def templates(model: PAIG, evaluation: Evaluation) -> Figure:
    """The learned templates: contents on top, masks below, a column per object and the background last."""
    sheet = template_sheet(model)
    side = sheet.shape[-2] // 2
    columns = sheet.shape[-1] // side
    figure, ax = plt.subplots(figsize=(1.7 * columns, 3.4))
    show_image(ax, sheet)
    colors = own_colors(evaluation.video, evaluation.output.masks)
    for i, color in zip(range(columns - 1), colors, strict=False):
        ax.add_patch(Rectangle((side * i, 0), side - 1, 2 * side - 1, fill=False, edgecolor=color, lw=3))
    names = [*(f"object {i + 1}" for i in range(columns - 1)), "background"]
    ax.set_xticks([side * (i + 0.5) for i in range(columns)], names)
    ax.set_yticks([side / 2, 1.5 * side], ["content", "mask"])
    return figure


def errors_over_time(evaluation: Evaluation) -> Figure:
    """Image error, similarity and position error over the predicted frames of the long test file."""
    metrics, first, end = evaluation.metrics, input_steps(evaluation) + 1, evaluation.output.recons.shape[1]
    measures = {"pred_loss_per_step": LOSS_LABEL, "ssim_per_step": "structural similarity (1: perfect)",
                "rollout_rms_per_step": "position error in pixels"}  # fmt: skip
    measures = {name: label for name, label in measures.items() if name in metrics}
    figure, axes = plt.subplots(1, len(measures), figsize=(3.2 * len(measures), 2.9), squeeze=False)
    for ax, (name, label) in zip(axes[0], measures.items(), strict=True):
        ax.axvspan(first, end, color="0.93", zorder=0)  # the frames that training predicts
        ax.plot(first + np.arange(len(metrics[name])), metrics[name])
        ax.set(xlabel="frame", ylabel=label)
    return figure


@torch.no_grad()
def pipeline(trained: Trained, index: int = 0) -> Figure:
    """One video at each step of the model, drawn from the tensors of a run."""
    evaluation, task = trained.evaluation, trained.task
    output, last, end = evaluation.output, task.input_steps - 1, task.input_steps + task.pred_steps
    frame, colors = evaluation.video[index, last], own_colors(evaluation.video, output.masks)
    pictures = {
        f"frame {last + 1}": frame,
        "masks": tinted(output.masks[index, last : last + 1], frame[None], 0.25, colors)[0],
        "positions, velocities": 0.45 * frame,
        "rollout of the physics": 0.25 * frame,
        f"drawn: frame {end}": output.prediction[index, task.pred_steps - 1],
    }
    figure, axes = plt.subplots(1, len(pictures), figsize=(12, 2.9))
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        show_image(ax, picture)
        ax.set_title(title)
    pushed = None if evaluation.actions is None else evaluation.actions[index : index + 1]
    pos, vel = trained.model.state(output.positions[index : index + 1, : task.input_steps], pushed)
    tips = trained.model.physics.pose(pos + ARROW * task.dt * vel)[0]
    for j, color in zip(range(task.n_objects), colors, strict=False):
        here, tip = output.positions[index, last, j].numpy() - 0.5, tips[j].numpy() - 0.5
        axes[2].plot(*here, "+", color="white", ms=10)
        axes[2].annotate("", tip, here, arrowprops={"color": color, "arrowstyle": "-|>", "lw": 1.5})
        axes[3].plot(*(evaluation.rollout[index, :, j] - 0.5).T, "o-", color=color, ms=3, lw=0.8)
    for left, right in itertools.pairwise(axes):
        left.annotate("", (1.17, 0.5), (1.03, 0.5), xycoords="axes fraction", arrowprops={"arrowstyle": "->"})
        right.set_xlim(left.get_xlim())
    return figure


def loss_along_sliders(trained: Trained, index: int = 0) -> Figure:
    """The loss of one video along every slider of the explorer."""
    near = (-1 + 1e-6, -0.75, -0.05, -0.02, -0.01, -0.005, 0.005, 0.01, 0.02, 0.05)  # from none; the minimum is narrow
    values = {name: options[::2] for name, options in slider_values(trained).items()}
    for name, value in trained.model.physics.values().items():
        values[name] = sorted([*values[name], *(value * (1 + off) for off in near)])
    labels = {"speed": "factor of the speed", "turn": "turn of the velocity in degrees"}
    truth = {**trained.task.truth, "speed": 1.0, "turn": 0.0}
    figure, axes = plt.subplots(1, len(values), figsize=(2.6 * len(values), 2.6), sharey=True)
    for ax, (name, options) in zip(axes, values.items(), strict=True):
        ax.plot(options, loss_along(trained, index, name, options, WhatIf()), ".-", ms=3)
        ax.axvline(truth[name], color="0.4", ls=":")
        ax.set(xlabel=labels.get(name, name), yscale="log")
    axes[0].set_ylabel("loss per frame")
    return figure
