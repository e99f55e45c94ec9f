"""Figures of control, from the committed results and arrays."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.system import RunError, results_folder

from .environment import DT, SIZE
from .episodes import HELD_DEGREES
from .experiment import by_sequences
from .tables import not_measured, worst_error

TIP = SIZE / 4.4  # from the pivot to the rod's tip, pixels: the renderer shows 4.4 rod lengths
LOOKS = {
    "pixels": {"color": "C0", "marker": "o", "s": 22, "label": "from pixels"},
    "true_model": {"color": "black", "marker": "_", "s": 160, "label": "true model and state"},
}


def load_episodes() -> dict[str, np.ndarray]:
    """The episodes that come with the project, see :func:`pig_lab.control.measures.shown`.

    Raises:
        RunError: if they are not here.
    """
    path = results_folder() / "control" / "episodes.npz"
    if not path.is_file():
        raise RunError(f"there is no {path}: `python -m pig_core control` makes it")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def side_by_side(episodes: Mapping[str, np.ndarray], magnify: int = 3) -> tuple[np.ndarray, list[str]]:
    """Frames (T, H, W, 3) of ours, what the model draws, the true model's and random ones; a label for each."""
    rows = [episodes[name] for name in ("pixels", "imagined", "true", "random")]
    gap = np.zeros((*rows[0].shape[:2], 1, 3), np.uint8)
    picture = np.concatenate([part for row in rows for part in (row, gap)][:-1], 2)
    frames = picture.repeat(magnify, 1).repeat(magnify, 2)
    every = (len(episodes["pixels_angle"]) - 1) // len(picture)
    return frames, [f"{every * t * DT:.1f} s" for t in range(len(frames))]


def fans(episodes: Mapping[str, np.ndarray]) -> Figure:
    """The frame of some steps, and where candidates of a plan would take the rod's tip, the later the further out."""
    frames, every = episodes["pixels"], (len(episodes["pixels_angle"]) - 1) // len(episodes["pixels"])
    figure, axes = plt.subplots(1, len(episodes["fans"]), figsize=(11, 2.2))
    for ax, t, paths in zip(axes, episodes["fan_frames"], episodes["fans"], strict=True):
        ax.imshow(frames[t // every], extent=(0, SIZE, SIZE, 0))
        radius = TIP * np.linspace(1, 2, paths.shape[1])
        for number, path in enumerate(paths):  # from much noise to hardly any
            color = plt.cm.Blues(0.3 + 0.7 * number / len(paths))
            ax.plot(SIZE / 2 - radius * np.sin(path), SIZE / 2 - radius * np.cos(path), color=color, lw=1)
        ax.set(xticks=[], yticks=[], title=f"{t * DT:.1f} s", xlim=(2, 62), ylim=(62, 2))
        ax.grid(False)
    return figure


def angles_over_time(episodes: Mapping[str, np.ndarray]) -> Figure:
    """The true angle of the three episodes, degrees from upright, continuous through 180."""
    figure, ax = plt.subplots(figsize=(7, 2.6))
    for name, label in {"pixels": "from pixels", "true": "true model and state", "random": "random torques"}.items():
        angle = np.degrees(np.unwrap(episodes[f"{name}_angle"]))
        ax.plot(DT * np.arange(len(angle)), angle, label=label)
    ax.set(xlabel="seconds", ylabel="degrees from upright", yticks=range(0, 271, 90))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def angle_between(episodes: Mapping[str, np.ndarray], one: str, other: str) -> float:
    """The largest angle between the rods of two episodes at the same time, degrees."""
    apart = episodes[f"{one}_angle"] - episodes[f"{other}_angle"]
    return float(np.degrees(np.abs(np.mod(apart + np.pi, 2 * np.pi) - np.pi)).max())


def efficiency_curve(results: Sequence[dict]) -> Figure | Markdown:
    """Training sequences against the worst error of a constant, and against the return; a line is a seed."""
    if not any("efficiency" in result for result in results):
        return not_measured("efficiency")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for result in results:
        rows = by_sequences(result) if result.get("efficiency") else {}
        errors = {n: {"y": 100 * worst_error(row)} for n, row in rows.items()}
        _line(left, errors, "y", "C0", "with physics")
        _line(right, rows, "return_pixels", "C0", "with physics")
        _line(right, result.get("black_box", {}), "return_pixels", "C3", "without physics")
        _line(right, rows, "return_true_model", "black", "true model and state", ls="--", marker="")
    left.set(xscale="log", yscale="log", xlabel="training sequences", ylabel="worst error of g and a, %")
    right.set(xscale="log", yscale="symlog", xlabel="training sequences", ylabel="mean return")
    right.set_yticks([-100, -200, -400, -800, -1600], ["-100", "-200", "-400", "-800", "-1600"])
    _legend(right)
    plt.close(figure)  # a notebook shows what is returned; left open it would be shown twice
    return figure


def _line(ax: plt.Axes, rows: Mapping[str, dict], key: str, color: object, label: str, **look: object) -> None:
    """One seed's numbers over the numbers of sequences that name the rows."""
    counts = sorted(rows, key=int)
    look = {"marker": "o", "ls": "-", "lw": 1, "ms": 4, "alpha": 0.8} | look
    ax.plot([int(n) for n in counts], [rows[n][key] for n in counts], color=color, label=label, **look)


def _legend(ax: plt.Axes) -> None:
    """Each label once, however many seeds were drawn."""
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    ax.legend(handles.values(), handles.keys())


def goals_figure(results: Sequence[dict]) -> Figure | Markdown:
    """How far from each goal the rod is over the last 50 frames, and in how many episodes it is held: every seed."""
    played = [result["goals"] for result in results if "goals" in result]
    if not played:
        return not_measured("goals")
    names = sorted(max(played, key=len), key=float)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3))
    for rows in played:
        places = [x for x, name in enumerate(names) if name in rows]
        for who, look in LOOKS.items():
            off = [rows[names[x]][f"off_{who}"] for x in places]
            held = [rows[names[x]][f"held_{who}"] / rows[names[x]]["resets"] for x in places]
            for ax, values in zip(axes, (off, held), strict=True):
                ax.scatter(places, values, alpha=0.7, **look)
    axes[0].axhline(HELD_DEGREES, color="red", lw=1)
    axes[0].set(yscale="log", ylabel="degrees off, last 50 frames")
    axes[1].set(ylabel="episodes that hold the goal", ylim=(-0.05, 1.05))
    for ax in axes:
        ax.set_xticks(range(len(names)), names, rotation=45)
        ax.set_xlabel("goal, degrees from upright")
    _legend(axes[1])
    plt.close(figure)
    return figure
