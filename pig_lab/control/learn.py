"""The pendulum learned from video: an ordinary run with options of its own, done once and then opened again."""

import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from pig_core.config import Config, make_config
from pig_core.model import PAIG
from pig_core.run import Run
from pig_core.system import CHECKPOINT, METRICS, UNFINISHED, ConfigError, data_folder, runs_folder

from ..trained import Trained, open_checkpoint
from .film import HELD_OUT, ensure_videos, film, task_of_pictures
from .law import PENDULUM

LIKE_THE_PAPER = {  # everything at once with the paper's loss
    "decoder_steps": 0, "vision_steps": 0, "dynamics_steps": 0, "epochs": 20, "batch_size": 10,
}  # fmt: skip


def pendulum_config(seed: int = 0, sequences: int = 500, arrow: bool = True, **options: object) -> Config:
    """The options of a run: one object needs a mask against the background, and one step a frame is exact.

    Args:
        sequences: training sequences; fewer are the first ones of more.
        options: others of :class:`Config`.
    Raises:
        ConfigError: for a value that is not allowed.
    """
    if type(sequences) is not int or sequences < 5:
        raise ConfigError(f"sequences must be a whole number of at least 5, got {sequences!r}")
    own = {
        "decoder_type": "turning_transformer", "mask_background": True, "start_prior": False, "substeps": 1,
        "locality_steps": 0, "decoder_steps": 60, "vision_steps": 100,
        "n_train": sequences, "n_eval": HELD_OUT, "print_interval": 100,
        "data_dir": str(data_folder() / "pendulum" / f"{sequences}"),
    }  # fmt: skip
    return make_config(task_of_pictures(arrow), seed=seed, **{**own, **options})


def learn(seed: int = 0, sequences: int = 500, arrow: bool = True, folder: str | Path | None = None, **options):
    """Train, or open what was trained, or go on with what was interrupted.

    Args:
        folder: where films and run are kept; None: ``data/datasets/pendulum`` and ``reports/runs/pendulum``.
    Returns:
        the model, and the run's ``metrics.json``.
    Raises:
        ConfigError, RunError: with one sentence on what to change.
    """
    where = Path(folder) / f"run-s{seed}" if folder else run_folder(seed, sequences, arrow)
    options |= {"data_dir": str(Path(folder) / "data")} if folder else {}
    config, task = pendulum_config(seed, sequences, arrow, save_dir=str(where), **options), task_of_pictures(arrow)
    if not (where / METRICS).is_file():
        ensure_videos(config, task)
        run = Run.start(replace(config, resume=(where / UNFINISHED).is_file()), task)
        started = time.process_time()  # on a shared machine the clock on the wall says little
        run.train()
        cpu = time.process_time() - started
        run.evaluate()
        run.metrics["train_cpu_seconds"] = cpu
        run.save()
    return opened(where / CHECKPOINT, arrow), json.loads((where / METRICS).read_text())


def on_films(model: PAIG, n: int, folder: Path | None = None) -> Trained:
    """The model with the first ``n`` filmed test sequences, as figures ask for it; ``folder`` holds the films."""
    films = film(n, PENDULUM.test_length, "test", folder=folder)
    return Trained(
        pendulum_config(), PENDULUM, model, n, tuple(torch.from_numpy(films[x]) for x in ("x", "pos", "actions"))
    )


def run_folder(seed: int, sequences: int, arrow: bool = True) -> Path:
    """Where a run is kept."""
    return runs_folder() / "pendulum" / f"{sequences}{'' if arrow else '-no-arrow'}-s{seed}"


def opened(checkpoint: Path, arrow: bool = True) -> PAIG:
    """The model in a checkpoint."""
    return open_checkpoint(checkpoint, task=task_of_pictures(arrow)).model
