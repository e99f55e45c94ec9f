"""Figures of one run: its videos, its training, what it found and what it predicts."""

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

from pig_core.data import simulate, survivors
from pig_core.evaluate import Evaluation, input_steps, template_sheet
from pig_core.model import PAIG, to_video
from pig_core.tasks import RECONS_THRESHOLD, TASKS, Task
from pig_core.training import Curves
from pig_lab.images import frame_part, own_colors, panels, tinted

from ..trained import Trained
from .style import LOSS_LABEL, PALETTE, PART_COLORS, evenly, image_grid, show_image
from .whatif import WhatIf, ask, loss_along, slider_values

ARROW = 3  # frames of motion that a velocity arrow is long


def samples(frames: Tensor, rows: int = 3, columns: int = 10, title: str = "") -> Figure:
    """The first training sequences, uint8 (N, T, H, W, 3), a row each."""
    videos = to_video(frames[:rows, :columns])
    titles = [f"t = {t + 1}" for t in range(videos.shape[1])]
    figure, _ = image_grid({f"video {i + 1}": video for i, video in enumerate(videos)}, titles, 0.95, title)
    return figure


def curves(points: Curves, truth: Mapping[str, float]) -> Figure:
    """Image losses of the stages that have one, and physical parameters of those that learn them."""
    # A black box has no parameters, whatever the task's are.
    truth = {name: value for name, value in truth.items() if any(name in p for p in points)}
    figure, axes = plt.subplots(1, 2 if truth else 1, figsize=(9 if truth else 5, 3.2), squeeze=False)
    ax, losses = axes[0, 0], {"recons_loss": "reconstruction", "pred_loss": "prediction"}
    starts = _stage_starts(ax, [p for p in points if losses.keys() & p.keys()])
    for name, label in losses.items():
        if chosen := [p for p in points if name in p]:
            ax.plot([starts[p["stage"]] + p["step"] for p in chosen], [p[name] for p in chosen], label=label)
    ax.axhline(RECONS_THRESHOLD, color="0.4", ls=":", label="found below")
    ax.set(yscale="log", xlabel="step", ylabel=LOSS_LABEL, title="Loss on training batches")
    if truth:
        ax, shown = axes[0, 1], [p for p in points if p["stage"] in ("dynamics", "joint")]
        starts = _stage_starts(ax, shown)
        steps = [starts[p["stage"]] + p["step"] for p in shown]
        for color, (name, value) in zip(PALETTE, truth.items(), strict=False):
            ax.plot(steps, [p[name] for p in shown], color=color, label=f"{name} learned")
            ax.axhline(value, color=color, ls=":", label=f"{name} true")
        ax.set(xlabel="step", ylabel="value", title="Physical parameters")
    for ax in axes[0]:
        ax.legend()
    return figure


def _stage_starts(ax: plt.Axes, points: Curves) -> dict[str, int]:
    """Where each stage starts on a common axis of steps; marks it with a line and the stage's name."""
    starts, total = {}, 0
    for stage in dict.fromkeys(p["stage"] for p in points):
        starts[stage] = total
        ax.axvline(total, color="0.8", lw=1, zorder=0)
        ax.text(total, 1.0, f" {stage}", transform=ax.get_xaxis_transform(), va="top", color="0.4")
        total += max(p["step"] for p in points if p["stage"] == stage) + 1
    return starts


def filmstrip(evaluation: Evaluation, index: int = 0, columns: int = 12, title: str = "") -> Figure:
    """Truth, prediction and reconstruction of one test sequence at evenly spaced frames."""
    rows, times = panels(evaluation, index), evenly(0, evaluation.video.shape[1], columns)
    parts = [frame_part(evaluation, t) for t in times]
    hidden = {"truth": None, "prediction": "input", "reconstruction": "extrapolated"}
    shown = {
        name: [None if part == without else rows[name][t] for t, part in zip(times, parts, strict=True)]
        for name, without in hidden.items()
    }
    figure, axes = image_grid(shown, [f"{t + 1}" for t in times], 0.9, title)
    for ax, part, before in zip(axes[0], parts, ["", *parts], strict=False):  # each part is named once
        ax.set_title(f"{part if part != before else ''}\n{ax.get_title()}", fontsize=9, color=PART_COLORS[part])
    return figure


def trajectories(evaluation: Evaluation, videos: Mapping[str, int] | int = 3) -> Figure:
    """Encoded, rolled-out and (if known) true paths of some test sequences.

    Args:
        videos: which ones, by the names that they are called, or how many of the first.
    """
    if isinstance(videos, int):
        videos = {f"test video {i + 1}": i for i in range(min(videos, len(evaluation.rollout)))}
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
    """Frames of one test sequence, and over the whole picture what the encoder takes for each object, in its frame."""
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


def templates(model: PAIG, evaluation: Evaluation | None = None) -> Figure:
    """What the decoder draws: contents on top, masks below, a column per object and the background last.

    Args:
        evaluation: of the model; tells which colour each object's column is framed in.
    """
    sheet = template_sheet(model)
    side = sheet.shape[-2] // 2
    columns = sheet.shape[-1] // side
    figure, ax = plt.subplots(figsize=(1.7 * columns, 3.4))
    show_image(ax, sheet)
    colors = own_colors(evaluation.video, evaluation.output.masks) if evaluation else ()
    for i, color in zip(range(columns - 1), colors, strict=False):
        ax.add_patch(Rectangle((side * i, 0), side - 1, 2 * side - 1, fill=False, edgecolor=color, lw=3))
    names = [*(f"object {i + 1}" for i in range(columns - 1)), "background"]
    ax.set_xticks([side * (i + 0.5) for i in range(columns)], names)
    ax.set_yticks([side / 2, 1.5 * side], ["content", "mask"])
    return figure


def errors_over_time(evaluation: Evaluation) -> Figure:
    """How image loss, similarity and positions decay over the predicted frames of the long test file."""
    metrics, first, end = evaluation.metrics, input_steps(evaluation) + 1, evaluation.output.recons.shape[1]
    measures = {
        "pred_loss_per_step": (LOSS_LABEL, "Image error"),
        "ssim_per_step": ("structural similarity", "Similarity (1 is perfect)"),
        "rollout_rms_per_step": ("rms error per axis in pixels", "Position error"),
    }
    measures = {name: about for name, about in measures.items() if name in metrics}
    figure, axes = plt.subplots(1, len(measures), figsize=(3.2 * len(measures), 2.9), squeeze=False)
    for ax, (name, (label, title)) in zip(axes[0], measures.items(), strict=True):
        ax.axvspan(first, end, color="0.93", zorder=0)
        ax.plot(first + np.arange(len(metrics[name])), metrics[name])
        ax.set(xlabel="frame", ylabel=label, title=title)
    where = axes[0, 0].get_xaxis_transform()
    axes[0, 0].text(first, 0.97, " trained range", transform=where, va="top", color="0.4")
    return figure


@torch.no_grad()
def pipeline(trained: Trained, index: int = 0) -> Figure:
    """The way of one video through the model, drawn from the tensors of a run."""
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


def what_if(trained: Trained, index: int = 0, columns: int = 8) -> Figure:
    """The static twin of the explorer's pictures: a video, and predictions with other values of a parameter."""
    evaluation, learned = trained.evaluation, trained.model.physics.values()
    times = evenly(input_steps(evaluation), evaluation.video.shape[1], columns)
    name = next(iter(learned), "speed")
    questions = {"as learned": WhatIf()} | {
        f"{name} x {factor:g}": WhatIf({name: factor * learned[name]}) if learned else WhatIf(speed=factor)
        for factor in (0.5, 2.0)
    }
    answers = {title: ask(trained, index, asked).prediction for title, asked in questions.items()}
    rows = {title: panels(evaluation, index, answer)["prediction"][times] for title, answer in answers.items()}
    return image_grid({"truth": evaluation.video[index, times], **rows}, [f"frame {t + 1}" for t in times])[0]


def loss_along_sliders(trained: Trained, index: int = 0) -> Figure:
    """The loss of one video along every slider of the explorer."""
    near = (-0.05, -0.02, -0.01, -0.005, 0.005, 0.01, 0.02, 0.05)  # where the minimum is narrow
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


def starts(n: int, seed: int = 0) -> pd.DataFrame:
    """Simulate each task's rejection on ``40 n`` random starts, 4000 at least: of some tasks few are kept.

    Returns:
        a row per task with the starts that were "drawn" and, of these, the "kept" ones of training videos and the
        "kept_long" ones of test videos: distances of all objects from the middle, (starts, K) pixels each.
    """
    rows = []
    for name, task in TASKS.items():
        rng = np.random.default_rng(seed)
        drawn, speeds = task.law.start(task, rng, max(40 * n, 4000))
        kept = [survivors(task, drawn, speeds, length, rng) for length in (task.train_length, task.test_length)]
        rows.append((name, *(np.linalg.norm(pos - task.image_size / 2, axis=-1) for pos in (drawn, *kept))))
    return pd.DataFrame(rows, columns=["task", "drawn", "kept", "kept_long"])


def acceptance(starts: pd.DataFrame) -> Figure:
    """The starts of all videos, and of those that are kept for training; ``starts`` as :func:`starts` gives them."""
    figure, axes = plt.subplots(1, len(starts), figsize=(2.4 * len(starts), 2.6))
    for ax, run in zip(axes, starts.itertuples(), strict=True):
        for distance, color, label in ((run.drawn, "0.7", "all"), (run.kept, PALETTE[0], "kept")):
            ax.hist(distance.ravel(), bins=20, density=True, histtype="step", color=color, label=label)
        ax.set_title(TASKS[run.task].title)
        ax.set(xlabel="start, pixels from middle", yticks=[])
    axes[0].legend()
    return figure


def coverage(task: Task, n: int, seed: int = 0) -> Figure:
    """The places of objects in training videos (left) and in long test videos (right)."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
    for ax, length in zip(axes, (task.train_length, task.test_length), strict=True):
        crossing = task.half_pane and length == task.test_length
        pos = simulate(task, n, length, np.random.default_rng(seed), crossing).positions
        edges = np.arange(task.image_size + 1)
        counts, _, _ = np.histogram2d(pos[..., 1].ravel(), pos[..., 0].ravel(), bins=(edges, edges))
        ax.imshow(counts, extent=(0, task.image_size, task.image_size, 0), cmap="viridis")
        ax.set(title=f"{length} frames", xlabel="x in pixels")
        ax.grid(False)
    axes[0].set_ylabel("y in pixels")
    return figure
