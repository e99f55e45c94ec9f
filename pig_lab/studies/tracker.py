"""A plain tracker, the baseline that a sceptic asks for: threshold, centre of mass, least squares on the same physics.

No network, no training. It is told what the model has to find out: which colour is which object. Without colours it
takes whatever hangs together for an object. The background is the median frame.
"""

import math

import torch
from scipy import ndimage
from torch import Tensor

from pig_core.data import example_videos
from pig_core.evaluate import matching
from pig_core.model import to_video
from pig_core.tasks import Task

from ..estimate import estimate
from .explain import constants_given

THRESHOLD = 0.15  # of a channel, in [0, 1], above the background
CHANNELS = {"disc": (2, 1, 0), "digit": (0, 1)}  # the simulator's colours: object j has the pure colour CHANNELS[j]
FEWEST = 5  # videos without a lost object, below which nothing is fitted


def track(video: Tensor, task: Task) -> Tensor:
    """Positions (N, T, K, 2), pixels, in video (N, T, C, S, S); NaN where an object cannot be told from the others."""
    above = (video - video.flatten(0, 1).median(0).values).clamp_min(0)
    above = above * (above > THRESHOLD)
    if video.shape[2] == 1:
        return torch.stack([_blobs(clip[:, 0], task.n_objects) for clip in above])
    channels = above[:, :, CHANNELS[task.sprite][: task.n_objects]]  # (N, T, K, S, S)
    centres = torch.arange(video.shape[-1]) + 0.5
    mass = channels.sum((-2, -1))
    return torch.stack([(channels.sum(-2) * centres).sum(-1) / mass, (channels.sum(-1) * centres).sum(-1) / mass], -1)


def _blobs(clip: Tensor, k: int) -> Tensor:
    """Centres (T, K, 2) of ``k`` separate blobs in (T, S, S), each followed to the nearest; NaN where they touch."""
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
    """What the tracker measures in ``n`` fresh videos.

    Returns:
        "kept": share of the videos in which no object was lost in the first L + P frames; "rms": error of its positions
        in those, pixels, an object's mean offset taken out; "learned": the constants, if there were enough videos.
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
