"""The pendulum learned from video: filmed with random torques, then trained as an ordinary run with its own options.

Films and runs are stored: an interrupted film or training continues where it stopped, a finished one is only opened.
"""

import json
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pig_core.config import Config, make_config
from pig_core.data import data_path, load_array
from pig_core.model import PAIG
from pig_core.run import Run
from pig_core.system import (
    CHECKPOINT,
    METRICS,
    UNFINISHED,
    ConfigError,
    Progress,
    data_folder,
    replacing,
    runs_folder,
)
from pig_core.tasks import Task

from ..trained import open_checkpoint
from .law import MAX_TORQUE, PENDULUM, SIZE, Pendulums

PART = 50  # sequences in one file of films
HELD_OUT = 20  # validation and test sequences
_ARRAYS = {"x": ((SIZE, SIZE, 3), np.uint8), "pos": ((1, 2), np.float32), "actions": ((1,), np.float32)}  # of a file
ARM = SIZE / 4.4 / 2  # from the pivot to the rod's middle, pixels: the renderer shows 4.4 rod lengths


def pendulum_task(arrow: bool = True) -> Task:
    """The pendulum with or without the arrow of the last torque in its frames."""
    return PENDULUM if arrow else replace(PENDULUM, name="pendulum_no_arrow", title="pendulum without the arrow")


def ensure_videos(config: Config, task: Task) -> None:
    """Film the data files of a run where they are missing.

    Args:
        config: options whose ``data_dir``, ``n_train`` and ``n_eval`` say where and how many.
    """
    arrow = task.name == PENDULUM.name
    wanted = {task.train_length: {"train": config.n_train, "valid": config.n_eval},
              task.test_length: {"test": config.n_eval}}  # fmt: skip
    for length, sizes in wanted.items():
        path = data_path(config, task, length)
        if path.is_file():
            continue
        arrays = {}
        for split, n in sizes.items():
            for name, array in film(n, length, split, arrow, Path(config.data_dir).parent / "filmed").items():
                arrays[f"{split}_{name}"] = array
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)


def film(n: int, length: int, split: str, arrow: bool = True, folder: Path | None = None) -> dict[str, np.ndarray]:
    """``n`` sequences of ``length`` frames with random torques; the same arguments give the same sequences.

    Each starts at any angle, with at most 6 rad/s. Files of ``PART`` sequences in ``folder`` store the films.

    Returns:
        "x", uint8 (n, length, SIZE, SIZE, 3); "pos", true positions of the rod's middle, pixels, for evaluation only,
        float32 (n, length, 1, 2); "actions", the torque from each frame to the next, float32 (n, length, 1).
    """
    folder = folder or data_folder() / "pendulum" / "filmed"
    parts, total = [], -(-n // PART)
    with Progress("film", total, interval=5) as progress:
        for part in range(total):
            path, count = folder / f"{'arrow' if arrow else 'plain'}-{split}-{length}-{part:03d}.npz", n - PART * part
            held = path.is_file() and {
                key: load_array(path, key, (None, length, *shape), kind) for key, (shape, kind) in _ARRAYS.items()
            }
            if not held or len(held["x"]) < min(PART, count):
                held = _film_part(length, split, part, min(PART, count), arrow)
                with replacing(path) as temporary:
                    np.savez_compressed(temporary, **held)
            parts.append(held)
            progress.advance(f"{split}: {min(n, PART * (part + 1))} of {n} sequences")
    return {name: np.concatenate([part[name] for part in parts])[:n] for name in parts[0]}


def _film_part(length: int, split: str, part: int, n: int, arrow: bool) -> dict[str, np.ndarray]:
    """The first ``n`` sequences of one file.

    Each file has its own random numbers: longer films begin with the same sequences, with and without the arrow.
    """
    rng = np.random.default_rng([zlib.crc32(split.encode()), length, part])
    pendulums = Pendulums(n, arrow=arrow)
    angles, speeds = rng.uniform(-np.pi, np.pi, PART), rng.uniform(-PENDULUM.speed, PENDULUM.speed, PART)
    pendulums.put(np.stack([angles, speeds], 1)[:n])
    torques = rng.uniform(-MAX_TORQUE, MAX_TORQUE, (PART, length)).astype(np.float32)[:n]
    frames, angles = [], []
    for t in range(length):
        frames.append(pendulums.frames())
        angles.append(pendulums.states[:, 0])
        pendulums.step(torques[:, t])
    angle = np.stack(angles, 1)[..., None]
    middle = SIZE / 2 - ARM * np.stack([np.sin(angle), np.cos(angle)], -1)
    return {"x": np.stack(frames, 1), "pos": middle.astype(np.float32), "actions": torques[..., None]}


def pendulum_config(seed: int = 0, sequences: int = 500, arrow: bool = True, **options: object) -> Config:
    """The options of a run: one object needs a mask against the background, and one step per frame is exact.

    Args:
        sequences: training sequences, the first ones of all.
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
    return make_config(pendulum_task(arrow), seed=seed, **{**own, **options})


def learn(
    seed: int = 0, sequences: int = 500, arrow: bool = True, folder: str | Path | None = None, **options
) -> tuple[PAIG, dict[str, object]]:
    """Train, resume an interrupted training, or open a finished one.

    Args:
        folder: of films and run; None: ``data/datasets/pendulum`` and ``reports/runs/pendulum``.
    Returns:
        the model, and the run's ``metrics.json``.
    Raises:
        ConfigError, RunError: with one sentence on what to change.
    """
    name = f"{sequences}{'' if arrow else '-no-arrow'}-s{seed}"
    where = Path(folder) / f"run-s{seed}" if folder else runs_folder() / "pendulum" / name
    options |= {"data_dir": str(Path(folder) / "data")} if folder else {}
    config, task = pendulum_config(seed, sequences, arrow, save_dir=str(where), **options), pendulum_task(arrow)
    if not (where / METRICS).is_file():
        ensure_videos(config, task)
        run = Run.start(replace(config, resume=(where / UNFINISHED).is_file()), task)
        started = time.process_time()  # wall time depends on the load of a shared machine
        run.train()
        cpu = time.process_time() - started
        run.evaluate()
        run.metrics["train_cpu_seconds"] = cpu
        run.save()
    model = open_checkpoint(where / CHECKPOINT, task=task).model
    return model, json.loads((where / METRICS).read_text())
