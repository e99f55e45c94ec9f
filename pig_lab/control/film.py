"""Videos of the pendulum with random torques, filmed once and kept; what was interrupted goes on where it was."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pig_core.config import Config
from pig_core.data import data_path, load_array
from pig_core.system import ConfigError, Progress, data_folder, replacing
from pig_core.tasks import Task

from .law import MAX_TORQUE, PENDULUM, SIZE, Pendulums

PART = 50  # sequences filmed at a time, and kept in one file
HELD_OUT = 20  # validation and test sequences
ARM = SIZE / 4.4 / 2  # from the pivot to the rod's middle, pixels: the renderer shows 4.4 rod lengths


def task_of_pictures(arrow: bool = True) -> Task:
    """The pendulum with or without the arrow of the last torque in its pictures."""
    return PENDULUM if arrow else replace(PENDULUM, name="pendulum_no_arrow", title="pendulum without the arrow")


def ensure_videos(config: Config, task: Task) -> None:
    """Put the data files of a run where it looks for them, filmed if they are not there.

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
    """``n`` sequences of ``length`` frames with random torques; the same arguments give the same ones.

    Each starts anywhere, at up to 6 rad/s. Files of ``PART`` sequences in ``folder`` keep what was filmed.

    Returns:
        "x", uint8 (n, length, SIZE, SIZE, 3); "pos", where the rod's middle is in truth, pixels, for judging only,
        float32 (n, length, 1, 2); "actions", the torque from each frame to the next, float32 (n, length, 1).
    """
    if n < 1:
        raise ConfigError(f"the number of sequences must be at least 1, got {n}")
    folder = folder or data_folder() / "pendulum" / "filmed"
    parts, total = [], -(-n // PART)
    with Progress("film", total, interval=5) as progress:
        for part in range(total):
            path, count = folder / f"{'arrow' if arrow else 'plain'}-{split}-{length}-{part:03d}.npz", n - PART * part
            held = _held(path, length) if path.is_file() else None
            if held is None or len(held["x"]) < min(PART, count):
                held = _film_part(length, split, part, min(PART, count), arrow)
                with replacing(path) as temporary:
                    np.savez_compressed(temporary, **held)
            parts.append(held)
            progress.advance(f"{split}: {min(n, PART * (part + 1))} of {n} sequences")
    return {name: np.concatenate([part[name] for part in parts])[:n] for name in parts[0]}


def _held(path: Path, length: int) -> dict[str, np.ndarray]:
    """What a file of films holds, checked."""
    return {
        "x": load_array(path, "x", (None, length, SIZE, SIZE, 3), np.uint8),
        "pos": load_array(path, "pos", (None, length, 1, 2), np.float32),
        "actions": load_array(path, "actions", (None, length, 1), np.float32),
    }


def _film_part(length: int, split: str, part: int, n: int, arrow: bool) -> dict[str, np.ndarray]:
    """The first ``n`` sequences of one file.

    Its randomness is its own: films of more sequences begin with the same ones, and pictures with and without the
    arrow show the same motion.
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
