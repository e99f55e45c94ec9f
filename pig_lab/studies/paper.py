"""Tables and figures of full runs of the recipe ``paper``: their course, what they found, and why their k is too large.

All is read from what ``python -m pig_core keep`` left (:mod:`pig_lab.studies.full`); nothing is computed anew.
"""

import json
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.model import to_video
from pig_core.system import results_folder
from pig_core.tasks import RECONS_THRESHOLD, TASKS
from pig_lab.images import own_colors, tinted

from ..report.results import coordinate_scale, curves_of, kept, load_results, successes
from ..report.style import LOSS_LABEL, PALETTE, evenly, image_grid
from ..studies import expectations
from .costs import benchmark
from .tables import rows_table

OUTCOMES = {
    (True, True): "finds and predicts", (True, False): "finds, predicts nothing", (False, False): "objects not found",
    (False, True): "predicts without all objects",
}  # fmt: skip


def full_runs(name: str = "", task: str = "spring_color") -> pd.DataFrame:
    """Kept runs of the recipe ``paper``: as :func:`load_results` gives them, and the columns of their explanations.

    Args:
        name: of a folder in reports/results; empty: that one itself.
        task: of the runs; empty: of all of them.
    """
    runs = load_results(results_folder() / name)
    runs = runs[(runs["recipe"] == "paper") & (not task or runs["task"] == task)].reset_index(drop=True)
    about = [json.loads(kept(run, "explained", "json").read_text()) for run in runs.itertuples()]
    columns = [
        "found_at", "outside", "velocity", "noise", "fitted", "centred", "with_network", "error_rms", "lag",
        "lag_share", "drift", "dots",
    ]  # fmt: skip
    return runs.join(pd.DataFrame(about, columns=columns))


def only(name: str, seed: int = 0, task: str = "spring_color") -> pd.Series | None:
    """The run of one seed of a task in a folder of results; None if there is none (yet)."""
    runs = full_runs(name, task)
    chosen = runs[runs["seed"] == seed]
    return None if chosen.empty else chosen.iloc[0]


def by_seed(name: str) -> dict[str, pd.Series | None]:
    """The runs of a folder of results by the names under which they were expected, "s3" for seed 3; None: not run."""
    return {key: only(name, seed=int(key[1:])) for key in expectations.of(name)}


def by_signal() -> pd.DataFrame:
    """Runs of seed 0 of spring that differ in what they learn from, joint training first; those that exist."""
    folders = [f"training_signal/{name}" for name in expectations.of("training_signal")]
    runs = pd.concat([full_runs(name) for name in ("", *folders)])
    return runs[runs["seed"] == 0].reset_index(drop=True)


def by_task(name: str) -> dict[str, pd.Series | None]:
    """The runs of seed 0 of the tasks that something was expected of; None: not run."""
    return {task: only("", task=task) for task in expectations.of(name)}


def runs_table(runs: pd.DataFrame) -> Markdown:
    """Run by run: when objects were found, what was learned, where the predictions are, losses, time."""
    return rows_table([
        {
            **_which(run, runs), "outcome": OUTCOMES[run.discovered, run.predicted],
            "found at": "never" if pd.isna(run.found_at) else f"{run.found_at:,.0f}",
            **{f"${name}$": f"{value:.3f}" for name, value in run.learned.items()},
            **{loss: f"{getattr(run, loss + '_loss'):.2g}" for loss in ("recons", "pred", "extrap")},
            "outside": f"{100 * run.outside:.1f} %", "time": f"{run.train_seconds / 60:.0f} min",
        }
        for run in runs.itertuples()
    ])  # fmt: skip


def _which(run: tuple | pd.Series, runs: pd.DataFrame) -> dict[str, str]:
    """The first cells of a run's row: its seed, and its task and training signal if there are runs of others."""
    names = {"task": TASKS[run.task].title, "trained": run.config["training_signal"]}
    several = {"task": runs["task"].nunique() > 1, "trained": runs["config"].str["training_signal"].nunique() > 1}
    return {**{name: value for name, value in names.items() if several[name]}, "seed": f"{run.seed}"}


def course(runs: pd.DataFrame) -> Figure:
    """Losses and constants against updates, a line per seed or training signal; dotted: threshold or true value."""
    task = TASKS[runs["task"].iloc[0]]
    lines = {_which(run, runs).get("trained", f"seed {run.seed}"): curves_of(run) for run in runs.itertuples()}
    recorded = all("outside" in points for points in lines.values())  # early runs did not look
    limits = {"recons_loss": RECONS_THRESHOLD, "pred_loss": task.pred_threshold}
    figure = _lines(lines, {**limits, **({"outside": None} if recorded else {}), **task.truth})
    figure.suptitle(task.title)
    return figure


def learned_anew(folder: str, seed: int, task: str = "spring_color") -> dict[str, pd.Series]:
    """What became of dynamics that were learned anew behind the eyes of a run, by name; empty if none were.

    Args:
        folder: "restart" (:mod:`pig_lab.studies.restart`) or "behind" (:mod:`pig_lab.studies.behind`).
    """
    path = results_folder() / folder / f"{task}-paper-s{seed}.json"
    starts = json.loads(path.read_text()) if path.is_file() else {}
    return {name: pd.Series(found, dtype=object) for name, found in starts.items()}


def behind_eyes(runs: pd.DataFrame) -> pd.DataFrame:
    """Dynamics learned anew behind the eyes of these runs, where they were: a row each, "variant" says which."""
    return pd.DataFrame([
        {**found, "seed": run.seed, "variant": name}
        for run in runs.itertuples()
        for name, found in learned_anew("behind", run.seed, run.task).items()
    ])  # fmt: skip


def restart_course(starts: Mapping[str, pd.Series], task: str = "spring_color") -> Figure:
    """Loss, share of predictions outside and constants against the number of updates, a line per start."""
    limits = {"pred_loss": TASKS[task].pred_threshold, "outside": None, **TASKS[task].truth}
    return _lines({name: pd.DataFrame(found.curves) for name, found in starts.items()}, limits)


def _lines(curves: Mapping[str, pd.DataFrame], limits: Mapping[str, float | None]) -> Figure:
    """A chart for each number that has a limit (dotted) or None, with a line for each curve."""
    figure, axes = plt.subplots(1, len(limits), figsize=(2.9 * len(limits), 3))
    for ax, (name, limit) in zip(axes, limits.items(), strict=True):
        for color, (label, points) in zip(PALETTE, curves.items(), strict=False):
            line = points.dropna(subset=name)
            ax.plot(line["step"], line[name], color=color, lw=1, label=label)
        if limit is not None:
            ax.axhline(limit, color="0.4", ls=":")
        ax.set(title=name, xlabel="updates", ylabel=LOSS_LABEL if name.endswith("loss") else name)
        ax.set(yscale="log" if name.endswith("loss") else "linear")
        ax.legend()
    return figure


def found(run: pd.Series, columns: int = 6) -> Figure:
    """What one run makes of a fresh video: frames, raw masks (whole), reconstruction, prediction; and its templates."""
    with np.load(kept(run, "shown", "npz"), allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    masks = arrays["masks"].float() / 255  # (L+P, K, S, S)
    video, recons, prediction = (to_video(arrays[name]) for name in ("video", "recons", "prediction"))
    colors = own_colors(video.unsqueeze(0), masks.unsqueeze(0))
    ahead, times = len(video) - len(prediction), evenly(0, len(masks), columns)
    rows = {
        "video": [video[t] for t in times],
        "masks": [tinted(masks[t : t + 1], torch.ones_like(video[:1]), colors=colors)[0] for t in times],
        "reconstruction": [recons[t] for t in times],
        "prediction": [prediction[t - ahead] if t >= ahead else None for t in times],
    }
    if "templates" in arrays:
        drawn = to_video(arrays["templates"])
        rows["templates"] = [drawn[k] if k < len(drawn) else None for k in range(len(times))]
    signal = "" if run.config["training_signal"] == "joint" else f", {run.config['training_signal']}"
    title = f"{TASKS[run.task].title}, seed {run.seed}{signal}: {OUTCOMES[run.discovered, run.predicted]}"
    return image_grid(rows, [f"t = {t + 1}" for t in times], 0.9, title)[0]


def biases(runs: pd.DataFrame) -> Markdown:
    """Every constant of every run that predicts: learned, best for its own states, and best for fitted ones."""
    rows = []
    for run in successes(runs).itertuples():
        task = TASKS[run.task]
        for name, value in run.learned.items():
            fitted, deviation = run.fitted[name]
            rows.append({
                **_which(run, runs), "": f"${name}$", "true": f"{task.truth[name]:g}",
                "learned": f"{value:.3f}", "best with its own states": f"{run.with_network[name]:.3f}",
                "best with fitted states": f"{fitted:.3f} ± {deviation:.3f}",
                "coordinates alone predict": f"{task.truth[name] * coordinate_scale(task, name):.3f}",
            })  # fmt: skip
    return rows_table(rows)


def velocity_errors(runs: pd.DataFrame) -> Figure:
    """Outward error of the learned velocity against outward acceleration, a panel per run that predicts."""
    runs = successes(runs)
    figure, axes = plt.subplots(1, len(runs), figsize=(3.1 * len(runs), 3), sharey=True, squeeze=False)
    for ax, run in zip(axes[0], runs.itertuples(), strict=True):
        x, y = np.array(run.dots).T
        ax.plot(x, y, ".", ms=4, alpha=0.5, color=PALETTE[0])
        ax.axline((0, 0), slope=-run.lag, color=PALETTE[3], lw=1.5)
        ax.set(title=f"seed {run.seed}: {run.lag:.3f} s late", xlabel="outward acceleration in pixels/s²")
    axes[0, 0].set_ylabel("outward velocity error in pixels/s")
    return figure


def velocity_table(runs: pd.DataFrame) -> Markdown:
    """How the learned velocity errs: size, lag, and how much of the error the lag explains."""
    return rows_table([
        {
            **_which(run, runs), "velocity, rms": f"{run.velocity['model']:.1f} px/s",
            "last difference, rms": f"{run.velocity['differences']:.1f} px/s",
            **({} if pd.isna(run.lag) else {
                "error, rms": f"{run.error_rms:.2f} px/s", "late by": f"{run.lag:.3f} s",
                "in frames": f"{run.lag / TASKS[run.task].dt:.2f}",
                "share of the squared outward error": f"{100 * run.lag_share:.0f} %",
            }),
        }
        for run in runs.itertuples()
    ])  # fmt: skip


def vectors_table() -> Markdown:
    """How closely the recipe agrees with the authors' program, as ``python -m tests.agreement`` measured it."""
    return rows_table([
        {"task": f"`{task}`", **{what: f"{value:.0e}" for what, value in values.items()}}
        for task, values in benchmark("vectors")["result"].items()
    ])  # fmt: skip


def losses_table(runs: Mapping[str, pd.Series]) -> Markdown:
    """Losses on the long test file, and how late the velocity is, of runs with names."""
    return rows_table([
        {
            "run": name.replace("_", ", "), "late by": f"{run.lag:.3f} s",
            **{loss: f"{run[loss + '_loss']:.2g}" for loss in ("recons", "pred", "extrap")},
        }
        for name, run in runs.items()
    ])  # fmt: skip
