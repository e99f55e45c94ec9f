"""Figures across runs, for the report: every seed is shown, none is chosen."""

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from pig_core.evaluate import to_picture
from pig_core.system import RunError, replacing
from pig_core.tasks import TASKS

from ..images import panels
from ..trained import Trained, open_task
from .results import constants_of, coordinate_scale, per_frame
from .style import PALETTE

_DOTS = {"size": 6, "alpha": 0.8}  # a swarm moves dots aside until each can be seen


def wall(trained: Sequence[Trained], index: int = 0, side: int = 152) -> np.ndarray:
    """All tasks at once: truth above, the model's rollout below, (T, 2 side, tasks * side, 3) uint8."""
    length = min(p.evaluation.video.shape[1] for p in trained)
    columns = []
    for each in trained:
        rows = panels(each.evaluation, index)
        factor = side // rows["truth"].shape[-1]
        pictures = [to_picture(rows[name][:length], factor) for name in ("truth", "prediction")]
        edge = (side - pictures[0].shape[2]) // 2
        padding = ((0, 0), (edge, edge), (edge, edge), (0, 0))
        columns.append(np.concatenate([np.pad(p, padding, constant_values=128) for p in pictures], 1))
    return np.concatenate(columns, 2)


def write_wall(path: Path) -> None:
    """The animation of the README: all tasks, from the weights that come with the project."""
    frames = wall([open_task(task, 1) for task in TASKS], side=76)
    with replacing(path) as temporary:
        imageio.imwrite(temporary, frames, duration=150, loop=0)


def decay(results: pd.DataFrame, key: str, label: str) -> Figure:
    """A per-frame measure over the predicted frames, a line per seed, a panel per task."""
    figure = _panels(results, per_frame(results, key), "frame", "value")
    for ax, task in zip(figure.axes, map(TASKS.get, results["task"].unique()), strict=True):
        ax.axvspan(task.input_steps + 1, task.input_steps + task.pred_steps, color="0.93", zorder=0)
        if key != "ssim_per_step":  # whose best is 1
            ax.set_ylim(bottom=0)
    figure.axes[-1].legend()
    figure.axes[0].set_ylabel(label)
    return figure


def _panels(results: pd.DataFrame, data: pd.DataFrame, x: str, y: str) -> Figure:
    """A line per seed in a panel for each task of ``results``."""
    tasks = results["task"].unique()
    figure, axes = plt.subplots(1, len(tasks), figsize=(max(2.5 * len(tasks), 4.5), 2.8), squeeze=False)
    for ax, name in zip(axes[0], tasks, strict=True):
        for color, (seed, line) in zip(
            PALETTE, data[data["task"] == name].dropna(subset=y).groupby("seed"), strict=False
        ):
            ax.plot(line[x], line[y], color=color, lw=1, alpha=0.8, label=f"seed {seed}")
        ax.set(xlabel=x, ylabel="", title=TASKS[name].title if len(tasks) > 1 else "")  # alone, its page says it
    return figure


def coordinates(exact: pd.DataFrame, released: pd.DataFrame) -> Figure:
    """Lengths and g of runs with the exact and the released placement, against the predicted factor."""
    groups = {"exact": constants_of(exact), "released": constants_of(released)}
    shown = pd.concat(groups, names=["placement"]).reset_index("placement")
    depend = [coordinate_scale(TASKS[task], name) != 1 for task, name in zip(shown["task"], shown["name"], strict=True)]
    panels = list(shown[depend].groupby(["task", "name"], sort=False))
    figure, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels), 3.2), squeeze=False)
    for ax, ((name, constant), part) in zip(axes[0], panels, strict=True):
        task = TASKS[name]
        kinds = {"x": "placement", "hue": "placement", "order": groups, "hue_order": groups}
        sns.swarmplot(part, y="learned", palette=PALETTE[:2], legend=False, ax=ax, **kinds, **_DOTS)
        ax.axhline(task.truth[constant], color="0.4", lw=1)
        ax.axhline(task.truth[constant] * coordinate_scale(task, constant), color=PALETTE[3], ls="--", lw=1)
        ax.set(title=f"{task.title}: {constant}", xlabel="", ylabel="")
    axes[0, 0].set_ylabel("learned value (line: true, dashed: predicted)")
    return figure


def titles(data: pd.DataFrame) -> pd.Series:
    """The tasks of a table's rows, as people call them."""
    return data["task"].map(lambda name: TASKS[name].title)


def main(arguments: list[str]) -> None:
    """Write the wall of predictions into the file that is named."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise RunError("write: python -m pig_core wall WALL.gif")
    write_wall(Path(arguments[0]))
