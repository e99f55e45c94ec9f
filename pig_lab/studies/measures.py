"""What is computed for a comparison, apart from drawing it: numbers about runs, models, and pictures of both."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pig_core.build import build_model
from pig_core.checkpoint import saved_config
from pig_core.data import example_videos
from pig_core.evaluate import similarity
from pig_core.model import frame_errors, to_video
from pig_core.tasks import RECONS_THRESHOLD, Task

POINTS = 400  # of a run's curves that are kept


def steps_to_discovery(curves: pd.DataFrame) -> float:
    """Gradient steps of all stages until the reconstruction is first below the authors' threshold; NaN: never.

    Args:
        curves: of one run, as :func:`curves_of` gives them.
    """
    found = curves[curves["recons_loss"] < RECONS_THRESHOLD]
    if found.empty:
        return math.nan
    first, lengths = found.iloc[0], curves.groupby("stage", sort=False)["step"].max() + 1
    return float(lengths.cumsum()[first["stage"]] - lengths[first["stage"]] + first["step"] + 1)


def outside_share(rollout: Tensor, size: int) -> Tensor:
    """Share of the positions (..., 2), pixels, that lie outside a picture of ``size`` pixels: a number, float64."""
    return ((rollout < 0) | (rollout > size)).any(-1).double().mean()


def parameter_counts(runs: pd.DataFrame) -> dict[tuple[str, str], dict[str, int]]:
    """How many numbers the models learn: (task, variant) -> "dynamics" (these alone) and "all"."""
    counts = {}
    for key, group in runs.groupby(["task", "variant"], sort=False):
        model = build_model(saved_config(group["config"].iloc[0]))
        parts = {"dynamics": model.physics, "all": model}
        counts[key] = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    return counts


def trivial_predictors(task: Task, n: int = 100) -> pd.DataFrame:
    """What costs nothing, on ``n`` fresh videos: repeat the last input frame, or draw the mean of all frames, for ever.

    Returns:
        two rows to be put below those of trained models; see :func:`trivial_row`.
    """
    videos = to_video(example_videos(task, n)[0])  # (n, T, C, S, S)
    ahead = videos[:, task.input_steps :]
    guesses = {"last frame": videos[:, task.input_steps - 1 : task.input_steps], "mean frame": videos.mean((0, 1))}
    rows = []
    for name, guess in guesses.items():
        errors = frame_errors(guess.expand_as(ahead), ahead).mean(0).tolist()
        similar = similarity(guess.expand_as(ahead), ahead).mean(0).tolist()
        rows.append({**trivial_row(task, name, errors), "ssim_per_step": similar})
    return pd.DataFrame(rows)


def trivial_row(task: Task, name: str, errors: Sequence[float]) -> dict[str, object]:
    """Like a row of :func:`study_results`, but of no run, so that it has no seed.

    Args:
        errors: image error of each predicted frame.
    """
    pred, extrap = (float(np.mean(part)) for part in (errors[: task.pred_steps], errors[task.pred_steps :]))
    about = {"task": task.name, "variant": name, "seed": math.nan, "pred_loss": pred, "extrap_loss": extrap}
    return {**about, "pred_loss_per_step": list(errors)}


def predicted_frames(task: Task, outputs: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
    """The frames after the input frames, (n, T-L, C, S, S) in [0, 1]: "truth", and what each variant predicts.

    Args:
        outputs: variant -> ``outputs.npz`` of a run of it, on the same test videos.
    """
    truth = to_video(torch.from_numpy(next(iter(outputs.values()))["input"]))[:, task.input_steps :]
    return {"truth": truth, **{n: to_video(torch.from_numpy(o["prediction"])) for n, o in outputs.items()}}


def errors_by_place(images: Tensor, truth: Tensor) -> tuple[float, float]:
    """The mean image loss of frames (n, T, C, S, S) that show nothing in the right half, and of all others."""
    error = frame_errors(images, truth)  # (n, T)
    beyond = truth[..., truth.shape[-1] // 2 :].amax((-3, -2, -1)) > 0.05
    return error[~beyond].mean().item(), error[beyond].mean().item()


def thinned(curves: list[dict[str, object]]) -> list[dict[str, object]]:
    """Some hundred points of a run's curves, numbers to five digits; the first and the last one stay."""
    chosen = np.unique(np.linspace(0, len(curves) - 1, POINTS).round().astype(int))
    short = {float: lambda value: float(f"{value:.5g}")}
    return [{name: short.get(type(v), lambda v: v)(v) for name, v in curves[i].items()} for i in chosen]
