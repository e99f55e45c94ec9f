"""What ``notebooks/data.ipynb`` shows: the tasks as a table, samples, and what rejection does to their videos."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from . import plots
from .physics import PHYSICS
from .simulate import STARTS, SUBSTEPS, simulate
from .tables import table
from .tasks import TASKS


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
    """Simulate each task's rejection: which of ``n`` random starts survive a training video."""
    figure, axes = plt.subplots(1, len(TASKS), figsize=(2.4 * len(TASKS), 2.6))
    rows = []
    for ax, (name, task) in zip(axes, TASKS.items(), strict=True):
        rng, truth = np.random.default_rng(seed), dict(task.truth)
        drawn, speeds = STARTS[task.physics](task, truth, rng, 20 * n)
        kept, _ = simulate(task, truth, n, task.train_length, rng)
        share = _share_inside(task, truth, drawn, speeds)
        rows.append((f"`{name}`", f"{100 * share:.1f} %"))
        for positions, color, label in ((drawn, "0.7", "all"), (kept[:, 0], plots.PALETTE[0], "kept")):
            distance = np.linalg.norm(positions - task.image_size / 2, axis=-1).ravel()
            ax.hist(distance, bins=30, density=True, histtype="step", color=color, label=label)
        ax.set(title=name, xlabel="start, pixels from middle", yticks=[])
        ax.title.set_fontsize(9)
    axes[0].legend(fontsize=8)
    return Acceptance(Markdown(table(["task", "starts that stay inside the image for a training video"], rows)), figure)


@torch.no_grad()
def _share_inside(task, truth: dict[str, float], pos: np.ndarray, vel: np.ndarray) -> float:
    """The share of starts whose objects never touch the border (walls, where there are walls, keep them inside)."""
    physics = PHYSICS[task.physics](task.dt / SUBSTEPS, 1, task.image_size, task.radius, truth).double()
    path, _ = physics.rollout(torch.from_numpy(pos), torch.from_numpy(vel), SUBSTEPS * (task.train_length - 1))
    inside = (path >= task.radius - 1e-9) & (path <= task.image_size - task.radius + 1e-9)
    return inside.flatten(1).all(1).double().mean().item()


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
