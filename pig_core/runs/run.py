"""One run from options to results: the folder it owns, what it did, and where it came from.

``python -m pig_core`` and ``notebooks/train.ipynb`` both are: ``Run.start``, ``train``, ``evaluate``, ``save``.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..common.errors import RunError
from ..common.files import project_root, write_json
from ..common.machine import keep_freed_memory
from ..common.provenance import commit, provenance
from ..config import Config
from ..data.videos import load_frames, to_video
from ..evaluation.evaluate import Evaluation, evaluate, judge, losses_on
from ..model import PAIG
from ..stages import training_frames
from ..tasks import TASKS
from ..training import Session, describe, train
from . import artifacts
from .build import build_model
from .checkpoint import CHECKPOINT, UNFINISHED, load_model, load_session, save_model, save_session

METRICS = "metrics.json"
BACKGROUND_FRAMES = 300  # frames the background is estimated from


@dataclass
class Run:
    """A run in progress. Make it with :meth:`start`."""

    config: Config
    folder: Path
    model: PAIG
    frames: Tensor  # training video, uint8 (N, L+P, H, W, 3), on the model's device
    session: Session = field(default_factory=Session)  # how far training has come, with its curves
    commit: str = "unknown"  # of the checkout when the run started
    metrics: dict[str, object] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    _valid: Tensor | None = None  # validation video, once it was needed

    @classmethod
    def start(cls, config: Config) -> Run:
        """Check everything that can go wrong, claim the folder, load (or simulate) the data, build the model.

        Raises:
            RunError, DataError: before anything is written, with one sentence on what to change.
        """
        keep_freed_memory()
        device = choose_device(config.device)
        torch.manual_seed(config.seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False  # positions are measured to a hundredth of a pixel
        folder = choose_folder(config)
        if config.test_mode and not config.use_ckpt:
            raise RunError("test_mode evaluates a checkpoint: set use_ckpt=True (and ckpt_dir, if it is elsewhere)")
        if config.use_ckpt and not config.test_mode and not config.epochs:
            raise RunError("training goes on from a checkpoint with the joint stage: set epochs, or test_mode=True")
        source = Path(config.ckpt_dir) if config.ckpt_dir else folder
        if config.use_ckpt and not (source / CHECKPOINT).is_file():
            raise RunError(
                f"there is no checkpoint {source / CHECKPOINT}: set ckpt_dir to the folder of a finished run"
            )
        task = TASKS[config.task]
        for split, length in (("valid", task.train_length), ("test", task.test_length)):
            load_frames(config, split, length)  # a damaged file is better found now than after the training
        frames = training_frames(config, load_frames(config, "train", task.train_length)).to(device)
        print(f"data: {len(frames)} training videos of {config.task}", flush=True)
        model = build_model(config, estimate_background(config, frames)).to(device)
        if config.use_ckpt:
            load_model(source / CHECKPOINT, model, config)
        run = cls(config, claim_folder(config, folder), model, frames, commit=commit())
        if config.resume:
            run.session = load_session(folder / UNFINISHED, model, config)
        run._log(f"{'resumed' if config.resume else 'started'} {config.task} {config.recipe} seed {config.seed}")
        return run

    def train(self) -> Session:
        """Train through the stages of the recipe (not at all in ``test_mode``); leaves a checkpoint behind."""
        if not self.config.test_mode:
            if not self.config.resume:  # what an earlier run left must not be taken for results of this one
                for name in (METRICS, UNFINISHED):
                    (self.folder / name).unlink(missing_ok=True)
            train(self.model, self.config, self.frames, self.session, self._after_epoch, self._save_session)
            self._log(f"trained on {len(self.frames)} sequences in {self.session.seconds:.1f} s")
            save_model(self.folder / CHECKPOINT, self.model, self.config)
        return self.session

    def evaluate(self) -> dict[str, object]:
        """Evaluate on the long test file and gather ``metrics.json``'s content."""
        self.evaluation = evaluate(self.model, self.config)
        judged = judge(self.evaluation.metrics, self.model.physics.values(), self.config)
        self.metrics = {
            "task": self.config.task,
            "recipe": self.config.recipe,
            "seed": self.config.seed,
            **judged,
            "steps": {name: n for name, n in self._steps().items() if n},
            "train_seconds": self.session.seconds,
            **provenance(next(self.model.parameters()).device),
            "commit": self.commit,
            "train_sequences": len(self.frames),
            "config": dataclasses.asdict(self.config),
        }
        self._log_losses("test", self.evaluation.metrics)
        return self.metrics

    def save(self) -> Path:
        """Write everything a run leaves behind (paper-spec, section 6); ``metrics.json`` last: it marks the end.

        In ``test_mode`` the numbers go to ``test_metrics.json``: those of the training stay as they are.
        """
        if self.evaluation is None:
            raise RunError("nothing to save yet: call evaluate() first")
        artifacts.write_all(self.folder, self.model, self.evaluation)
        if self.config.test_mode:
            write_json(self.folder / "test_metrics.json", self.metrics)
            return self.folder
        write_json(self.folder / "curves.json", self.session.curves)
        write_json(self.folder / METRICS, self.metrics)
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        return self.folder

    def _steps(self) -> dict[str, int]:
        return {point["stage"]: point["step"] + 1 for point in self.session.curves}

    def _after_epoch(self, epoch: int) -> None:
        """The joint stage's evaluations on the validation split."""
        if epoch % self.config.eval_every_n_epochs == 0 or epoch == self.config.epochs:
            if self._valid is None:
                self._valid = load_frames(self.config, "valid", TASKS[self.config.task].train_length)
            self._log_losses(f"epoch {epoch}", losses_on(self.model, self.config, self._valid))

    def _save_session(self, session: Session) -> None:
        save_model(self.folder / CHECKPOINT, self.model, self.config)
        save_session(self.folder / UNFINISHED, self.model, self.config, session)

    def _log_losses(self, when: str, metrics: dict[str, object]) -> None:
        names = ("recons_loss", "pred_loss", "extrap_loss")
        losses = "  ".join(f"eval_{name}: {metrics[name]:.4f}" for name in names if name in metrics)
        self._log(f"{when}  {losses}  {describe(self.model.physics.values())}")

    def _log(self, line: str) -> None:
        try:
            with (self.folder / "log.txt").open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")
        except OSError as error:
            raise RunError(f"cannot write {self.folder / 'log.txt'}: {error.strerror}") from error


def choose_device(name: str) -> torch.device:
    """The device to run on; "auto" is a CUDA GPU if there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RunError("device is cuda, but PyTorch finds no GPU here: set device to auto or cpu")
    return torch.device(name)


def choose_folder(config: Config) -> Path:
    """The folder of this run, checked: a named one must not hold a run yet, an unnamed one gets a free number.

    Raises:
        RunError: if ``save_dir`` holds a run and neither ``overwrite`` nor a checkpoint option allows that, or if
            there is nothing to resume.
    """
    default = project_root() / "reports" / "runs" / config.task / f"{config.recipe}-s{config.seed}"
    folder = Path(config.save_dir) if config.save_dir else default
    try:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"save_dir {folder} is a file, not a folder")
    except OSError as error:
        raise RunError(f"save_dir {folder} cannot be used: {error.strerror}") from error
    if config.resume:
        if not (folder / UNFINISHED).is_file():
            raise RunError(f"there is nothing to resume in {folder}: no training was interrupted there")
        return folder
    if config.overwrite or (config.use_ckpt and not config.ckpt_dir):
        return folder
    if not config.save_dir:
        return folder  # claim_folder finds a free number
    held = [name for name in (METRICS, CHECKPOINT, UNFINISHED) if (folder / name).exists()]
    if held:
        hint = "go on with it by resume=True, " if UNFINISHED in held else ""
        raise RunError(f"{folder} already holds a run ({held[0]}): {hint}choose another save_dir or set overwrite=True")
    return folder


def claim_folder(config: Config, folder: Path) -> Path:
    """Make the folder; an unnamed run gets one that nobody had before, with a number behind its name if need be.

    Raises:
        RunError: if the folder cannot be made.
    """
    names_it = config.save_dir or config.overwrite or config.resume or (config.use_ckpt and not config.ckpt_dir)
    for number in itertools.count(1):
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            free.mkdir(parents=True, exist_ok=bool(names_it))
            return free
        except FileExistsError:
            if names_it:
                raise RunError(f"save_dir {folder} is a file, not a folder") from None
        except OSError as error:
            raise RunError(f"cannot make the folder {free}: {error.strerror}") from error


def estimate_background(config: Config, frames: Tensor) -> Tensor | None:
    """What the picture shows where nothing moves, (C, S, S) in [0, 1], from random training frames."""
    if config.background_init == "network":
        return None
    flat = frames.flatten(0, 1)
    index = torch.randperm(len(flat), generator=torch.Generator().manual_seed(config.seed))[:BACKGROUND_FRAMES]
    images = to_video(flat[index.to(flat.device)], config.color)
    return images.median(0).values if config.background_init == "median_frame" else images.mean(0)
