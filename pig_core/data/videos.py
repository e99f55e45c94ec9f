"""Data files: the authors' npz layout, made by simulation where they are missing, checked before use.

A file holds ``train_x``, ``valid_x`` and ``test_x``, uint8 (N, T, H, W, 3). Ours also hold ``*_pos``, the simulator's
positions (N, T, K, 2) in pixels: they judge a run, training never reads them. Where a law knows actions there are
``*_actions``, (N, T, A), too. Where a function takes a ``task``, None stands for the catalogue's of the options' name.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import CodeType

import numpy as np
import torch
from torch import Tensor

from ..common.errors import DataError
from ..common.files import data_folder, replacing
from ..config import Config, task_of
from ..physics import Law
from ..tasks import TASKS, Task
from .draw import SPRITES
from .simulate import simulate

SPLITS = ("train", "valid", "test")
CHUNK = 100  # sequences rendered and written at a time; bounds the memory


def data_path(config: Config, length: int, task: Task | None = None) -> Path:
    """Where the file with sequences of ``length`` frames is: for the five tasks under the authors' name for it.

    A file's name decides on its content, too: another ``data_seed`` is another name and gives other videos.
    """
    task = task_of(config, task)
    values = {name: f"{value:g}" for name, value in task.truth.items()}
    known = TASKS.get(task.name)
    if known and known.files and known.law is task.law and replace(known, truth=task.truth) == task:
        name = task.files.format(T=length, **values)
    else:  # a name that no other task, and no other form of this one, has
        constants = "".join(f"_{name}{value}" for name, value in values.items())
        name = f"{task.name}/sl{length}{constants}_{_digest(task):08x}.npz"
    if config.data_seed:
        name = name.replace(".npz", f"_seed{config.data_seed}.npz")
    return (Path(config.data_dir) if config.data_dir else data_folder()) / name


def _digest(task: Task) -> int:
    """A number that changes with what the videos show: the task's facts, and the code of its law.

    The code itself, not its text, which Python cannot find for a class that was written in a notebook.
    """
    facts = {f.name: getattr(task, f.name) for f in fields(task) if f.name not in ("law", "truth", "title", "files")}
    laws = [law for law in task.law.__mro__ if issubclass(law, Law)]
    members = [(name, getattr(value, "__func__", value)) for law in laws for name, value in sorted(vars(law).items())]
    code = [(name, *_code(value.__code__)) for name, value in members if hasattr(value, "__code__")]
    plain = [(name, value) for name, value in members if isinstance(value, int | float | str) and name[0] != "_"]
    return zlib.crc32(repr((sorted(facts.items()), code, plain)).encode())


def _code(code: CodeType) -> tuple:
    """What a function does, as values whose representation is the same in every process."""
    constants = [_code(c) if isinstance(c, CodeType) else c for c in code.co_consts[1:]]  # the first is its docstring
    return code.co_code, code.co_names, constants


def make_file(path: Path, task: Task, length: int, sizes: dict[str, int]) -> None:
    """Simulate, render and write one data file; the same arguments give the same file.

    Args:
        length: frames per sequence.
        sizes: number of sequences for each of ``SPLITS``.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for split in SPLITS:
            rng = np.random.default_rng([zlib.crc32(path.name.encode()), SPLITS.index(split)])
            crossing = task.half_pane and split == "test" and length == task.test_length
            scenes, size = simulate(task, sizes[split], length, rng, crossing), task.image_size
            shape = (*scenes.positions.shape[:2], size, size, 3)
            _write_array(file, f"{split}_x", np.dtype(np.uint8), shape, _drawn(task, scenes.positions))
            for name, array in (("pos", scenes.positions), ("actions", scenes.actions)):
                if array is not None:
                    array = array.astype(np.float32)
                    _write_array(file, f"{split}_{name}", array.dtype, array.shape, [array])


def _drawn(task: Task, positions: np.ndarray) -> Iterator[np.ndarray]:
    """Frames of positions (N, T, K, 2), some sequences at a time: (n T, S, S, 3) uint8."""
    for start in range(0, len(positions), CHUNK):
        part = positions[start : start + CHUNK]
        yield SPRITES[task.sprite](part.reshape(-1, *part.shape[2:]), task.image_size, task.radius)


def example_videos(task: Task, n: int = 8) -> tuple[Tensor, Tensor, Tensor | None]:
    """Fresh test videos, made in a second: uint8 (n, T, H, W, 3), positions (n, T, K, 2) in pixels, actions (n, T, A).

    They follow the rules of the long test file but are none of its videos.
    """
    rng = np.random.default_rng(zlib.crc32(b"examples"))
    scenes = simulate(task, n, task.test_length, rng, crossing=task.half_pane)
    frames = torch.from_numpy(np.concatenate([*_drawn(task, scenes.positions)])).unflatten(0, (n, -1))
    actions = None if scenes.actions is None else torch.from_numpy(scenes.actions).float()
    return frames, torch.from_numpy(scenes.positions.astype(np.float32)), actions


def _write_array(file: zipfile.ZipFile, name: str, dtype: np.dtype, shape: tuple[int, ...], parts) -> None:
    """Stream an array into an open npz part by part: it never has to fit into memory."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for part in parts:
            member.write(np.ascontiguousarray(part).data)


def ensure_file(config: Config, length: int, task: Task | None = None) -> Path:
    """The path of the data file with ``length`` frames, simulated first if it may be and is not there.

    Raises:
        DataError: if the file is missing from a folder that the user named, or holds another number of sequences.
    """
    task = task_of(config, task)
    path = data_path(config, length, task)
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
    make_file(path, task, length, sizes)
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


def load_frames(config: Config, split: str, length: int, task: Task | None = None) -> Tensor:
    """Video of one split, uint8 (N, T, H, W, 3) on the CPU; ``datapoints`` limits the training split.

    Raises:
        DataError: see :func:`load_array`; also if the sequences are shorter than the model needs.
    """
    task = task_of(config, task)
    path = ensure_file(config, length, task)
    size = task.image_size
    frames = load_array(path, f"{split}_x", (None, None, size, size, 3), np.uint8)
    # A longer file must hold frames to extrapolate to.
    needed = task.seen_steps + (length > task.train_length)
    if frames.shape[1] < needed:
        raise DataError(f"{split}_x in {path} has {frames.shape[1]} frames a sequence, {config.task} needs {needed}")
    if split == "train" and config.datapoints:
        frames = frames[: config.datapoints]
    return torch.from_numpy(frames)


def load_positions(config: Config, split: str, length: int, task: Task | None = None) -> Tensor | None:
    """The simulator's positions (N, T, K, 2), pixels, for evaluation only; None where the file has none."""
    task = task_of(config, task)
    path = ensure_file(config, length, task)
    with np.load(path, allow_pickle=False) as file:
        if f"{split}_pos" not in file.files:
            return None
    return torch.from_numpy(load_array(path, f"{split}_pos", (None, None, task.n_objects, 2), np.float32))


def load_actions(config: Config, split: str, length: int, task: Task | None = None) -> Tensor | None:
    """What acts from outside from each frame to the next, (N, T, A); None for a law that knows no actions."""
    task = task_of(config, task)
    if not task.law.n_actions:
        return None
    path = ensure_file(config, length, task)
    actions = load_array(path, f"{split}_actions", (None, None, task.law.n_actions), np.float32)
    limit = config.datapoints if split == "train" and config.datapoints else None
    return torch.from_numpy(actions[:limit])
