"""The training loop: one for all stages and both recipes."""

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from .common.errors import RunError
from .common.recorder import Recorder, Session
from .config import Config
from .model import PAIG
from .optim import OPTIMIZERS
from .stages import STAGES, Stage

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
        RunError: if the gradients stay non-finite.
    """
    session = session or Session()
    for name, make_stage in STAGES.items():
        if name in session.finished or name not in stages or not wanted(name, config):
            continue
        if session.optimizer is None:  # interrupted between two saves: a stage is only resumed with its optimiser
            session.step = 0
        with session.clocked():  # preparing a stage counts, too: "dynamics" first encodes the videos
            stage = make_stage(model, config, frames, actions)
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
    optimizer = OPTIMIZERS[config.optimizer](stage.groups, lr=config.base_lr)
    if session.optimizer is not None:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": session.optimizer})
    rates = [group["lr"] for group in stage.groups]
    parameters = [p for group in stage.groups for p in group["params"]]
    with Recorder(stage.name, stage.steps, session, config.print_interval, stage.steps_per_epoch, stage.look) as record:
        for step in range(session.step, stage.steps):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * stage.schedule(step)
            optimizer.zero_grad(set_to_none=True)
            losses = stage.losses(step)
            losses["loss"].backward()
            finite = _clip(parameters, config)
            if config.debug and not finite:
                raise RunError(_non_finite(model, stage, step))
            optimizer.step()
            epoch = record(finite, {**losses, **model.physics.tensors()})
            if epoch is not None:
                session.optimizer = optimizer.state_dict()["state"]
                on_pause(session, epoch)
                session.optimizer = None  # from the next step on it is out of date
    with session.clocked():
        stage.finish()


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


def _non_finite(model: PAIG, stage: Stage, step: int) -> str:
    """Where the gradient of a step arises that is not finite, in a sentence; computes it once more."""
    model.zero_grad()
    stage.losses(step)["loss"].backward()
    names = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    where = ", ".join(names[:5]) or "in the sum"
    return f"the gradient is not finite in stage {stage.name}, step {step} ({where}); try a lower learning rate"
