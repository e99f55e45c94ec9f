"""Finished runs to look at: the weights that come with the project, and those that a user has trained."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..common.errors import RunError, command_line
from ..common.files import project_root
from ..config import Config, make_config
from ..data.draw import SPRITES
from ..data.simulate import simulate
from ..evaluation.evaluate import Evaluation, evaluate_video
from ..model import PAIG
from ..tasks import TASKS, Task
from .build import build_model
from .checkpoint import CHECKPOINT, MODEL_OPTIONS, load_model, read_config, save_small
from .run import METRICS


def weights_folder() -> Path:
    """Where the weights that come with the project are: ``<task>.safetensors``."""
    return project_root() / "reports" / "results" / "weights"


def example_videos(config: Config, n: int = 8) -> tuple[Tensor, Tensor]:
    """Fresh test videos of a task, made in a second: uint8 (n, T, H, W, 3) and positions (n, T, K, 2), pixels.

    They follow the rules of the long test file but are none of its videos.
    """
    task = TASKS[config.task]
    rng = np.random.default_rng(zlib.crc32(b"examples"))
    pos, _ = simulate(task, config.true_parameters(), n, task.test_length, rng, crossing=task.half_pane)
    frames = SPRITES[task.sprite](pos.reshape(-1, *pos.shape[2:]), task.image_size, task.radius)
    return torch.from_numpy(frames).unflatten(0, (n, -1)), torch.from_numpy(pos.astype(np.float32))


@dataclass(frozen=True)
class Published:
    """A trained model with everything that figures ask of it."""

    config: Config
    model: PAIG
    n: int = 8  # example videos

    @property
    def task(self) -> Task:
        """What the model was trained on."""
        return TASKS[self.config.task]

    @cached_property
    def evaluation(self) -> Evaluation:
        """The model on fresh test videos."""
        return evaluate_video(self.model, self.config, *example_videos(self.config, self.n))


def open_checkpoint(path: Path, n: int = 8) -> Published:
    """The model in a checkpoint file, on the CPU.

    Raises:
        RunError, ConfigError: if the file is missing, damaged or of another version.
    """
    config = read_config(path)
    model = build_model(config).eval()
    load_model(path, model, config)
    return Published(config, model, n)


def open_task(task: str, n: int = 8) -> Published:
    """The model of a task that comes with the project.

    Raises:
        RunError: if there is none; it says how to get one.
    """
    path = weights_folder() / f"{task}.safetensors"
    if task not in TASKS:
        raise RunError(f"there is no task {task!r}; tasks are {', '.join(TASKS)}")
    if not path.is_file():
        raise RunError(
            f"{path} is not here: get it back with `git checkout -- {path}`, or train with `make run TASK={task}` and "
            f"then `python -m pig_core.runs.trained reports/runs/{task}/run/{CHECKPOINT}`"
        )
    return open_checkpoint(path, n)


def finished_runs() -> dict[str, Path]:
    """Checkpoints to choose from, by a readable name: first those of the project, then the user's finished runs."""
    runs = {f"{path.stem} (comes with the project)": path for path in sorted(weights_folder().glob("*.safetensors"))}
    for path in sorted((project_root() / "reports" / "runs").glob(f"*/*/{METRICS}")):
        if path.with_name(CHECKPOINT).is_file():
            runs[f"{path.parts[-3]}/{path.parts[-2]}"] = path.with_name(CHECKPOINT)
    if not runs:
        raise RunError("there is no finished run: `papermill notebooks/train.ipynb out.ipynb` makes one in a minute")
    return runs


def publish(checkpoint: Path) -> Path:
    """Write the small form of a run's checkpoint to the project's weights; returns its path.

    Raises:
        RunError: if the run was one with other options than the recipe's.
    """
    published = open_checkpoint(checkpoint)
    plain = make_config(published.config.task, seed=published.config.seed)
    if odd := [name for name in MODEL_OPTIONS if getattr(plain, name) != getattr(published.config, name)]:
        raise RunError(f"{checkpoint} is not of the plain recipe improved: it differs in {', '.join(odd)}")
    path = weights_folder() / f"{published.config.task}.safetensors"
    save_small(path, published.model, published.config)
    return path


@command_line
def main(checkpoints: list[str]) -> None:
    """Publish these checkpoints."""
    for checkpoint in checkpoints:
        print(publish(Path(checkpoint)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
