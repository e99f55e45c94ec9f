"""Trained models: the weights that come with the project, and the runs of a user."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from pig_core.build import build_model
from pig_core.checkpoint import load_model, read_config, save_tensors
from pig_core.config import SHAPING, Config, differing, make_config, task_of
from pig_core.data import example_videos
from pig_core.decoder import VariableFromNetwork
from pig_core.evaluate import Evaluation, evaluate_video
from pig_core.model import PAIG
from pig_core.system import (
    CHECKPOINT,
    METRICS,
    REPLAY,
    RunError,
    replays_folder,
    runs_folder,
    weights_folder,
)
from pig_core.tasks import TASKS, Task

from .estimate import Estimate, estimate
from .replay import Replay


@dataclass(frozen=True)
class Trained:
    """A trained model with its options, its task and its predictions of some example videos."""

    config: Config
    task: Task
    model: PAIG
    n: int = 8  # example videos
    videos: tuple[Tensor, Tensor | None, Tensor | None] | None = None  # as example_videos; None: n new ones

    @cached_property
    def evaluation(self) -> Evaluation:
        """The model on its videos."""
        videos = self.videos or example_videos(self.task, self.n)
        return evaluate_video(self.model, self.config.color, *videos)

    def estimates(self) -> dict[str, Estimate]:
        """Constants with error bars from the encoded positions of the example videos' first L+P frames."""
        seen, physics = torch.from_numpy(self.evaluation.positions), self.model.physics
        return estimate(seen, self.task, physics.values(), physics.substeps, self.evaluation.actions)


def open_checkpoint(path: Path, n: int = 8, task: Task | None = None) -> Trained:
    """The model in a checkpoint file, on the CPU.

    Args:
        task: the task of the run; None: the catalogue's of that name.
    Raises:
        RunError, ConfigError: if the file is missing, damaged or of another version.
    """
    config = read_config(path)
    task = task_of(config, task)
    model = build_model(config, task).eval()
    load_model(path, model, config)
    return Trained(config, task, model, n)


def open_task(task: str, n: int = 8) -> Trained:
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
            f"then `python -m pig_core publish {runs_folder() / task / 'run' / CHECKPOINT}`"
        )
    return open_checkpoint(path, n)


def finished_runs() -> dict[str, Path]:
    """Checkpoints to choose from, by a readable name: first those of the project, then the user's finished runs.

    Models without objects are left out: they cannot answer a what-if. Damaged checkpoints, and those of a task that
    has to be handed in, stay in: the error of opening them says why.
    """
    runs = {f"{path.stem} (comes with the project)": path for path in sorted(weights_folder().glob("*.safetensors"))}
    for path in sorted(runs_folder().glob(f"*/*/{METRICS}")):
        if path.with_name(CHECKPOINT).is_file():
            runs[f"{path.parts[-3]}/{path.parts[-2]}"] = path.with_name(CHECKPOINT)
    runs = {name: path for name, path in runs.items() if _answers(path)}
    if not runs:
        raise RunError("there is no finished run: `papermill notebooks/train.ipynb out.ipynb` makes one in a minute")
    return runs


def _answers(checkpoint: Path) -> bool:
    try:
        return read_config(checkpoint).cell_type != "video_lstm"
    except RunError:
        return True


@torch.no_grad()
def save_small(path: Path, model: PAIG, config: Config) -> None:
    """A checkpoint that draws and predicts the same with a tenth of the bytes: what is zero is left out.

    ``model`` is simplified, too: the last bias alone holds each learned image, the large weight matrix becomes zero.
    """
    for module in model.modules():
        if isinstance(module, VariableFromNetwork):
            image = module()
            module.out.weight.zero_()
            module.out.bias.copy_(image.movedim(-3, -1).flatten())
    state = model.state_dict()
    zeros = [name for name, tensor in state.items() if not tensor.any()]
    kept = {name: tensor for name, tensor in state.items() if name not in zeros}
    save_tensors(path, kept, {"config": dataclasses.asdict(config), "zeros": zeros})


def publish(checkpoint: Path) -> Path:
    """Write the small form of a run's checkpoint to the project's weights, and its replay beside; returns its path.

    Raises:
        RunError: if the run was one with other options than the recipe's.
    """
    trained = open_checkpoint(checkpoint)
    plain = make_config(trained.config.task, seed=trained.config.seed)
    if odd := differing(plain, trained.config, *SHAPING):
        raise RunError(f"{checkpoint} is not of the plain recipe improved: it differs in {', '.join(odd)}")
    path = weights_folder() / f"{trained.config.task}.safetensors"
    save_small(path, trained.model, trained.config)
    if (replay := checkpoint.with_name(REPLAY)).is_file():
        config = trained.config
        Replay.load(replay).save(replays_folder() / f"{config.task}-{config.recipe}-s{config.seed}.npz")
    return path


def main(arguments: list[str]) -> None:
    """Publish these checkpoints: python -m pig_core publish CHECKPOINT ..."""
    if not arguments or arguments[0].startswith("-"):
        raise RunError("write: python -m pig_core publish CHECKPOINT ...")
    for checkpoint in arguments:
        print(publish(Path(checkpoint)))
