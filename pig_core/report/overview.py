"""Figures across runs, for the report: every seed is shown, none is chosen."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from ..common.errors import RunError, command_line
from ..common.files import replacing
from ..runs.artifacts import imagined, to_picture
from ..runs.trained import Published, open_task
from ..tasks import RECONS_THRESHOLD, TASKS
from .figures import LOSS_LABEL, OBJECT_COLORS, PALETTE, show_image
from .results import Result, coordinate_scale, results_folder
from .whatif import WhatIf, ask, loss_along, slider_range

ARROW = 3  # frames of motion that a velocity arrow is long
SHORT = {
    "bouncing_balls": "bouncing balls", "spring_color": "spring", "spring_color_half": "spring, half",
    "mnist_spring_color": "digits", "3bp_color": "three bodies",
}  # fmt: skip


def wall(published: Sequence[Published], index: int = 0, side: int = 152) -> np.ndarray:
    """All tasks at once: truth above, the model's rollout below, (T, 2 side, tasks * side, 3) uint8."""
    length = min(p.evaluation.video.shape[1] for p in published)
    columns = []
    for each in published:
        truth = each.evaluation.video[index]
        factor = side // truth.shape[-1]
        pictures = [to_picture(images[:length], factor) for images in (truth, imagined(each.evaluation, index))]
        edge = (side - pictures[0].shape[2]) // 2
        padding = ((0, 0), (edge, edge), (edge, edge), (0, 0))
        columns.append(np.concatenate([np.pad(p, padding, constant_values=128) for p in pictures], 1))
    return np.concatenate(columns, 2)


def write_wall(path: Path) -> None:
    """The animation of the README: all tasks, from the weights that come with the project."""
    frames = wall([open_task(task, 1) for task in TASKS], side=76)
    with replacing(path) as temporary:
        imageio.imwrite(temporary, frames, duration=150, loop=0)


def pipeline(published: Published, index: int = 0) -> Figure:
    """The way of one video through the model, drawn from the tensors of a run."""
    evaluation, task = published.evaluation, TASKS[published.config.task]
    output, last, k = evaluation.output, task.input_steps - 1, task.n_objects
    figure, axes = plt.subplots(1, 5, figsize=(12, 2.9))
    video = evaluation.video[index]
    show_image(axes[0], video[last])
    axes[0].set_title(f"frame {last + 1}")
    colors = torch.tensor(OBJECT_COLORS[:k])  # (K, 3)
    tinted = torch.einsum("khw,kc->chw", output.masks[index, last] * (video[last].amax(0) + 0.25), colors)
    show_image(axes[1], tinted)
    axes[1].set_title("masks")
    show_image(axes[2], 0.45 * video[last])
    axes[2].set_title("positions, velocities")
    ahead = evaluation.rollout[index]
    with torch.no_grad():
        velocity = published.model.state(output.positions[index : index + 1, : task.input_steps])[1][0]
    show_image(axes[3], 0.25 * video[last])
    axes[3].set_title("rollout of the physics")
    for j in range(k):
        x, y = output.positions[index, last, j].tolist()
        dx, dy = (ARROW * task.dt * velocity[j]).tolist()
        axes[2].plot(x - 0.5, y - 0.5, "+", color="white", ms=10)
        axes[2].annotate(
            "",
            (x - 0.5 + dx, y - 0.5 + dy),
            (x - 0.5, y - 0.5),
            arrowprops={"color": OBJECT_COLORS[j], "arrowstyle": "-|>", "lw": 1.5},
        )
        axes[3].plot(*(ahead[:, j] - 0.5).T, "o-", color=OBJECT_COLORS[j], ms=3, lw=0.8)
    end = task.pred_steps - 1
    show_image(axes[4], output.prediction[index, end])
    axes[4].set_title(f"drawn: frame {task.input_steps + task.pred_steps}")
    for left, right in itertools.pairwise(axes):
        left.annotate("", (1.17, 0.5), (1.03, 0.5), xycoords="axes fraction", arrowprops={"arrowstyle": "->"})
        right.set_xlim(left.get_xlim())
    return figure


def parameters(results: Sequence[Result]) -> Figure:
    """Error of every physical parameter of every seed, in percent."""
    names = [(r["task"], name) for r in results for name in r["learned"]]
    rows = list(dict.fromkeys(names))
    figure, ax = plt.subplots(figsize=(8, 0.55 * len(rows) + 1.2))
    for y, (task, name) in enumerate(rows):
        runs = [r for r in results if r["task"] == task]
        errors = [100 * r["parameter_error"][name] for r in runs if r["parameter_error"][name] is not None]
        spread = np.linspace(-0.18, 0.18, len(errors)) if len(errors) > 1 else [0]
        ax.plot(errors, y + np.asarray(spread), "o", ms=5, color=PALETTE[0], alpha=0.8)
    ax.axvline(0, color="0.4", lw=1)
    ax.axvspan(-0.5, 0.5, color="0.93", zorder=0)
    ax.set_yticks(range(len(rows)), [f"{SHORT[task]}: {name}" for task, name in rows])
    ax.invert_yaxis()
    ax.set(xlabel="learned against true value, error in % (a dot is a seed; shaded: within 0.5 %)")
    return figure


def losses(results: Sequence[Result]) -> Figure:
    """The three losses of every seed with the authors' thresholds."""
    tasks = list(dict.fromkeys(r["task"] for r in results))
    titles = {"recons_loss": "reconstruction", "pred_loss": "prediction", "extrap_loss": "extrapolation"}
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True)
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        for y, task in enumerate(tasks):
            values = [r[name] for r in results if r["task"] == task and r[name] is not None]
            ax.plot(values, y + np.linspace(-0.15, 0.15, len(values)), "o", ms=5, color=PALETTE[0], alpha=0.8)
            limit = {"recons_loss": RECONS_THRESHOLD, "pred_loss": TASKS[task].pred_threshold}.get(name)
            if limit:
                ax.plot([limit, limit], [y - 0.35, y + 0.35], color=PALETTE[3], lw=2)
        ax.set(xscale="log", title=title, xlabel=LOSS_LABEL)
    axes[0].set_yticks(range(len(tasks)), [SHORT[task] for task in tasks])
    axes[0].invert_yaxis()
    return figure


def learning(results: Sequence[Result]) -> Figure:
    """Reconstruction loss against seconds of training, a line per seed, a panel per task."""
    tasks = list(dict.fromkeys(r["task"] for r in results))
    figure, axes = plt.subplots(1, len(tasks), figsize=(2.5 * len(tasks), 2.8), sharey=True, squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        for run in (r for r in results if r["task"] == task):
            path = results_folder() / "curves" / f"{task}-{run['recipe']}-s{run['seed']}.json"
            points = [p for p in json.loads(path.read_text()) if "recons_loss" in p] if path.is_file() else []
            ax.plot([p["seconds"] for p in points], [p["recons_loss"] for p in points], lw=1, alpha=0.8)
        ax.axhline(RECONS_THRESHOLD, color="0.4", ls=":")
        ax.set(yscale="log", title=SHORT[task], xlabel="seconds")
    axes[0, 0].set_ylabel(LOSS_LABEL)
    return figure


def decay(results: Sequence[Result], key: str, label: str) -> Figure:
    """A per-frame measure over the predicted frames, a line per seed, a panel per task."""
    tasks = list(dict.fromkeys(r["task"] for r in results))
    figure, axes = plt.subplots(1, len(tasks), figsize=(2.5 * len(tasks), 2.7), squeeze=False)
    for ax, name in zip(axes[0], tasks, strict=True):
        task = TASKS[name]
        for run in (r for r in results if r["task"] == name and key in r):
            ax.plot(task.input_steps + 1 + np.arange(len(run[key])), run[key], lw=1, alpha=0.8)
        ax.axvspan(task.input_steps + 1, task.input_steps + task.pred_steps, color="0.93", zorder=0)
        ax.set(title=SHORT[name], xlabel="frame")
        ax.set_ylim(bottom=0)
    axes[0, 0].set_ylabel(label)
    return figure


def coordinates(exact: Sequence[Result], released: Sequence[Result]) -> Figure:
    """Lengths and g of runs with the exact and the released placement, against the predicted factor."""
    rows = list(
        dict.fromkeys((r["task"], name) for r in released or exact for name in r["learned"] if name in ("l", "g"))
    )
    figure, axes = plt.subplots(1, len(rows), figsize=(2.9 * len(rows), 3.2), squeeze=False)
    for ax, (task, name) in zip(axes[0], rows, strict=True):
        truth = TASKS[task].truth[name]
        for x, runs in enumerate((exact, released)):
            values = [r["learned"][name] for r in runs if r["task"] == task and r["learned"][name] is not None]
            ax.plot(x + np.linspace(-0.1, 0.1, len(values)), values, "o", color=PALETTE[x], alpha=0.8)
        ax.axhline(truth, color="0.4", lw=1)
        ax.axhline(truth * coordinate_scale(task, name), color=PALETTE[3], ls="--", lw=1)
        ax.set_xticks([0, 1], ["exact", "released"])
        ax.set(title=f"{SHORT[task]}: {name}", xlim=(-0.5, 1.5))
    axes[0, 0].set_ylabel("learned value (line: true, dashed: predicted)")
    return figure


def what_if(published: Published, index: int = 0, columns: int = 8) -> Figure:
    """The static twin of the explorer's pictures: a video, and predictions with other values of a parameter."""
    task, video = TASKS[published.config.task], published.evaluation.video[index]
    learned = published.model.physics.values()
    name = next(iter(learned), "speed")
    middle = learned.get(name, 1.0)
    questions = {"truth": None, "as learned": WhatIf()}
    for factor in (0.5, 2.0):
        changed = {name: factor * middle} if learned else {}
        questions[f"{name} x {factor:g}"] = WhatIf(changed, 1.0 if learned else factor)
    times = np.unique(np.linspace(task.input_steps, len(video) - 1, columns).round().astype(int))
    figure, axes = plt.subplots(len(questions), len(times), figsize=(len(times) * 0.95, len(questions) * 1.05))
    for row, (title, question) in enumerate(questions.items()):
        images = video if question is None else torch.cat(
            [video[: task.input_steps], ask(published, index, question).prediction]
        )  # fmt: skip
        for column, t in enumerate(times):
            show_image(axes[row, column], images[t])
            if row == 0:
                axes[0, column].set_title(f"{t + 1}", fontsize=8)
        axes[row, 0].set_ylabel(title, fontsize=8)
    return figure


def loss_along_sliders(published: Published, index: int = 0) -> Figure:
    """The loss of one video along every slider of the explorer."""
    learned = published.model.physics.values()
    values = {name: slider_range(value, 17) for name, value in learned.items()}
    values |= {"speed": [i / 10 for i in range(2, 19)], "turn": [float(a) for a in range(-80, 81, 10)]}
    labels = {"speed": "factor of the speed", "turn": "turn of the velocity in degrees"}
    figure, axes = plt.subplots(1, len(values), figsize=(2.6 * len(values), 2.6), sharey=True)
    for ax, (name, options) in zip(axes, values.items(), strict=True):
        ax.plot(options, loss_along(published, index, name, options, WhatIf()), ".-")
        truth = {**TASKS[published.config.task].truth, "speed": 1.0, "turn": 0.0}[name]
        ax.axvline(truth, color="0.4", ls=":")
        ax.set(xlabel=labels.get(name, name), yscale="log")
    axes[0].set_ylabel("loss per frame")
    return figure


@command_line
def main(arguments: list[str]) -> None:
    """Write the wall of predictions into the file that is named."""
    if len(arguments) != 1:
        raise RunError("write: python -m pig_core.report.overview WALL.gif")
    write_wall(Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
