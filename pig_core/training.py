"""The training loop: one for all stages and both recipes."""

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm
from torch.optim import SGD, Adam, Optimizer

from .config import Config
from .model import PAIG
from .stages import STAGES, Stage
from .system import Progress, RunError

# Optimisers by name, and the one of TensorFlow 1 that PyTorch lacks.


class TensorFlowRMSProp(Optimizer):
    """RMSProp as in TensorFlow 1: the accumulator starts at ONE and epsilon is inside the root.

    The first hundred steps are therefore small. ``torch.optim.RMSprop`` starts at zero and adds epsilon outside.
    """

    def __init__(self, params, lr: float, decay: float = 0.9, eps: float = 1e-10):
        super().__init__(params, {"lr": lr, "decay": decay, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if not self.state[p]:
                    self.state[p]["mean_square"] = torch.ones_like(p)
            squares = [self.state[p]["mean_square"] for p in params]
            grads = [p.grad for p in params]
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, grads, grads, 1 - group["decay"])
            roots = torch._foreach_sqrt(torch._foreach_add(squares, group["eps"]))
            torch._foreach_addcdiv_(params, grads, roots, -group["lr"])


# Name (the authors' option ``optimizer``) -> constructor taking parameter groups and a learning rate.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": lambda groups, lr: Adam(groups, lr, betas=(0.9, 0.99)),
    "rmsprop": TensorFlowRMSProp,
    "momentum": lambda groups, lr: SGD(groups, lr, momentum=0.9),
    "sgd": SGD,
}


# How far a training has come: its curves, its progress, and steps whose gradient was not finite.
#
# Numbers of a step stay on the device until they are read: whoever reads a number waits for it.

MAX_NON_FINITE = 20  # consecutive steps without a finite gradient, after which a run is given up
RECORD_EVERY = 5  # steps between two points of the loss curves

Curves = list[dict[str, object]]
# Called after every step: the stage, its steps done and in all, and what makes the model fit to be looked at just now.
OnStep = Callable[[str, int, int, Callable[[], None]], None]


@dataclass
class Session:
    """What has to survive an interruption of a training besides the weights."""

    finished: list[str] = field(default_factory=list)  # names of the stages that are done
    step: int = 0  # steps of the next stage that are done
    seconds: float = 0.0
    curves: Curves = field(default_factory=list)
    # What the optimiser remembers after ``step``, as in its state_dict; None where it is not known.
    optimizer: dict[int, dict[str, Tensor]] | None = None
    # What does not survive the process: the observers of a run, and the stage in progress with its optimiser, with
    # which a training that was stopped in a notebook continues.
    on_step: OnStep = lambda *about: None
    live: "tuple[Stage, Optimizer] | None" = None

    @property
    def begun(self) -> bool:
        """Whether a step of the training was taken."""
        return bool(self.finished or self.step)

    @contextmanager
    def clocked(self) -> Iterator[None]:
        """Count the time that is spent inside."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


class Diverged(RunError):
    """The gradients of a training stay non-finite."""


class Recorder:
    """Records the steps of one stage into a session; use as a context manager, call it after every step.

    Args:
        name: of the stage.
        steps: how many it has.
        interval: steps between progress lines where nobody watches.
        steps_per_epoch: 0: the stage does not count in epochs.
        look: makes the model fit to be looked at between two steps.
    """

    def __init__(
        self, name: str, steps: int, session: Session, interval: int, steps_per_epoch: int, look: Callable[[], None]
    ):
        self.name, self.steps, self.session, self.look = name, steps, session, look
        self.per_epoch = steps_per_epoch or steps + 1
        self.progress = Progress(name, steps, interval, session.step)
        self.clock = time.perf_counter() - session.seconds
        self.streak = self.longest = torch.zeros(())  # consecutive steps without a finite gradient: up to now, at most
        self.waiting: list[tuple[dict[str, object], Tensor]] = []  # about a point, and its numbers
        self.names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.__exit__(*error)

    def __call__(self, finite: Tensor, numbers: dict[str, Tensor]) -> int | None:
        """Count a step; returns the number of epochs done if it ends one.

        Args:
            finite: whether its gradient was; without one its numbers will be dropped.
            numbers: losses and constants.
        Raises:
            Diverged: after too many consecutive steps without a finite gradient, when their number is next read.
        """
        session = self.session
        session.step, session.seconds = session.step + 1, time.perf_counter() - self.clock
        self.streak = torch.where(finite, 0.0, self.streak.to(finite.device) + 1)
        self.longest = torch.maximum(self.streak, self.longest.to(finite.device))
        due = self.progress.due()
        epoch, rest = divmod(session.step, self.per_epoch)
        if due or (session.step - 1) % RECORD_EVERY == 0 or session.step == self.steps:
            self.names = list(numbers)
            values = torch.stack([self.streak, *(number.detach() for number in numbers.values())])
            about = {"stage": self.name, "step": session.step - 1, "seconds": session.seconds}
            self.waiting.append((about, values))
        if due or not rest:
            self._read()
        self.progress.advance(describe(session.curves[-1]) if due and session.curves else "")
        started = time.perf_counter()
        session.on_step(self.name, session.step, self.steps, self.look)
        self.clock += time.perf_counter() - started  # looking on does not count as training
        return None if rest else epoch

    def _read(self) -> None:
        """Move all points to the curves in one transfer."""
        if self.waiting:
            about, values = zip(*self.waiting, strict=True)
            for point, (streak, *numbers) in zip(about, torch.stack(values).tolist(), strict=True):
                if not streak:
                    self.session.curves.append(point | dict(zip(self.names, numbers, strict=True)))
        self.waiting.clear()
        if (streak := int(self.longest)) > min(MAX_NON_FINITE, self.steps - 1):
            raise Diverged(f"{streak} steps in a row had no finite gradient in stage {self.name}")


def describe(point: dict[str, object]) -> str:
    """One point of the curves in words, e.g. ``loss 0.12  k 3.99  l 6.00``."""
    numbers = {k: v for k, v in point.items() if k not in ("stage", "step", "seconds")}
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


# Called where a training may be watched or saved: with the session, and the epochs done or, at a stage's end, None.
OnPause = Callable[[Session, int | None], None]


def train(
    model: PAIG,
    config: Config,
    frames: Tensor,
    actions: Tensor | None = None,
    session: Session | None = None,
    on_pause: OnPause = lambda session, epoch: None,
    stages: Collection[str] = tuple(STAGES),
) -> Session:
    """Train ``model`` in place through all stages of its recipe, or through the rest of an interrupted training.

    Args:
        frames: training video, uint8 (N, L+P, H, W, 3) on the model's device.
        actions: what acts from outside from each frame to the next, (N, L+P, A); None: nothing.
        session: where to go on; None: at the beginning.
        stages: names of those to go through, in their own order; what is finished is not repeated.
    Returns:
        the session at its end; its curves hold losses and constants of every few steps.
    Raises:
        Diverged: if the gradients stay non-finite.
    """
    session = session or Session()
    for name, make_stage in STAGES.items():
        if name in session.finished or name not in stages or not wanted(name, config):
            continue
        with session.clocked():  # preparing a stage counts, too: "dynamics" first encodes the videos
            stage = session.live[0] if session.live else make_stage(model, config, frames, actions)
        run_stage(model, config, stage, session, on_pause)
        session.finished.append(name)
        session.step, session.optimizer = 0, None
        on_pause(session, None)
    return session


def wanted(name: str, config: Config) -> bool:
    """Whether a stage has steps to take. A training that goes on from a checkpoint has seen all but the last."""
    return config.epochs > 0 if name == "joint" else getattr(config, f"{name}_steps") > 0 and not config.use_ckpt


def run_stage(
    model: PAIG, config: Config, stage: Stage, session: Session, on_pause: OnPause = lambda session, epoch: None
) -> None:
    """Take the steps of one stage from ``session.step`` on and add their points to the session's curves."""
    if session.live is None:
        optimizer = OPTIMIZERS[config.optimizer](stage.groups, lr=config.base_lr)
        if session.optimizer is not None:
            optimizer.load_state_dict({**optimizer.state_dict(), "state": session.optimizer})
        session.live = stage, optimizer
    optimizer = session.live[1]
    rates = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
    parameters = [p for group in stage.groups for p in group["params"]]
    with Recorder(stage.name, stage.steps, session, config.print_interval, stage.steps_per_epoch, stage.look) as record:
        for step in range(session.step, stage.steps):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * stage.schedule(step)
            optimizer.zero_grad(set_to_none=True)
            losses = stage.losses(step)
            losses["loss"].backward()
            finite = _clip(parameters, config)
            optimizer.step()
            try:
                epoch = record(finite, {**losses, **model.physics.tensors()})
            except Diverged as error:
                names = ", ".join(_non_finite(model, stage, step)[:5])
                advice = _blamed_start(model, stage, step) or "try a lower learning rate"
                raise Diverged(f"{error}, the last in step {step + 1} ({names}): {advice}") from None
            if epoch is not None:
                session.optimizer = optimizer.state_dict()["state"]
                on_pause(session, epoch)
                session.optimizer = None  # from the next step on it is out of date
    with session.clocked():
        stage.finish()
    session.live = None


def _clip(parameters: list[Tensor], config: Config) -> Tensor:
    """Limit the gradients as the options say. Returns whether they were finite, on the device: nobody waits for it.

    If they were not, all become 0: the optimiser's step then only follows what it remembers of earlier ones.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    finite = torch.isfinite(get_total_norm(grads))
    for grad in grads:  # a non-finite gradient must never reach the weights
        grad.masked_fill_(~finite, 0.0)
    if config.clip_value:
        clip_grad_value_(parameters, config.clip_value)
    if config.clip_norm:
        clip_grad_norm_(parameters, config.clip_norm)
    return finite


def _non_finite(model: PAIG, stage: Stage, step: int) -> list[str]:
    """The parameters whose gradients are not finite in a step; computes the step once more."""
    model.zero_grad()
    stage.losses(step)["loss"].backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    names = [name for name, grad in grads.items() if not torch.isfinite(grad).all()]
    return names or ([] if torch.isfinite(get_total_norm(list(grads.values()))) else ["in the sum"])


@torch.no_grad()
def _blamed_start(model: PAIG, stage: Stage, step: int) -> str:
    """The constant that never left its start and with a hundredth of it has a finite gradient; empty if none has."""
    for name, constant in model.physics.constants.items():
        learned, less = model.physics.learned(name), constant.start / 100
        before = learned.clone()
        if not constant.start or not math.isclose(model.physics.value(name).item(), constant.start, rel_tol=1e-4):
            continue
        learned.fill_(math.log(less) if constant.positive else less)
        with torch.enable_grad():
            finite = not _non_finite(model, stage, step)
        learned.copy_(before)
        if finite:
            return (
                f"{name} = {constant.start:g}, where learning starts, is the cause, with {less:g} the gradient is "
                f"finite: state a start in the law, Constant(start={less:g})"
            )
    return ""
