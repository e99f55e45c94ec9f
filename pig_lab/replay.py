"""Moments of a training as small images: masks, drawings, predictions and templates."""

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pig_core.evaluate import template_sheet, to_picture
from pig_core.model import to_video
from pig_core.run import Observer, Run
from pig_core.system import REPLAY, RunError, replacing
from pig_core.training import Session

PICTURES = ("masks", "drawn", "predicted", "templates")
LARGEST = 48  # pixels; larger images are stored at half their size


@dataclass(frozen=True)
class Moment:
    """One moment of a training; images are uint8."""

    stage: str  # "start": before the first step
    step: int  # steps of the stage that were done
    steps: int  # those that it has
    constants: dict[str, float]
    masks: np.ndarray  # (K, S, S) of the first frame
    drawn: np.ndarray  # (S, S, 3) the first frame, reconstructed
    predicted: np.ndarray  # (S, S, 3) the last frame, predicted from the first L
    templates: np.ndarray  # (2 h, K h, 3) contents above, masks below


@dataclass
class Replay:
    """Moments of a training, in their order."""

    first: np.ndarray  # (S, S, 3) the first frame of a training video
    last: np.ndarray  # (S, S, 3) its last frame
    about: dict[str, object]  # task, recipe, seed and commit of the run
    moments: list[Moment] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write all moments into one npz file; of equal images in a row only the first is written."""
        names = list(self.moments[0].constants) if self.moments else []
        arrays = {
            "first": self.first, "last": self.last, "about": np.array(json.dumps(self.about)),
            "names": np.array(names, dtype=np.str_),
            "stage": np.array([m.stage for m in self.moments], dtype=np.str_),
            "step": np.array([(m.step, m.steps) for m in self.moments], dtype=np.int32).reshape(-1, 2),
            "constants": np.array([[*m.constants.values()] for m in self.moments], dtype=np.float32),
        }  # fmt: skip
        for name in PICTURES:
            kept, arrays[f"{name}_at"] = self.distinct([getattr(m, name) for m in self.moments])
            arrays[name] = np.array(kept, dtype=np.uint8)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)

    @staticmethod
    def distinct(pictures: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        """Images without repetitions in a row, and the index of the image at each moment."""
        kept: list[np.ndarray] = []
        at = []
        for picture in pictures:
            if not kept or not np.array_equal(picture, kept[-1]):
                kept.append(picture)
            at.append(len(kept) - 1)
        return kept, np.array(at, dtype=np.int32)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote; nothing in the file is executed.

        Raises:
            RunError: if there is no such file, or it is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            pictures = [[arrays[name][i] for i in arrays[f"{name}_at"]] for name in PICTURES]
            names, moments = arrays["names"].tolist(), []
            for stage, (step, steps), values, *shown in zip(
                arrays["stage"].tolist(), arrays["step"].tolist(), arrays["constants"].tolist(), *pictures, strict=True
            ):
                moments.append(Moment(stage, step, steps, dict(zip(names, values, strict=True)), *shown))
            return cls(arrays["first"], arrays["last"], json.loads(arrays["about"].item()), moments)
        except FileNotFoundError:
            raise RunError(f"there is no replay {path}: a run that is watched (as in train.ipynb) makes it") from None
        except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            why = "it is no npz file" if "pickle" in str(error) else error  # not NumPy's advice to load it unsafely
            raise RunError(f"{path} is damaged or not the replay of a training ({why})") from error


@cache  # asked after every step
def moments_of(steps: int, count: int) -> frozenset[int]:
    """At most ``count`` steps of 1..``steps``, with the last one; denser at the beginning, where most changes are."""
    return frozenset(np.geomspace(steps, 1, count).round().astype(int).tolist())


def _small(image: Tensor) -> np.ndarray:
    """An image (C, H, W) in [0, 1] as it is stored: uint8 (., ., 3)."""
    return to_picture(avg_pool2d(image, 2) if image.shape[-2] > LARGEST else image)


class Watcher(Observer):
    """Observes a training and records moments of it; see :func:`watch`.

    Args:
        run: the run; its first training video is the one that is shown.
        count: moments of each stage.

    ``show`` may be set to what is called with the replay after each moment that was kept.
    """

    def __init__(self, run: Run, count: int):
        config = run.config
        self.model, self.count = run.model, count
        self.show: Callable[[Replay], None] = lambda replay: None
        self.video = to_video(run.frames[:1], config.color)
        self.actions = None if run.actions is None else run.actions[:1]
        about = {"task": config.task, "recipe": config.recipe, "seed": config.seed, "commit": run.commit}
        self.replay = Replay(_small(self.video[0, 0]), _small(self.video[0, -1]), about)

    def stepped(self, stage: str, step: int, steps: int, prepare: Callable[[], None]) -> None:
        if step in moments_of(steps, self.count):
            prepare()
            self.keep(stage, step, steps)

    def paused(self, run: Run, stage_ended: bool) -> None:
        """Write the replay; once a stage is complete its last moment is taken again."""
        if stage_ended and run.session.finished:
            self.renew(run.session.finished[-1])
        self.replay.save(run.folder / REPLAY)

    @torch.no_grad()
    def keep(self, stage: str, step: int, steps: int) -> None:
        """Add the model as it is now."""
        model, ahead = self.model, self.video.shape[1] - self.model.input_steps
        positions, masks = model.encode(self.video[:, : model.input_steps])
        rollout, _ = model.predict(positions, ahead, self.actions)
        drawn, predicted = model.decode(positions)[0, 0], model.decode(rollout)[0, -1]
        sheet = template_sheet(model)
        sheet = sheet[..., : -(sheet.shape[-2] // 2)]  # without the background
        pictures = [np.stack([_small(mask)[..., 0] for mask in masks[0, 0].unsqueeze(1)])]
        pictures += map(_small, (drawn, predicted, sheet))
        self.replay.moments.append(Moment(stage, step, steps, model.physics.values(), *pictures))
        self.show(self.replay)

    def renew(self, stage: str) -> None:
        """Look again once a stage is complete: what is done after its last step belongs to it, too."""
        if self.replay.moments and (last := self.replay.moments[-1]).stage == stage:
            self.replay.moments.pop()
            self.keep(stage, last.step, last.steps)

    def go_on(self, path: Path, session: Session) -> None:
        """Take over what an interrupted training had kept, as far as it is part of the session."""
        try:
            kept = Replay.load(path).moments
        except RunError:
            return  # pictures are not worth stopping a training for: they go on from here
        done = {"start": 0} | dict.fromkeys(session.finished, np.inf)
        current = session.step if session.step else -1
        self.replay.moments = [m for m in kept if m.step <= done.get(m.stage, current)]


def watch(run: Run, count: int = 12) -> Watcher:
    """Keep up to ``count`` moments of each stage of a run as small images, in the run's folder, too.

    Call it before :meth:`pig_core.run.Run.train`. A resumed run goes on with the moments that it had. Nothing is kept
    of a model without objects, and of a test.
    """
    watcher = Watcher(run, count)
    if run.config.cell_type == "video_lstm" or run.config.test_mode:
        return watcher
    if run.config.resume:
        watcher.go_on(run.folder / REPLAY, run.session)
    else:
        watcher.keep("start", 0, 0)
    run.observers.append(watcher)
    return watcher
