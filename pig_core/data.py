"""Videos of a task: simulated scenes, and data files in the authors' npz layout, checked before use.

A file holds ``train_x``, ``valid_x`` and ``test_x``, uint8 (N, T, H, W, 3). Ours also hold ``*_pos``, the simulator's
positions (N, T, K, 2) in pixels: they judge a run, training never reads them. A law with actions adds ``*_actions``,
(N, T, A).
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .config import Config
from .draw import SPRITES
from .physics import Law
from .system import DataError, SimulationError, data_folder, replacing
from .tasks import TASKS, Task

SUBSTEPS = 10  # of the simulation; the model uses 5
BATCH = 20_000  # candidates simulated at a time; most of them touch a wall and are thrown away
MAX_BATCHES = 2000  # give up after so many candidates: the constants asked for do not fit into the image
SURE = 50  # batches, after which it is clear whether these will do


class Scenes(NamedTuple):
    """What was simulated, at every frame."""

    positions: np.ndarray  # (n, T, K, 2) float64, pixels
    velocities: np.ndarray  # (n, T, K, D) float64, in the law's coordinates per second: pixels, if it has no others
    actions: np.ndarray | None  # (n, T, A) what acts from each frame to the next; None for a law without actions


def simulate(task: Task, n: int, length: int, rng: np.random.Generator, crossing: bool = False) -> Scenes:
    """Simulate ``n`` sequences that meet the task's conditions, with the constants of ``task.truth``.

    Args:
        length: frames per sequence.
        crossing: for half panes: an object must later reach the half of the image that it starts outside of.
    Raises:
        SimulationError: if the conditions cannot be met with these constants.
    """
    batch = min(BATCH, 20 * n + 100)
    kept, found = [], 0
    for done in range(1, MAX_BATCHES + 1):
        scenes = _keep_valid(task, *task.law.start(task, rng, batch), length, rng)
        if crossing:  # later at least one object is wholly in the half of the image that training never shows
            reached = scenes.positions[..., 0].max(axis=(1, 2)) - task.radius > task.image_size / 2
            scenes = Scenes(*(None if part is None else part[reached] for part in scenes))
        kept.append(scenes)
        found += len(scenes.positions)
        if found >= n:
            return Scenes(*(None if part[0] is None else np.concatenate(part)[:n] for part in zip(*kept, strict=True)))
        if done >= SURE and found * MAX_BATCHES < n * done:
            break
    raise SimulationError(
        f"only {found} of {done * batch} simulated sequences of {length} frames stay inside the image with "
        f"{dict(task.truth)}, {n} are asked for: choose constants for which more of them do, or ask for fewer sequences"
    )


def survivors(task: Task, pos: np.ndarray, vel: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Start positions (n kept, K, 2) of those candidates, states (n, K, D), that last ``length`` frames."""
    return _keep_valid(task, pos, vel, length, rng).positions[:, 0]


@torch.no_grad()
def _keep_valid(task: Task, pos: np.ndarray, vel: np.ndarray, length: int, rng: np.random.Generator) -> Scenes:
    """Roll candidates out frame by frame, dropping each as soon as it breaks a rule."""
    law = task.law(task.dt / SUBSTEPS, 1, task.image_size, task.radius, task.truth).double()  # a "frame" is a substep
    actions = task.law.actions(task, rng, len(pos), length) if task.law.n_actions else None

    def pose(coordinates: np.ndarray) -> np.ndarray:
        return law.pose(torch.from_numpy(coordinates)).numpy()

    keep = _accepted(task, pose(pos[:, None]), 0)  # most starts are hopeless at once: they are not worth a step
    pos, vel, actions = pos[keep], vel[keep], None if actions is None else actions[keep]
    states: list[tuple[np.ndarray, np.ndarray]] = []  # of the candidates that are left, a frame each
    for frame in range(length):
        pushed = None if actions is None else torch.from_numpy(actions[:, [frame] * SUBSTEPS])
        path, speeds = (x.numpy() for x in law.rollout(torch.from_numpy(pos), torch.from_numpy(vel), SUBSTEPS, pushed))
        keep = _accepted(task, pose(np.concatenate([pos[:, None], path], 1)), frame)
        states = [(p[keep], v[keep]) for p, v in [*states, (pos, vel)]]
        pos, vel, actions = path[keep, -1], speeds[keep, -1], None if actions is None else actions[keep]
    positions, velocities = (np.stack(part, 1) for part in zip(*states, strict=True))
    return Scenes(pose(positions), velocities, actions)


def _accepted(task: Task, path: np.ndarray, frame: int) -> np.ndarray:
    """Which candidates still belong to the task after ``frame``; ``path`` holds its substeps, (n, substeps, K, 2)."""
    keep = np.isfinite(path).all(axis=(1, 2, 3)) & task.law.accept(task, path)
    if task.half_pane and frame < task.seen_steps:
        keep &= path[..., 0].max(axis=(1, 2)) + task.radius <= task.image_size / 2
    return keep


SPLITS = ("train", "valid", "test")
CHUNK = 100  # sequences rendered and written at a time; bounds the memory


class Videos(NamedTuple):
    """One split of a data file."""

    frames: Tensor  # uint8 (N, T, H, W, 3)
    positions: Tensor | None  # (N, T, K, 2) the simulator's, pixels, for evaluation only; None: the file has none
    actions: Tensor | None  # (N, T, A) what acts from each frame to the next; None: the law takes no actions


def data_path(config: Config, task: Task, length: int) -> Path:
    """Path of the file with sequences of ``length`` frames; the five tasks have the authors' names.

    The name seeds the content: another ``data_seed`` is another name and gives other videos.
    """
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


def example_videos(task: Task, n: int = 8) -> Videos:
    """New test videos, simulated in a second: by the rules of the long test file, but not among its videos."""
    rng = np.random.default_rng(zlib.crc32(b"examples"))
    scenes = simulate(task, n, task.test_length, rng, crossing=task.half_pane)
    frames = torch.from_numpy(np.concatenate([*_drawn(task, scenes.positions)])).unflatten(0, (n, -1))
    actions = None if scenes.actions is None else torch.from_numpy(scenes.actions).float()
    return Videos(frames, torch.from_numpy(scenes.positions.astype(np.float32)), actions)


def _write_array(file: zipfile.ZipFile, name: str, dtype: np.dtype, shape: tuple[int, ...], parts) -> None:
    """Stream an array into an open npz part by part: it never has to fit into memory."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for part in parts:
            member.write(np.ascontiguousarray(part).data)


def ensure_file(config: Config, task: Task, length: int) -> Path:
    """The path of the data file with ``length`` frames, simulated first if it may be and is not there.

    Raises:
        DataError: if the file is missing from a folder that the user named, or holds another number of sequences.
    """
    path = data_path(config, task, length)
    sizes = {"train": config.n_train, "valid": config.n_eval, "test": config.n_eval}
    if path.is_file():
        for split, held in _simulated_sizes(path).items():
            if held != sizes[split]:
                raise DataError(
                    f"{path} was simulated with {held} {split} sequences, {sizes[split]} are asked for: "
                    "delete it, ask for as many, or choose another data_dir; datapoints trains on the first ones only"
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
        DataError: if the file is missing or damaged, or the array has another shape or type.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if name not in file.files:
                raise DataError(f"{path} has no array {name!r}; it has {', '.join(file.files) or 'none'}")
            array = file[name]
    except FileNotFoundError:
        raise DataError(f"data file {path} does not exist") from None
    except _UNREADABLE as error:
        why = "it holds Python objects, which are never loaded" if "pickle" in str(error) else error
        raise DataError(f"{path} is damaged or not an npz file ({why})") from error
    wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
    fits = len(array.shape) == len(shape) and all(
        (n is None and m > 0) or n == m for n, m in zip(shape, array.shape, strict=False)
    )
    if not fits or array.dtype != dtype:
        raise DataError(f"{name} in {path} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {wanted}")
    return array


# What reading a damaged, encrypted or oddly compressed npz file raises.
_UNREADABLE = (OSError, ValueError, TypeError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def load_videos(config: Config, task: Task, split: str, length: int) -> Videos:
    """One split of the data file with sequences of ``length`` frames; ``datapoints`` limits the training split.

    Raises:
        DataError: see :func:`load_array`; also if the sequences are shorter than the model needs.
    """
    path = ensure_file(config, task, length)
    size = task.image_size
    frames = load_array(path, f"{split}_x", (None, None, size, size, 3), np.uint8)
    # A longer file must hold frames to extrapolate to.
    needed = task.seen_steps + (length > task.train_length)
    if frames.shape[1] < needed:
        raise DataError(f"{split}_x in {path} has {frames.shape[1]} frames per sequence, {config.task} needs {needed}")
    positions = actions = None
    with np.load(path, allow_pickle=False) as file:
        judged = f"{split}_pos" in file.files
    if judged:
        positions = load_array(path, f"{split}_pos", (len(frames), frames.shape[1], task.n_objects, 2), np.float32)
    if task.law.n_actions:
        shape = (len(frames), frames.shape[1], task.law.n_actions)
        actions = load_array(path, f"{split}_actions", shape, np.float32)
    for name, array in (("pos", positions), ("actions", actions)):
        if array is not None and not np.isfinite(array).all():
            raise DataError(f"{split}_{name} in {path} holds values that are not finite numbers")
    limit = config.datapoints if split == "train" and config.datapoints else None
    arrays = (None if array is None else torch.from_numpy(array[:limit]) for array in (frames, positions, actions))
    return Videos(*arrays)
