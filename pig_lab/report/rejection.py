"""What ``notebooks/data.ipynb`` shows: the tasks as a table, and what rejection does to their videos."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.data import simulate, survivors
from pig_core.tasks import TASKS, Task

from .style import PALETTE
from .tables import table

FEWEST = 4000  # starts; of the half pane's less than one in a hundred survives


def facts() -> Markdown:
    """The tasks in a table."""
    rows = [
        (
            f"`{name}`", f"{task.n_objects} {task.sprite}s", f"{task.image_size} x {task.image_size}",
            task.law.__name__.lower(),
            ", ".join(f"${n}$ = {v:g}" for n, v in task.truth.items()) or "nothing", task.speed, task.dt,
            task.input_steps, task.pred_steps, task.test_length,
        )
        for name, task in TASKS.items()
    ]  # fmt: skip
    header = ["task", "objects", "pixels", "physics", "to be found", "speed", "s per frame", "L", "P", "test frames"]
    return Markdown(table(header, rows))


def starts(n: int, seed: int = 0) -> pd.DataFrame:
    """Simulate each task's rejection on ``40 n`` random starts.

    Returns:
        a row per task with the starts that were "drawn" and, of these, the "kept" ones of training videos and the
        "kept_long" ones of test videos: distances of all objects from the middle, (starts, K) pixels each.
    """
    rows = []
    for name, task in TASKS.items():
        rng = np.random.default_rng(seed)
        drawn, speeds = task.law.start(task, rng, max(40 * n, FEWEST))
        kept = [survivors(task, drawn, speeds, length, rng) for length in (task.train_length, task.test_length)]
        rows.append((name, *(np.linalg.norm(pos - task.image_size / 2, axis=-1) for pos in (drawn, *kept))))
    return pd.DataFrame(rows, columns=["task", "drawn", "kept", "kept_long"])


def acceptance_table(starts: pd.DataFrame) -> Markdown:
    """What share of simulated videos is kept; ``starts`` as :func:`starts` gives them."""
    rows = [
        (f"`{run.task}`", *(f"{100 * len(kept) / len(run.drawn):.1f} %" for kept in (run.kept, run.kept_long)))
        for run in starts.itertuples()
    ]
    return Markdown(table(["task", "kept of random starts, training videos", "kept, long test videos"], rows))


def acceptance_figure(starts: pd.DataFrame) -> Figure:
    """Where all videos begin, and those that are kept for training; ``starts`` as :func:`starts` gives them."""
    figure, axes = plt.subplots(1, len(starts), figsize=(2.4 * len(starts), 2.6))
    for ax, run in zip(axes, starts.itertuples(), strict=True):
        for distance, color, label in ((run.drawn, "0.7", "all"), (run.kept, PALETTE[0], "kept")):
            ax.hist(distance.ravel(), bins=20, density=True, histtype="step", color=color, label=label)
        ax.set_title(TASKS[run.task].title)
        ax.set(xlabel="start, pixels from middle", yticks=[])
    axes[0].legend()
    return figure


def coverage(task: Task, n: int, seed: int = 0) -> Figure:
    """Where objects are in training videos (left) and in long test videos (right)."""
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
