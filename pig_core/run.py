"""One run from options to results: what it needs, what it does, and what it leaves behind.

``python -m pig_core`` and ``notebooks/train.ipynb`` both are: ``Run.start``, ``train``, ``evaluate``, ``save``.
"""

import dataclasses
import fcntl
import itertools
import shlex
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

import torch
from torch import Tensor

from .build import build_model
from .checkpoint import load_model, load_session, save_model, save_session
from .config import AUTHORS_NAMES, AUTHORS_VALUES, Config, make_config, task_of
from .data import Videos, data_path, load_videos
from .evaluate import Evaluation, artifacts, evaluate_video, judge, losses_on
from .model import PAIG, to_video
from .stages import STAGES
from .system import (
    CHECKPOINT,
    METRICS,
    REPLAY,
    UNFINISHED,
    RunError,
    commit,
    from_command_line,
    keep_freed_memory,
    provenance,
    replacing,
    runs_folder,
    spare_busy_cores,
    write_json,
)
from .tasks import Task
from .training import Session, describe, train

LOG, CURVES, TEST_METRICS = "log.txt", "curves.json", "test_metrics.json"
LOSSES = ("recons_loss", "pred_loss", "extrap_loss")

# The folder that a run owns: named or numbered, never one that holds something else.


def choose_folder(config: Config) -> Path:
    """The folder of this run, checked: a named one must not hold a run yet, an unnamed one gets a free number.

    Raises:
        RunError: if ``save_dir`` holds a run and neither ``overwrite`` nor a checkpoint option allows that, or if
            there is nothing to resume.
    """
    default = runs_folder() / config.task / f"{config.recipe}-s{config.seed}"
    folder = Path(config.save_dir) if config.save_dir else default
    try:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"save_dir {folder} is a file, not a folder")
    except (OSError, ValueError) as error:  # a name that is too long, or with a NUL in it
        raise RunError(f"save_dir {str(folder)!r} cannot be used: {error}") from error
    if config.resume and not (folder / UNFINISHED).is_file():
        raise RunError(f"there is nothing to resume in {folder}: no training was interrupted there")
    if _may_hold_a_run(config) or not config.save_dir:  # for an unnamed one claim_folder finds a free number
        return folder
    held = [name for name in (METRICS, CHECKPOINT, UNFINISHED) if (folder / name).exists()]
    if held:
        hint = "go on with it by resume=True, " if UNFINISHED in held else ""
        raise RunError(f"{folder} already holds a run ({held[0]}): {hint}choose another save_dir or set overwrite=True")
    return folder


def _may_hold_a_run(config: Config) -> bool:
    return config.overwrite or config.resume or (config.use_ckpt and not config.ckpt_dir)


def claim_folder(config: Config, folder: Path) -> Path:
    """Make the folder; an unnamed run gets one that nobody had before, with a number behind its name if need be.

    Raises:
        RunError: if the folder cannot be made.
    """
    this_one = bool(config.save_dir) or _may_hold_a_run(config)
    for number in itertools.count(1):
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            free.mkdir(parents=True, exist_ok=this_one)
            return free
        except FileExistsError:
            if this_one:
                raise RunError(f"save_dir {folder} is a file or a broken link, not a folder") from None
        except OSError as error:
            raise RunError(f"cannot make the folder {free}: {error.strerror}") from error


_LOCKS: dict[Path, TextIO] = {}  # log files that this process holds


def lock(folder: Path) -> None:
    """Keep other processes out of a run's folder; the system ends the lock with this process, however that ends.

    Raises:
        RunError: if another process trains there.
    """
    path = folder.resolve() / LOG
    if path in _LOCKS:
        return
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RunError(f"another run is using {folder}: wait for its end, or choose another save_dir") from None
    _LOCKS[path] = file


def unlock(folder: Path) -> None:
    """Let other processes into a folder again."""
    if file := _LOCKS.pop(folder.resolve() / LOG, None):
        file.close()


# All files of a run but its log: none of them outlives the run that wrote it.
ALL_FILES = (
    *(CHECKPOINT, METRICS, UNFINISHED, REPLAY, CURVES, TEST_METRICS, "outputs.npz", "extra_outputs.npz"),
    *("templates.jpg", "example?.jpg", "rollout.gif"),
)
BACKGROUND_FRAMES = 300  # frames the background is estimated from


class Observer:
    """Base of what is told about a training while it goes on; add one to :attr:`Run.observers`."""

    def stepped(self, stage: str, step: int, steps: int, prepare: Callable[[], None]) -> None:
        """After step ``step`` of the ``steps`` of a stage; ``prepare`` makes the model fit to be looked at."""

    def paused(self, run: "Run", stage_ended: bool) -> None:
        """Before a checkpoint is written, at the end of an epoch or of a stage."""


@dataclass
class Run:
    """A run in progress. Make it with :meth:`start`."""

    config: Config
    task: Task
    folder: Path
    model: PAIG
    frames: Tensor  # training video, uint8 (N, L+P, H, W, 3), on the model's device
    actions: Tensor | None  # what acts from outside in it, (N, L+P, A), on the model's device
    held_out: dict[str, Videos]  # "valid" and "test"
    session: Session = field(default_factory=Session)  # how far training has come, with its curves
    observers: list[Observer] = field(default_factory=list)  # told about every step and every pause
    commit: str = "unknown"  # of the checkout when the run started
    metrics: dict[str, object] = field(default_factory=dict)
    evaluation: Evaluation | None = None

    @classmethod
    def start(cls, config: Config, task: Task | None = None) -> Self:
        """Check everything that can go wrong, claim the folder, load (or simulate) the data, build the model.

        Args:
            task: a task of your own, the one that ``config`` was made for; None: the catalogue's.
        Raises:
            ConfigError, RunError, DataError: before anything is written, with one sentence on what to change.
        """
        task = task_of(config, task)
        if config.test_mode and not config.use_ckpt:
            raise RunError("test_mode evaluates a checkpoint: set use_ckpt=True (and ckpt_dir, if it is elsewhere)")
        keep_freed_memory()
        spare_busy_cores()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False  # positions are measured to a hundredth of a pixel
        folder = choose_folder(config)
        source = _checkpoint_to_start_from(config, folder)
        lengths = {"valid": task.train_length, "test": task.test_length}
        held_out = {split: load_videos(config, task, split, length) for split, length in lengths.items()}
        training = load_videos(config, task, "train", task.train_length)
        frames = training.frames[:, : task.seen_steps].to(device)
        actions = None if training.actions is None else training.actions[:, : task.seen_steps].to(device)
        print(f"data: {len(frames)} training videos of {config.task}", flush=True)
        model = build_model(config, task, estimate_background(config, frames)).to(device)
        if source:
            load_model(source, model, config)
        folder = claim_folder(config, folder)
        lock(folder)
        run = cls(config, task, folder, model, frames, actions, held_out, commit=commit())
        if config.resume:
            try:
                run.session = load_session(folder / UNFINISHED, model, config, run._videos)
            except RunError:
                unlock(folder)
                raise
        run._log(f"{'resumed' if config.resume else 'started'} {config.task} {config.recipe} seed {config.seed}")
        run._log(f"command: {shlex.join(sys.argv)}")
        for name in ("datapoints", "batch_size") if config.epochs else ("datapoints",):
            if (asked := getattr(config, name)) > len(frames):
                run._say(f"{name} is {asked}, but there are {len(frames)} training videos: all of them are used")
        return run

    @property
    def _videos(self) -> str:
        """Name of the data file, which tells a task from its other forms, and a checksum of the training videos."""
        name = data_path(self.config, self.task, self.task.train_length).name
        return f"{name} {zlib.crc32(self.frames.cpu().contiguous().numpy()):08x}"

    def train(self, until: str | None = None) -> Session:
        """Train through the stages of the recipe (not at all in ``test_mode``); leaves a checkpoint behind.

        Args:
            until: the stage to stop after; the next call goes on. None: train to the end.
        Raises:
            RunError: if there is no such stage.
        """
        if until is not None and until not in STAGES:
            raise RunError(f"there is no stage {until!r}; stages are {', '.join(STAGES)}")
        if not self.config.test_mode:
            if not self.config.resume and not self.session.begun:
                self._remove_earlier_files()
                if self.config.epochs:
                    valid = self.held_out["valid"]
                    metrics = losses_on(self.model, self.config.color, valid.frames, valid.actions)
                    self._log_losses("valid", 0, metrics)
            self.session.on_step = self._stepped
            stages = list(STAGES)[: 1 + list(STAGES).index(until) if until else None]
            train(self.model, self.config, self.frames, self.actions, self.session, self._pause, stages)
            upto = f", up to and with the stage {until}" if until else ""
            self._log(f"trained on {len(self.frames)} sequences in {self.session.seconds:.1f} s{upto}")
            save_model(self.folder / CHECKPOINT, self.model, self.config)
        return self.session

    def _stepped(self, stage: str, step: int, steps: int, look: Callable[[], None]) -> None:
        points = [point for point in self.session.curves if point["stage"] == stage]
        if step % self.config.print_interval == 0 and points:
            first, last = points[0], points[-1]
            left = (steps - step) * (last["seconds"] - first["seconds"]) / max(1, last["step"] - first["step"])
            numbers = {name: value for name, value in last.items() if name not in ("stage", "step", "seconds")}
            self._log(f"train - iter={step} stage={stage} {_named(numbers)} seconds_left={left:.0f}")
        for observer in self.observers:
            observer.stepped(stage, step, steps, look)

    def _remove_earlier_files(self) -> None:
        """What an earlier run left here must not be taken for results of this one."""
        for pattern in ALL_FILES:
            for path in self.folder.glob(pattern):
                if path.name != CHECKPOINT or self.config.ckpt_dir or not self.config.use_ckpt:  # where it starts from
                    path.unlink(missing_ok=True)

    def evaluate(self) -> dict[str, object]:
        """Evaluate on the long test file and gather ``metrics.json``'s content."""
        config, task = self.config, self.task
        self.evaluation = evaluate_video(self.model, config.color, *self.held_out["test"])
        judged = judge(self.evaluation.metrics, self.model.physics.values(), task)
        self.metrics = {
            "task": config.task,
            "recipe": config.recipe,
            "seed": config.seed,
            **judged,
            "steps": {point["stage"]: point["step"] + 1 for point in self.session.curves},
            "train_seconds": self.session.seconds,
            **provenance(),
            "commit": self.commit,
            "train_sequences": len(self.frames),
            "config": dataclasses.asdict(config),
        }
        self._log_losses("test", config.epochs, self.evaluation.metrics)
        return self.metrics

    def save(self) -> Path:
        """Write everything a run leaves behind under the authors' names: the numbers first, then images and arrays.

        An image that cannot be written is reported and costs nothing else. In ``test_mode`` the numbers go to
        ``test_metrics.json``: those of the training stay as they are.
        """
        if self.evaluation is None:
            raise RunError("nothing to save yet: call evaluate() first")
        if self.config.test_mode:
            write_json(self.folder / TEST_METRICS, self.metrics)
        else:
            write_json(self.folder / CURVES, self.session.curves)
            write_json(self.folder / METRICS, self.metrics)
        for name, write in artifacts(self.model, self.evaluation).items():
            try:
                with replacing(self.folder / name) as path:
                    write(path)
            except (RunError, OSError, ValueError) as error:
                self._say(f"{name} was not written: {error}")
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        unlock(self.folder)
        return self.folder

    def _pause(self, session: Session, epoch: int | None) -> None:
        """At an epoch's end evaluate on the validation split, there and between stages save, where that is due."""
        config = self.config
        valid = self.held_out["valid"]
        if epoch and (epoch % config.eval_every_n_epochs == 0 or epoch == config.epochs):
            self._log_losses("valid", epoch, losses_on(self.model, config.color, valid.frames, valid.actions))
        if epoch is None or epoch % config.save_every_n_epochs == 0:
            for observer in self.observers:  # first: what they have more than the session is left out on resuming
                observer.paused(self, epoch is None)
            save_model(self.folder / CHECKPOINT, self.model, config)
            save_session(self.folder / UNFINISHED, self.model, config, session, self._videos)

    def _log_losses(self, split: str, epoch: int, metrics: dict[str, object]) -> None:
        losses = {f"eval_{name}": metrics[name] for name in LOSSES if name in metrics}
        self._log(f"{split} - epoch={epoch} {_named(losses | self.model.physics.values())}")

    def _say(self, line: str) -> None:
        print(line, flush=True)
        self._log(line)

    def _log(self, line: str) -> None:
        try:
            with (self.folder / LOG).open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} - {line}\n")
        except OSError as error:
            raise RunError(f"cannot write {self.folder / LOG}: {error.strerror}") from error


def _checkpoint_to_start_from(config: Config, folder: Path) -> Path | None:
    """The checkpoint that the options ask for, checked; None where they ask for none."""
    if not config.use_ckpt:
        return None
    if not config.test_mode and not config.epochs:
        raise RunError("training goes on from a checkpoint with the joint stage: set epochs, or test_mode=True")
    path = (Path(config.ckpt_dir) if config.ckpt_dir else folder) / CHECKPOINT
    if not path.is_file():
        raise RunError(f"there is no checkpoint {path}: set ckpt_dir to the folder of a finished run")
    return path


def estimate_background(config: Config, frames: Tensor) -> Tensor | None:
    """What the picture shows where nothing moves, (C, S, S) in [0, 1], from random training frames."""
    if config.background_init == "network":
        return None
    flat = frames.flatten(0, 1)
    index = torch.randperm(len(flat), generator=torch.Generator().manual_seed(config.seed))[:BACKGROUND_FRAMES]
    images = to_video(flat[index.to(flat.device)], config.color)
    return images.median(0).values if config.background_init == "median_frame" else images.mean(0)


def _named(numbers: dict[str, float]) -> str:
    """Numbers as the authors' log has them: name=value, in alphabetical order."""
    return " ".join(f"{name}={numbers[name]:.6g}" for name in sorted(numbers))


def main(arguments: list[str], observe: Callable[["Run"], object] = lambda run: None) -> None:
    """Train one run, evaluate it, save it: every option of :class:`pig_core.config.Config` is one here.

    Args:
        observe: called with the run before it trains, to add an observer.
    """
    text = f"{__doc__.splitlines()[0]} Defaults are those of the recipe improved (RECIPES in pig_core/config.py)."
    given = from_command_line(Config, arguments, "pig train", text, AUTHORS_NAMES)
    theirs = {*AUTHORS_NAMES, *AUTHORS_VALUES, "autoencoder_loss", "base_lr", "epochs"} & given.keys()
    if theirs and "recipe" not in given:
        print("recipe: improved; --recipe paper gives the authors' networks and training", file=sys.stderr)
    run = Run.start(make_config(**given))
    observe(run)
    run.train()
    metrics = run.evaluate()
    losses = {name: metrics[name] for name in LOSSES if name in metrics}
    print(describe({**losses, **metrics["learned"]}))
    print(f"results: {run.save()}")
