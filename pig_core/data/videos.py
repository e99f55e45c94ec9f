"""Data files: the authors' npz layout, made by simulation where they are missing, checked before use.

A file holds ``train_x``, ``valid_x`` and ``test_x``, uint8 (N, T, H, W, 3). Ours also hold ``*_pos``, the
simulator's positions (N, T, K, 2) in pixels: they judge a run, training never reads them.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..common.errors import DataError
from ..common.files import project_root, replacing
from ..config import Config
from ..tasks import TASKS, Task
from .draw import SPRITES
from .simulate import simulate

SPLITS = ("train", "valid", "test")
CHUNK = 100  # sequences rendered and written at a time; bounds the memory


def data_path(config: Config, length: int) -> Path:
    """Where the file with sequences of ``length`` frames is, under the authors' name for it."""
    folder = Path(config.data_dir) if config.data_dir else project_root() / "data" / "datasets"
    fields = {name: f"{value:g}" for name, value in config.true_parameters().items()}
    return folder / TASKS[config.task].files.format(T=length, **fields)


def make_file(path: Path, task: Task, truth: dict[str, float], length: int, sizes: dict[str, int]) -> None:
    """Simulate, render and write one data file; the same arguments give the same file.

    Args:
        length: frames per sequence.
        sizes: number of sequences for each of ``SPLITS``.
    """
    draw = SPRITES[task.sprite]
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for split in SPLITS:
            rng = np.random.default_rng([zlib.crc32(path.name.encode()), SPLITS.index(split)])
            crossing = task.half_pane and split == "test" and length == task.test_length
            pos, _ = simulate(task, truth, sizes[split], length, rng, crossing)
            n, size = len(pos), task.image_size

            def frames(pos: np.ndarray = pos, size: int = size) -> Iterator[np.ndarray]:
                for i in range(0, len(pos), CHUNK):
                    part = pos[i : i + CHUNK]
                    yield draw(part.reshape(-1, *part.shape[2:]), size, task.radius)

            _write_array(file, f"{split}_x", np.dtype(np.uint8), (n, length, size, size, 3), frames())
            _write_array(file, f"{split}_pos", np.dtype(np.float32), pos.shape, [pos.astype(np.float32)])


def _write_array(file: zipfile.ZipFile, name: str, dtype: np.dtype, shape: tuple[int, ...], parts) -> None:
    """Stream an array into an open npz part by part: it never has to fit into memory."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for part in parts:
            member.write(np.ascontiguousarray(part).data)


def ensure_file(config: Config, length: int) -> Path:
    """The path of the data file with ``length`` frames, simulated first if it may be and is not there.

    Raises:
        DataError: if the file is missing from a folder that the user named.
    """
    path = data_path(config, length)
    sizes = {"train": config.n_train, "valid": config.n_eval, "test": config.n_eval}
    if path.is_file():
        for split, held in _simulated_sizes(path).items():
            if held != sizes[split]:
                raise DataError(
                    f"{path} was simulated with {held} {split} sequences, {sizes[split]} are asked for: "
                    "delete it, ask for as many, or choose another data_dir"
                )
        return path
    if config.data_dir and not config.simulate:
        raise DataError(
            f"data file {path} does not exist: put it there, set simulate=True to make it, "
            "or leave data_dir empty to use simulated data"
        )
    print(f"simulating {path.name}", flush=True)
    make_file(path, TASKS[config.task], config.true_parameters(), length, sizes)
    return path


def _simulated_sizes(path: Path) -> dict[str, int]:
    """Sequences in each split of a file that we made (it has positions); nothing for the authors' files."""
    sizes = {}
    try:
        with zipfile.ZipFile(path) as file:
            for split in SPLITS:
                if f"{split}_pos.npy" in file.namelist():
                    with file.open(f"{split}_pos.npy") as member:
                        np.lib.format.read_magic(member)
                        sizes[split] = np.lib.format.read_array_header_1_0(member)[0][0]
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}  # damaged: reading it will say so
    return sizes


def load_array(path: Path, name: str, shape: tuple[int | None, ...], dtype: type) -> np.ndarray:
    """Read one array of an npz file without executing anything in it.

    Args:
        shape: expected shape; None stands for any positive size.
    Raises:
        DataError: if the file is missing, damaged, or the array has another shape or type.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if name not in file.files:
                raise DataError(f"{path} has no array {name!r}; it has {', '.join(file.files) or 'none'}")
            array = file[name]
    except FileNotFoundError:
        raise DataError(f"data file {path} does not exist") from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged or not an npz file ({error})") from error
    wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
    fits = len(array.shape) == len(shape) and all(
        (n is None and m > 0) or n == m for n, m in zip(shape, array.shape, strict=False)
    )
    if not fits or array.dtype != dtype:
        raise DataError(f"{name} in {path} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {wanted}")
    return array


def load_frames(config: Config, split: str, length: int) -> Tensor:
    """Video of one split, uint8 (N, T, H, W, 3) on the CPU; ``datapoints`` limits the training split.

    Raises:
        DataError: see :func:`load_array`; also if the sequences are shorter than the model needs.
    """
    task = TASKS[config.task]
    path = ensure_file(config, length)
    size = task.image_size
    frames = load_array(path, f"{split}_x", (None, None, size, size, 3), np.uint8)
    # A longer file must hold frames to extrapolate to.
    needed = task.input_steps + task.pred_steps + (length > task.train_length)
    if frames.shape[1] < needed:
        raise DataError(f"{split}_x in {path} has {frames.shape[1]} frames a sequence, {config.task} needs {needed}")
    if split == "train" and config.datapoints:
        frames = frames[: config.datapoints]
    return torch.from_numpy(frames)


def load_positions(config: Config, split: str, length: int) -> Tensor | None:
    """The simulator's positions (N, T, K, 2), pixels, for evaluation only; None where the file has none."""
    path = ensure_file(config, length)
    with np.load(path, allow_pickle=False) as file:
        if f"{split}_pos" not in file.files:
            return None
    return torch.from_numpy(load_array(path, f"{split}_pos", (None, None, TASKS[config.task].n_objects, 2), np.float32))


def to_video(frames: Tensor, color: bool = True) -> Tensor:
    """uint8 (..., H, W, 3) to float in [0, 1] as (..., C, H, W); C is 3, or 1 (the mean) if not ``color``.

    The result is a view in the channels-last layout, which convolutions on a CPU like best.
    """
    video = frames.float() / 255.0
    if not color:
        video = video.mean(-1, keepdim=True)
    return video.movedim(-1, -3)
