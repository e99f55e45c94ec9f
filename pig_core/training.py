"""The training loop: one for all stages and both recipes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from .common.errors import RunError
from .common.progress import Progress
from .config import Config
from .model import PAIG
from .optim import OPTIMIZERS, pack_optimizer, unpack_optimizer
from .stages import STAGES, Stage

MAX_NON_FINITE = 20  # steps in a row without a finite gradient, after which a run is given up
RECORD_EVERY = 5  # steps between two points of the loss curves

Curves = list[dict[str, object]]


@dataclass
class Session:
    """How far a training has come: what has to survive an interruption besides weights and optimiser."""

    stage: int = 0  # index into STAGES
    step: int = 0  # steps of that stage that are done
    seconds: float = 0.0
    curves: Curves = field(default_factory=list)
    # What the optimiser remembers after ``step``; None at a stage's start and wherever it is not known.
    optimizer: dict[str, Tensor] | None = None


def train(
    model: PAIG,
    config: Config,
    frames: Tensor,
    session: Session | None = None,
    on_epoch: Callable[[int], None] = lambda epoch: None,
    on_save: Callable[[Session], None] = lambda session: None,
) -> Session:
    """Train ``model`` in place through all stages of its recipe, or through the rest of an interrupted training.

    Args:
        frames: training video, uint8 (N, L+P, H, W, 3) on the model's device.
        session: where to go on; None: at the beginning.
        on_epoch: called with the number of epochs done after each epoch of the joint stage.
        on_save: called after each stage and every ``save_every_n_epochs`` epochs with all that is needed to go on.
    Returns:
        the session at its end; its curves hold losses and physical parameters of every few steps.
    Raises:
        RunError: if the gradients stay non-finite.
    """
    session = session or Session()
    if session.optimizer is None:  # interrupted between two saves: a stage is only resumed with its optimiser
        session.step = 0
    clock = time.perf_counter() - session.seconds
    for index, (name, make_stage) in enumerate(STAGES.items()):
        if index < session.stage or not _wanted(name, config):
            continue
        if index > session.stage:
            session.stage, session.step, session.optimizer = index, 0, None
        # Preparing a stage counts, too: "dynamics" first encodes the videos.
        run_stage(model, config, make_stage(model, config, frames), session, clock, on_epoch, on_save)
        session.stage, session.step, session.optimizer = index + 1, 0, None
        session.seconds = time.perf_counter() - clock
        on_save(session)
    return session


def _wanted(name: str, config: Config) -> bool:
    """Whether a stage has steps to take. A training that goes on from a checkpoint has seen all but the last."""
    if name == "joint":
        return config.epochs > 0
    return getattr(config, f"{name}_steps") > 0 and not config.use_ckpt


def run_stage(
    model: PAIG,
    config: Config,
    stage: Stage,
    session: Session,
    clock: float,
    on_epoch: Callable[[int], None] = lambda epoch: None,
    on_save: Callable[[Session], None] = lambda session: None,
) -> None:
    """Take the steps of one stage from ``session.step`` on and add its points to the session's curves.

    Args:
        clock: ``time.perf_counter()`` at which the session's seconds were 0.
    """
    optimizer = OPTIMIZERS[config.optimizer](stage.groups, lr=config.base_lr)
    if session.optimizer is not None:
        unpack_optimizer(optimizer, session.optimizer)
    base_lrs = [group["lr"] for group in stage.groups]
    parameters = [p for group in stage.groups for p in group["params"]]
    points = Points(stage, session.curves)
    with Progress(stage.name, stage.steps, config.print_interval, session.step) as progress:
        for step in range(session.step, stage.steps):
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr * stage.schedule(step)
            optimizer.zero_grad(set_to_none=True)
            losses = stage.losses(step)
            losses["loss"].backward()
            finite = _clip(parameters, config)
            if config.debug and not finite:
                raise RunError(_non_finite(model, stage, step))
            points.count(finite)
            optimizer.step()
            session.step, session.seconds = step + 1, time.perf_counter() - clock
            due = progress.due()
            epoch, rest = divmod(session.step, stage.steps_per_epoch or stage.steps + 1)
            if due or step % RECORD_EVERY == 0 or step == stage.steps - 1:
                points.add(step, session.seconds, {**losses, **model.physics.tensors()})
            if (due or not rest) and (streak := points.read()) > MAX_NON_FINITE:
                raise RunError(
                    f"{streak} steps in a row had no finite gradient in stage {stage.name}, before step {step + 1}: "
                    "try a lower learning rate, or debug=True to see where it arises"
                )
            progress.advance(describe(session.curves[-1]) if due and session.curves else "")
            if not rest:
                on_epoch(epoch)
                if epoch % config.save_every_n_epochs == 0:
                    session.optimizer = pack_optimizer(optimizer)
                    on_save(session)
                    session.optimizer = None  # from the next step on it is out of date
    stage.finish()


class Points:
    """Points of the curves that stay on the device until they are read: whoever reads a number waits for it.

    Args:
        curves: where they go when they are read.
    """

    def __init__(self, stage: Stage, curves: Curves):
        self.stage, self.curves = stage, curves
        self.streak = self.longest = torch.zeros(())  # steps in a row without a finite gradient: up to now, at most
        self.waiting: list[tuple[dict[str, object], Tensor]] = []  # about a point, and its numbers
        self.names: list[str] = []

    def count(self, finite: Tensor) -> None:
        """Count a step, whether or not its gradient was finite."""
        self.streak = torch.where(finite, 0.0, self.streak.to(finite.device) + 1)
        self.longest = torch.maximum(self.streak, self.longest.to(finite.device))

    def add(self, step: int, seconds: float, numbers: dict[str, Tensor]) -> None:
        """Keep the numbers of the step that was counted last; without a finite gradient they will be dropped."""
        self.names = list(numbers)
        values = torch.stack([self.streak, *(number.detach() for number in numbers.values())])
        self.waiting.append(({"stage": self.stage.name, "step": step, "seconds": seconds}, values))

    def read(self) -> int:
        """Move all points to the curves in one transfer; returns the longest row of steps without a finite gradient."""
        if self.waiting:
            about, values = zip(*self.waiting, strict=True)
            for point, (streak, *numbers) in zip(about, torch.stack(values).tolist(), strict=True):
                if not streak:
                    self.curves.append(point | dict(zip(self.names, numbers, strict=True)))
        self.waiting.clear()
        return int(self.longest)


def describe(point: dict[str, object]) -> str:
    """One point of the curves in words, e.g. ``loss 0.12  k 3.99  l 6.00``."""
    numbers = {k: v for k, v in point.items() if k not in ("stage", "step", "seconds")}
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def _clip(parameters: list[Tensor], config: Config) -> Tensor:
    """Limit the gradients as the options say. Returns whether they were finite, on the device: nobody waits for it.

    If they were not, all become 0: the optimiser's step then only follows what it remembers of earlier ones.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    finite = torch.isfinite(get_total_norm(grads))
    broken = ~finite
    for grad in grads:  # a non-finite gradient must never reach the weights
        grad.masked_fill_(broken, 0.0)
    if config.clip_value:
        clip_grad_value_(parameters, config.clip_value)
    if config.clip_norm:
        clip_grad_norm_(parameters, config.clip_norm)
    return finite


def _non_finite(model: PAIG, stage: Stage, step: int) -> str:
    """Where the gradient of a step arises that is not finite, in a sentence; computes it once more."""
    model.zero_grad()
    stage.losses(step)["loss"].backward()
    names = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    return (
        f"the gradient is not finite in stage {stage.name}, step {step} ({', '.join(names[:5]) or 'in the sum'}); "
        "try a lower learning rate"
    )
