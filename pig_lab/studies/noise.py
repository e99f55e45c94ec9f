"""What the noise of positions does to constants: the last stage of ``improved``, on positions of known quality."""

from dataclasses import replace

import torch
from torch import Tensor

from pig_core.build import build_model
from pig_core.config import Config
from pig_core.data import load_videos
from pig_core.evaluate import matching
from pig_core.stages import dynamics_stage, encode_all
from pig_core.tasks import Task
from pig_core.training import Session, run_stage

from ..trained import open_task


@torch.no_grad()
def seen_and_true(task: Task) -> tuple[Config, Tensor, Tensor]:
    """Options of the task's published model; what it sees in its training videos, and the truth, (N, L+P, K, 2) pixels.

    The truth has the model's order of objects; their mean offsets are taken out of what is seen.
    """
    trained = open_task(task.name)
    config = replace(trained.config, start_prior=False)  # is learned after the constants
    chosen = slice(config.dynamics_sequences or None), slice(task.seen_steps)
    videos = load_videos(config, task, "train", task.train_length)
    frames = videos.frames[chosen]
    truth = videos.positions[chosen].float()
    seen = encode_all(trained.model, config.color, frames)
    truth = truth[:, :, matching(seen.numpy(), truth.numpy())]
    return config, seen - (seen - truth).mean((0, 1)), truth


def learned_from(positions: Tensor, config: Config, task: Task) -> dict[str, float]:
    """The constants that the stage "dynamics" learns from positions (N, L+P, K, 2), pixels."""
    model = build_model(config, task)
    run_stage(model, config, dynamics_stage(model, config, positions, positions=positions), Session())
    return model.physics.values()


def constants_and_noise(task: Task, draws: int = 5) -> dict[str, object]:
    """Constants from positions as the model sees them, from true ones, and from true ones with noise as large.

    Returns:
        "rms": error of the positions that are seen, pixels, offsets taken out; "learned": for "seen" and "true" the
        constants, for "noise" those of each of ``draws`` draws of independent normal noise of that size.
    """
    config, seen, truth = seen_and_true(task)
    rms, generator = (seen - truth).square().mean().sqrt(), torch.Generator().manual_seed(0)
    noisy = [truth + rms * torch.randn(truth.shape, generator=generator) for _ in range(draws)]
    return {
        "rms": rms.item(),
        "learned": {
            "seen": learned_from(seen, config, task),
            "true": learned_from(truth, config, task),
            "noise": [learned_from(positions, config, task) for positions in noisy],
        },
    }
