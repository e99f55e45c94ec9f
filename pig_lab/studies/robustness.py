"""How far the constants can be trusted: their signed errors, and a plain tracker, the baseline that a sceptic asks for.

The tracker has a threshold, centres of mass and least squares on the same physics: no network, no training. It is given
the colour of each object, which the model has to find out; in grey videos it treats each connected region as an object.
"""

import math

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from scipy import ndimage
from torch import Tensor

from pig_core.data import example_videos
from pig_core.evaluate import matching
from pig_core.model import to_video
from pig_core.tasks import TASKS, Task

from ..estimate import estimate
from ..report.results import constants_of
from .paper import constants_given

THRESHOLD = 0.15  # of a channel, in [0, 1], above the background, which is the median frame
CHANNELS = {"disc": (2, 1, 0), "digit": (0, 1)}  # the simulator's colours: object j has the pure colour CHANNELS[j]
FEWEST = 5  # videos without a lost object, below which nothing is fitted


def signed_errors(runs: pd.DataFrame) -> pd.DataFrame:
    """Signed errors of all constants in percent: columns task, variant, seed, name, learned, truth, percent."""
    found = constants_of(runs, keys=["task", "variant", "seed"])
    return found.assign(percent=100 * found["error"])


def errors_figure(runs: pd.DataFrame) -> Figure:
    """Signed errors as dots: a row per task and constant, a colour per variant."""
    shown = signed_errors(runs)
    shown = shown.assign(row=shown["task"].map(lambda name: TASKS[name].title) + ": " + shown["name"])
    figure, ax = plt.subplots(figsize=(8, 0.5 * shown["row"].nunique() + 1.3))
    ax.axvline(0, color="0.4", lw=1)
    sns.stripplot(shown, x="percent", y="row", hue="variant", dodge=True, jitter=False, alpha=0.8, ax=ax)
    ax.set(xlabel="learned against true value, error in % (a dot is a seed)", ylabel="")
    ax.legend()
    return figure


def track(video: Tensor, task: Task) -> Tensor:
    """Positions (N, T, K, 2), pixels, in video (N, T, C, S, S); NaN where an object cannot be told from the others."""
    above = (video - video.flatten(0, 1).median(0).values).clamp_min(0)
    above = above * (above > THRESHOLD)
    if video.shape[2] == 1:
        return torch.stack([_regions(clip[:, 0], task.n_objects) for clip in above])
    channels = above[:, :, CHANNELS[task.sprite][: task.n_objects]]  # (N, T, K, S, S)
    centres = torch.arange(video.shape[-1]) + 0.5
    mass = channels.sum((-2, -1))
    return torch.stack([(channels.sum(-2) * centres).sum(-1) / mass, (channels.sum(-1) * centres).sum(-1) / mass], -1)


def _regions(clip: Tensor, k: int) -> Tensor:
    """Centres (T, K, 2) of ``k`` separate regions in (T, S, S), each followed to the nearest; NaN where they touch."""
    path, last = torch.full((len(clip), k, 2), torch.nan), None
    for t, frame in enumerate(clip.numpy()):
        labels, count = ndimage.label(frame > 0)
        if count != k:
            continue
        found = torch.tensor(ndimage.center_of_mass(frame, labels, range(1, k + 1))).flip(-1).float() + 0.5
        path[t] = last = found if last is None else found[matching(last.numpy(), found.numpy())]
    return path


@torch.no_grad()
def measure(task: Task, color: bool, n: int = 100) -> dict[str, object]:
    """Constants that the tracker measures in ``n`` fresh videos.

    Returns:
        "kept": share of the videos in which no object was lost in the first L + P frames; "rms": error of its positions
        in those, pixels, each object's mean offset removed; "learned": the constants, if there were enough videos.
    """
    frames, truth, _ = example_videos(task, n)
    positions = track(to_video(frames[:, : task.seen_steps], color), task)
    kept = positions.isfinite().all((1, 2, 3))
    pairs = [
        (a, b[:, matching(a.numpy(), b.numpy())])
        for a, b in zip(positions[kept], truth[kept, : task.seen_steps], strict=True)
    ]
    if len(pairs) < FEWEST:
        return {"kept": kept.double().mean().item(), "rms": math.nan, "learned": {}}
    positions, truth = (torch.stack(part) for part in zip(*pairs, strict=True))
    error = positions - truth - (positions - truth).mean((0, 1))
    learned = _constants(positions, task) if task.truth else {}
    return {"kept": kept.double().mean().item(), "rms": error.square().mean().sqrt().item(), "learned": learned}


def _constants(positions: Tensor, task: Task) -> dict[str, float]:
    """Least squares on positions (N, T, K, 2): first one frame ahead, from 1; then whole paths with fitted states."""
    velocity = (positions[:, 2] - positions[:, 0]) / (2 * task.dt)
    start = constants_given((positions[:, 1], velocity), positions[:, 2:3], task.physics(5))
    return {name: each.value for name, each in estimate(positions, task, start).items()}
