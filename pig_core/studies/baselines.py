"""Baselines beside the model: how their predictions decay, and what a decoder without placement draws."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from ..config import Config, make_config
from ..data.videos import to_video
from ..evaluation.evaluate import mean_similarity
from ..model import frame_errors
from ..report.figures import LOSS_LABEL, PALETTE, show_image
from ..report.overview import SHORT
from ..report.results import Result, or_infinite, results_folder
from ..report.tables import table
from ..runs.build import build_model
from ..runs.trained import example_videos
from ..tasks import TASKS, Task
from .studies import STUDIES


def trivial(task: str, n: int = 100) -> dict[str, dict[str, list[float]]]:
    """What costs nothing, on fresh videos: repeat the last input frame, or draw the mean of all frames, for ever."""
    config, about = make_config(task), TASKS[task]
    videos = to_video(example_videos(config, n)[0])  # (n, T, C, S, S)
    ahead = videos[:, about.input_steps :]
    mean = videos.mean((0, 1)).expand_as(ahead)
    last = videos[:, about.input_steps - 1 : about.input_steps].expand_as(ahead)
    return {
        name: {
            "pred_loss_per_step": frame_errors(guess, ahead).mean(0).tolist(),
            "ssim_per_step": mean_similarity(guess[:20], ahead[:20]),
        }
        for name, guess in (("last frame", last), ("mean frame", mean))
    }


def decay(groups: Mapping[str, Sequence[Result]], tasks: Sequence[str], guesses: Mapping[str, Mapping]) -> Figure:
    """Image error, similarity and position error over the predicted frames: a colour per model, a line per seed.

    Args:
        groups: name of a model -> its runs of all tasks.
        guesses: task -> result of :func:`trivial`.
    """
    kinds = {
        "pred_loss_per_step": LOSS_LABEL, "ssim_per_step": "structural similarity",
        "rollout_rms_per_step": "position error in pixels",
    }  # fmt: skip
    figure, axes = plt.subplots(len(kinds), len(tasks), figsize=(3.5 * len(tasks), 7.2), squeeze=False)
    for column, task in enumerate(tasks):
        about = TASKS[task]
        frames = about.input_steps + 1 + np.arange(about.test_length - about.input_steps)
        for ax, (kind, label) in zip(axes[:, column], kinds.items(), strict=True):
            for color, (name, runs) in zip(PALETTE, groups.items(), strict=False):
                for i, run in enumerate(r for r in runs if r["task"] == task and kind in r):
                    ax.plot(frames, run[kind], color=color, lw=1.2, label=None if i else name)
            for style, (name, guess) in zip((":", "--"), guesses[task].items(), strict=True):
                if kind in guess:
                    ax.plot(frames, guess[kind], color="0.4", lw=1, ls=style, label=name)
            ax.axvspan(frames[0], about.input_steps + about.pred_steps, color="0.93", zorder=0)
            if kind != "ssim_per_step":
                ax.set_yscale("log")
            axes[0, column].set_title(SHORT[task])
            axes[-1, column].set_xlabel("frame")
            axes[list(kinds).index(kind), 0].set_ylabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return figure


def models_table(
    groups: Mapping[str, Sequence[Result]], tasks: Sequence[str], guesses: Mapping[str, Mapping]
) -> Markdown:
    """Losses of every model on every task (median over seeds), its learned numbers, its training steps and time.

    Args:
        groups, guesses: as in :func:`decay`.
    """
    rows = []
    for task in tasks:
        for name, runs in groups.items():
            chosen = [r for r in runs if r["task"] == task]
            if not chosen:
                continue
            model = build_model(Config(**{**dataclasses.asdict(make_config(task)), **chosen[0]["config"]}))
            numbers = (sum(p.numel() for p in part.parameters()) for part in (model.physics, model))
            losses = (
                statistics.median(or_infinite(r[loss]) for r in chosen)
                for loss in ("recons_loss", "pred_loss", "extrap_loss")
            )
            seconds = statistics.median(r["train_seconds"] for r in chosen)
            rows.append((
                SHORT[task], name, len(chosen), *(f"{n:,d}" for n in numbers), *(f"{x:.2g}" for x in losses),
                sum(chosen[0]["steps"].values()), f"{seconds:.0f} s, {chosen[0]['device'].rsplit(', ', 1)[-1]}",
            ))  # fmt: skip
        for name, guess in guesses[task].items():
            errors, trained = guess["pred_loss_per_step"], TASKS[task].pred_steps
            losses = (statistics.mean(part) for part in (errors[:trained], errors[trained:]))
            rows.append((SHORT[task], name, "", "", "", "", *(f"{x:.2g}" for x in losses), "", ""))
    header = [
        "task", "model", "seeds", "numbers, dynamics", "numbers, all", "recons", "pred", "extrap", "steps", "training",
    ]  # fmt: skip
    return Markdown(table(header, rows))


def study_outputs(name: str) -> dict[str, dict[str, np.ndarray]]:
    """The ``outputs.npz`` that a study keeps of each variant's first seed: variant -> arrays."""
    folder = results_folder() / name
    return {
        variant: dict(np.load(folder / variant / "outputs.npz", allow_pickle=False))
        for variant in STUDIES[name].variants
    }


def other_half(task: str, outputs: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """A long test video in which a disc leaves the half of the image that training shows, drawn by several decoders.

    It is the one, of those at hand, in which discs are in the other half for the longest time.

    Args:
        outputs: name of a decoder -> ``outputs.npz`` of a run with it, on the same test videos.
    """
    about = TASKS[task]
    rows = _predictions(about, outputs)
    middle = about.image_size // 2
    index = int(rows["truth"][..., middle:].sum((1, 2, 3, 4)).argmax())
    times = np.unique(np.linspace(about.input_steps, about.test_length - 1, 9).round().astype(int))
    figure, axes = plt.subplots(len(rows), len(times), figsize=(1.05 * len(times), 3.5))
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, t in zip(row, times, strict=True):
            show_image(ax, images[index, t - about.input_steps])
            ax.axvline(middle - 0.5, color="0.6", lw=0.7)
        row[0].set_ylabel(name, fontsize=8)
    for ax, t in zip(axes[0], times, strict=True):
        ax.set_title(f"frame {t + 1}", fontsize=8)
    return figure


def _predictions(about: Task, outputs: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
    """The frames after the input frames, (n, T-L, C, S, S): "truth", and what each decoder predicts."""
    truth = to_video(torch.from_numpy(next(iter(outputs.values()))["input"]))[:, about.input_steps :]
    return {"truth": truth, **{n: to_video(torch.from_numpy(o["prediction"])) for n, o in outputs.items()}}


def errors_by_place(images: Tensor, truth: Tensor) -> tuple[float, float]:
    """The mean image loss of frames (n, T, C, S, S) that show nothing in the right half, and of all others."""
    error = frame_errors(images, truth)  # (n, T)
    beyond = truth[..., truth.shape[-1] // 2 :].amax((-3, -2, -1)) > 0.05
    return error[~beyond].mean().item(), error[beyond].mean().item()


def place_table(task: str, outputs: Mapping[str, Mapping[str, np.ndarray]]) -> Markdown:
    """Image error of predicted frames whose discs are all in the half that training shows, and of the others."""
    rows = _predictions(TASKS[task], outputs)
    truth = rows.pop("truth")
    rows["(nothing drawn)"] = torch.zeros_like(truth)
    lines = [(name, *(f"{error:.2g}" for error in errors_by_place(images, truth))) for name, images in rows.items()]
    header = [f"decoder, {len(truth)} videos", "error, all in the half seen", "error, some beyond"]
    return Markdown(table(header, lines))
