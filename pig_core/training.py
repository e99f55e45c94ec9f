"""The training loop: one for all stages and both recipes."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from .config import Config
from .errors import RunError
from .model import PAIG
from .optim import OPTIMIZERS
from .progress import Progress
from .stages import STAGES, Stage

MAX_SKIPPED = 20  # steps in a row without a finite gradient, after which a run is given up
RECORD_EVERY = 5  # steps between two points of the loss curves

Curves = list[dict[str, object]]


def train(model: PAIG, config: Config, frames: Tensor, on_epoch: Callable[[int], None] = lambda epoch: None) -> Curves:
    """Train ``model`` in place through all stages of its recipe.

    Args:
        frames: training video, uint8 (N, L+P, H, W, 3) on the model's device.
        on_epoch: called with the number of epochs done after each epoch of the joint stage.
    Returns:
        the curves: stage, step, seconds since the start, losses and physical parameters of every few steps.
    Raises:
        RunError: if the gradients stay non-finite.
    """
    curves: Curves = []
    started = time.perf_counter()
    for make_stage in STAGES.values():
        stage = make_stage(model, config, frames)
        if stage.steps:
            run_stage(model, config, stage, curves, started, on_epoch)
    return curves


def run_stage(
    model: PAIG,
    config: Config,
    stage: Stage,
    curves: Curves,
    started: float,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Take the steps of one stage and add its points to ``curves``."""
    optimizer = OPTIMIZERS[config.optimizer](stage.groups, lr=config.base_lr)
    base_lrs = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for group in stage.groups for p in group["params"]]
    skipped = 0
    with Progress(stage.name, stage.steps, config.print_interval) as progress:
        for step in range(stage.steps):
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr * stage.schedule(step)
            optimizer.zero_grad(set_to_none=True)
            losses = stage.losses(step)
            losses["loss"].backward()
            if _clip(parameters, config):
                optimizer.step()
                skipped = 0
            else:  # a non-finite gradient must never reach the weights
                skipped += 1
                if config.debug or skipped > MAX_SKIPPED:
                    raise RunError(_non_finite(model, stage, step))
            if step % RECORD_EVERY == 0 or step == stage.steps - 1 or progress.due():
                point = {name: loss.item() for name, loss in losses.items()} | model.physics.values()
                curves.append({"stage": stage.name, "step": step, "seconds": time.perf_counter() - started, **point})
            progress.advance(describe(curves[-1]) if progress.due() else "")
            if stage.steps_per_epoch and (step + 1) % stage.steps_per_epoch == 0:
                on_epoch((step + 1) // stage.steps_per_epoch)
    stage.finish()


def describe(point: dict[str, object]) -> str:
    """One point of the curves in words, e.g. ``loss 0.12  k 3.99  l 6.00``."""
    numbers = {k: v for k, v in point.items() if k not in ("stage", "step", "seconds")}
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def _clip(parameters: list[Tensor], config: Config) -> bool:
    """Limit the gradients as the options say; False if they are not finite."""
    grads = [p.grad for p in parameters if p.grad is not None]
    if not torch.isfinite(get_total_norm(grads)):
        return False
    if config.clip_value:
        clip_grad_value_(parameters, config.clip_value)
    if config.clip_norm:
        clip_grad_norm_(parameters, config.clip_norm)
    return True


def _non_finite(model: PAIG, stage: Stage, step: int) -> str:
    names = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    return (
        f"the gradient is not finite in stage {stage.name}, step {step} ({', '.join(names[:5]) or 'in the sum'}); "
        "try a lower learning rate"
    )
