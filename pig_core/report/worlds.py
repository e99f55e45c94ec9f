"""What ``notebooks/data.ipynb`` shows: the tasks as a table, samples, and what rejection does to their videos."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from ..data.simulate import STARTS, simulate, survivors
from ..tasks import TASKS
from . import figures as plots
from .tables import table

FEWEST = 4000  # starts; of the half pane's less than one in a hundred survives


def facts() -> Markdown:
    """The tasks in a table."""
    rows = [
        (
            f"`{name}`", f"{task.n_objects} {task.sprite}s", f"{task.image_size} x {task.image_size}", task.physics,
            ", ".join(f"${n}$ = {v:g}" for n, v in task.truth.items()) or "nothing", task.speed, task.dt,
            task.input_steps, task.pred_steps, task.test_length,
        )
        for name, task in TASKS.items()
    ]  # fmt: skip
    header = ["task", "objects", "pixels", "physics", "to be found", "speed", "s per frame", "L", "P", "test frames"]
    return Markdown(table(header, rows))


def samples(videos: Tensor, task: str) -> Figure:
    """A row of frames for each video, uint8 (N, T, H, W, 3)."""
    figure = plots.samples(videos, len(videos), 10)
    figure.suptitle(f"{task}", fontsize=10)
    plt.close(figure)
    return figure


@dataclass(frozen=True)
class Acceptance:
    """What share of simulated videos is kept, and how the kept ones start."""

    table: Markdown
    figure: Figure


def acceptance(n: int, seed: int = 0) -> Acceptance:
    """Simulate each task's rejection on ``40 n`` random starts: how many survive, and where they begin."""
    figure, axes = plt.subplots(1, len(TASKS), figsize=(2.4 * len(TASKS), 2.6))
    rows = []
    for ax, (name, task) in zip(axes, TASKS.items(), strict=True):
        rng, truth = np.random.default_rng(seed), dict(task.truth)
        drawn, speeds = STARTS[task.physics](task, truth, rng, max(40 * n, FEWEST))
        kept = [survivors(task, truth, drawn, speeds, length) for length in (task.train_length, task.test_length)]
        rows.append((f"`{name}`", *(f"{100 * len(k) / len(drawn):.1f} %" for k in kept)))
        for positions, color, label in ((drawn, "0.7", "all"), (kept[0], plots.PALETTE[0], "kept")):
            distance = np.linalg.norm(positions - task.image_size / 2, axis=-1).ravel()
            ax.hist(distance, bins=20, density=True, histtype="step", color=color, label=label)
        ax.set(title=name, xlabel="start, pixels from middle", yticks=[])
        ax.title.set_fontsize(9)
    axes[0].legend(fontsize=8)
    plt.close(figure)
    header = ["task", "kept of random starts, training videos", "kept, long test videos"]
    return Acceptance(Markdown(table(header, rows)), figure)


def coverage(name: str, n: int, seed: int = 0) -> Figure:
    """Where objects are in training videos (left) and in long test videos (right)."""
    task = TASKS[name]
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
    for ax, length in zip(axes, (task.train_length, task.test_length), strict=True):
        crossing = task.half_pane and length == task.test_length
        pos, _ = simulate(task, dict(task.truth), n, length, np.random.default_rng(seed), crossing)
        edges = np.arange(task.image_size + 1)
        counts, _, _ = np.histogram2d(pos[..., 1].ravel(), pos[..., 0].ravel(), bins=(edges, edges))
        ax.imshow(counts, extent=(0, task.image_size, task.image_size, 0), cmap="viridis")
        ax.set(title=f"{length} frames", xlabel="x in pixels")
        ax.grid(False)
    axes[0].set_ylabel("y in pixels")
    return figure
