"""Figures and tables of control, from the committed results and arrays."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from ..common.errors import RunError
from ..common.files import results_folder
from .environment import DT, SIZE

TIP = SIZE / 4.4  # from the pivot to the rod's tip, pixels: the renderer shows 4.4 rod lengths


def load_episodes() -> dict[str, np.ndarray]:
    """The episodes that come with the project, see :func:`pig_core.control.measures.shown`.

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
    """The frame of some steps, and where the better candidates of the plan would take the rod's tip."""
    frames, every = episodes["pixels"], (len(episodes["pixels_angle"]) - 1) // len(episodes["pixels"])
    figure, axes = plt.subplots(1, len(episodes["fans"]), figsize=(11, 2.2))
    for ax, t, paths in zip(axes, episodes["fan_frames"], episodes["fans"], strict=True):
        ax.imshow(frames[t // every], extent=(0, SIZE, SIZE, 0))
        for path in paths:
            ax.plot(SIZE / 2 - TIP * np.sin(path), SIZE / 2 - TIP * np.cos(path), color="C0", alpha=0.25, lw=1)
        ax.set(xticks=[], yticks=[], title=f"{t * DT:.1f} s", xlim=(14, 50), ylim=(50, 14))
        ax.grid(False)
    return figure


def angles_over_time(episodes: Mapping[str, np.ndarray]) -> Figure:
    """The true angle of the three episodes, degrees from upright."""
    figure, ax = plt.subplots(figsize=(7, 2.6))
    for name, label in {"pixels": "from pixels", "true": "true model and state", "random": "random torques"}.items():
        angle = np.degrees(np.mod(episodes[f"{name}_angle"] + np.pi, 2 * np.pi) - np.pi)
        jumps = np.abs(np.diff(angle, prepend=angle[:1])) > 180  # once around: no line across the figure
        ax.plot(DT * np.arange(len(angle)), np.where(jumps, np.nan, angle), label=label)
    ax.set(xlabel="seconds", ylabel="degrees from upright", yticks=range(-180, 181, 90))
    ax.legend()
    return figure


def efficiency_curve(results: Sequence[dict]) -> Figure | Markdown:
    """Training sequences against the worst error of a constant, and against the return; a point is a run."""
    if not any("efficiency" in result for result in results):
        return not_measured("efficiency")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for result in results:
        rows = dict(result.get("efficiency", {}))
        if rows and "episodes" in result:
            own = {"parameter_error": result["parameter_error"], **result["episodes"]}
            rows = {**rows, str(result["sequences"]): own}
        counts = [int(n) for n in rows]
        errors = [100 * max(abs(e) for e in row["parameter_error"].values()) for row in rows.values()]
        left.plot(counts, errors, "o-", label=f"seed {result['seed']}")
        right.plot(counts, [row["return_pixels"] for row in rows.values()], "o-", label=f"seed {result['seed']}")
        if rows:
            right.plot(counts, [row["return_true_model"] for row in rows.values()], "k--", lw=1)
    left.set(xscale="log", yscale="log", xlabel="training sequences", ylabel="worst error of g and a, %")
    right.set(xscale="log", xlabel="training sequences", ylabel="mean return (dashed: true model)")
    left.legend()
    plt.close(figure)  # a notebook shows what is returned; left open it would be shown twice
    return figure


def seeds_table(results: Sequence[dict]) -> pd.DataFrame:
    """One row a seed: what was learned, and the return from pixels against the reference."""
    rows = [
        {
            "seed": r["seed"], "g": r["learned"]["g"], "a": r["learned"]["a"],
            "error of g, %": 100 * r["parameter_error"]["g"], "error of a, %": 100 * r["parameter_error"]["a"],
            "training, s": r["train_seconds"], "of the CPU": r.get("train_cpu_seconds"),
            "episodes": r.get("episodes", {}).get("resets"),
            "return from pixels": r["return_pixels"], "return, true model": r["return_true_model"],
            "swing-ups missed": r.get("episodes", {}).get("missed"), "plan, ms": r.get("plan_milliseconds"),
        }
        for r in results
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("seed").round(3) if rows else pd.DataFrame()


def not_measured(part: str) -> Markdown:
    """Says which command measures a part that no result has."""
    return Markdown(f"This has not been measured yet: `python -m pig_core control --parts {part}` does.")


def rows_table(results: Sequence[dict], part: str) -> pd.DataFrame | Markdown:
    """The rows of a part ("goals", "gravity", "efficiency") of every seed."""
    kept = ("resets", "return_pixels", "return_true_model", "held_pixels", "held_true_model", "off_pixels",
            "off_true_model")  # fmt: skip
    rows = [
        {"seed": result["seed"], part: name, **{key: row[key] for key in kept}}
        | ({"gravity, median": float(np.median(row["estimated"]))} if "estimated" in row else {})
        for result in results
        for name, row in result.get(part, {}).items()
    ]
    return pd.DataFrame(rows).set_index(["seed", part]).round(2) if rows else not_measured(part)
