"""What is trained, in which order, on what: the stages of a run.

``paper`` has only the last stage (everything at once, on sequences). ``improved`` first learns to see on single
frames, then measures the physics on the positions that the trained encoder sees.
Every batch depends on nothing but (seed, stage, step): a resumed run draws the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import Config
from .data.videos import to_video
from .locality import CandidateHeads
from .model import PAIG, image_loss, video_losses
from .tasks import TASKS

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """A number of optimiser steps on one loss."""

    name: str
    steps: int
    groups: list[dict]  # parameter groups of the optimiser, each with its learning rate
    losses: Callable[[int], Losses]  # step -> losses of its batch; "loss" is the one that is minimised
    schedule: Callable[[int], float]  # step -> factor of the learning rates
    steps_per_epoch: int = 0  # 0: the stage does not count in epochs
    finish: Callable[[], None] = lambda: None  # called after the last step


def _generator(config: Config, stage: int, step: int) -> torch.Generator:
    """Randomness of one step. The multipliers keep the streams of different seeds, stages and steps apart."""
    return torch.Generator().manual_seed((config.seed * 8 + stage) * 1_000_003 + step + 2)


def _linear_decay(steps: int, start: float, end: float, warmup: int = 0) -> Callable[[int], float]:
    """Factor 1 until the fraction ``start`` of the steps, then linearly down to ``end``; first a linear warm-up."""

    def factor(step: int) -> float:
        done = max(0.0, step / steps - start) / (1 - start)
        return min(1.0, (step + 1) / max(1, warmup)) * (1 - (1 - end) * done)

    return factor


def _single_frames(config: Config, frames: Tensor, stage: int, step: int, batch: int) -> Tensor:
    """A batch of random single frames (batch, C, S, S) out of video, uint8 (N, T, H, W, 3)."""
    index = torch.randint(len(frames) * frames.shape[1], (batch,), generator=_generator(config, stage, step))
    return to_video(frames.flatten(0, 1)[index.to(frames.device, non_blocking=True)], config.color)


def locality_stage(model: PAIG, config: Config, frames: Tensor) -> Stage:
    """The encoder alone, before anything is drawn: each mask shall hold one compact part of the picture.

    Minimises the spread of the salient pixels in each mask (pixels^2) minus the entropy of the masks' shares, for
    several candidate heads of the U-Net side by side. The objects separate in seconds; without this stage two
    objects in one mask, or one in two, are local minima that some seeds never leave.
    """
    candidates = CandidateHeads(model.encoder.unet, config.mask_candidates, _generator(config, 1, -1))
    background = model.decoder.background().detach()

    def losses(step: int) -> Losses:
        images = _single_frames(config, frames, 1, step, config.locality_batch)
        spread, share = candidates.spread_and_share(images, background, model.encoder.logit_gain)
        entropy = -(share * (share + 1e-6).log()).sum(-1)
        return {"loss": (spread - config.locality_balance * entropy).mean(), "spread": spread.min()}

    def finish() -> None:
        candidates.keep_best(_single_frames(config, frames, 1, -2, 256), background, model.encoder.logit_gain)

    groups = [{"params": list(candidates.parameters()), "lr": config.locality_lr}]
    return Stage("locality", config.locality_steps, groups, losses, lambda step: 1.0, finish=finish)


def decoder_stage(model: PAIG, config: Config, frames: Tensor) -> Stage:
    """The decoder alone learns to draw what the encoder found: positions carry no gradient."""
    return _reconstruction_stage("decoder", model, config, frames, list(model.decoder.parameters()), 2)


def vision_stage(model: PAIG, config: Config, frames: Tensor) -> Stage:
    """Encoder and decoder together on single frames, reconstruction only."""
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    return _reconstruction_stage("vision", model, config, frames, parameters, 3)


def _reconstruction_stage(
    name: str, model: PAIG, config: Config, frames: Tensor, parameters: list, number: int
) -> Stage:
    steps = getattr(config, f"{name}_steps")

    def losses(step: int) -> Losses:
        images = _single_frames(config, frames, number, step, config.vision_batch)
        # Refining needs something to compare with: first the objects must have got a shape.
        refine_steps = 0 if name == "decoder" and step < steps // 2 else model.refine_steps
        with torch.set_grad_enabled(name == "vision"):
            positions, _ = model.encode_frames(images, refine_steps)
        loss = image_loss(model.decoder(positions), images)
        return {"loss": loss, "recons_loss": loss}

    schedule = _linear_decay(steps, 0.5, 0.05, warmup=10) if config.anneal_lr else lambda step: 1.0
    return Stage(name, steps, [{"params": parameters, "lr": config.vision_lr}], losses, schedule)


@torch.no_grad()
def encode_all(model: PAIG, config: Config, frames: Tensor, chunk: int = 20) -> Tensor:
    """Positions (N, T, K, 2), pixels, that the encoder sees in a video, uint8 (N, T, H, W, 3)."""
    return torch.cat([model.encode(to_video(part, config.color))[0] for part in frames.split(chunk)])


def dynamics_stage(model: PAIG, config: Config, frames: Tensor) -> Stage:
    """Velocity and physics on encoded positions, forwards to the predicted frames and back to the input frames.

    Forwards alone k and g come out some percent high: a slightly wrong velocity and they compensate. For the same
    reason the prior of the scenes' starts is learned last, with the physics as it then is.
    """
    groups = _physics_groups(model, config, config.dynamics_lr, list(model.velocity.parameters()))
    schedule = _linear_decay(config.dynamics_steps, 0.5, 0.01) if config.anneal_lr else lambda step: 1.0
    steps = config.dynamics_steps if any(group["params"] for group in groups) else 0
    if not steps and model.prior is None:  # fitted velocity, no parameters: nothing to learn
        return Stage("dynamics", 0, groups, lambda step: {}, schedule)
    steps_in = model.input_steps
    positions = encode_all(model, config, frames[: config.dynamics_sequences or None])  # (N, L+P, K, 2)
    before, after = positions[:, : steps_in - 1].flip(1), positions[:, steps_in:]

    def losses(step: int) -> Losses:
        index = torch.randint(len(positions), (config.dynamics_batch,), generator=_generator(config, 4, step))
        index = index.to(positions.device, non_blocking=True)
        pos, vel = model.velocity(positions[index, :steps_in], model.physics)
        ahead, _ = model.physics.rollout(pos, vel, after.shape[1])
        loss = position_loss = (ahead - after[index]).square().sum((-2, -1)).mean()
        if config.backward_loss:
            back, _ = model.physics.rollout(pos, vel, before.shape[1], backwards=True)
            loss = loss + config.backward_loss * (back - before[index]).square().sum((-2, -1)).mean()
        return {"loss": loss, "position_loss": position_loss}

    @torch.no_grad()
    def finish() -> None:
        if model.prior is not None:
            model.prior.learn(positions, *model.velocity(positions[:, :steps_in], model.physics), model.physics)

    return Stage("dynamics", steps, groups, losses, schedule, finish=finish)


def joint_stage(model: PAIG, config: Config, frames: Tensor) -> Stage:
    """The paper's training: all parameters, on sequences, pred_loss + autoencoder_loss * recons_loss.

    (With ``training_signal`` separate the model itself keeps the prediction's gradient from encoder and decoder.)
    """
    batch = min(config.batch_size, len(frames))
    per_epoch = len(frames) // batch  # an incomplete last batch is dropped
    order: dict[int, Tensor] = {}

    def losses(step: int) -> Losses:
        epoch, i = divmod(step, per_epoch)
        if epoch not in order:
            order.clear()
            order[epoch] = torch.randperm(len(frames), generator=_generator(config, 5, epoch)).to(frames.device)
        index = order[epoch][i * batch : (i + 1) * batch]
        video = to_video(frames[index], config.color)
        result = video_losses(model(video), video, model.input_steps, model.pred_steps)
        loss = config.autoencoder_loss * result["recons_loss"]
        if config.training_signal != "autoencoder":
            loss = loss + result["pred_loss"]
        return {"loss": loss, **result}

    def schedule(step: int) -> float:
        annealed = config.anneal_lr and step // per_epoch >= int(0.75 * config.epochs)
        return 0.2 if annealed else 1.0

    physics = set(model.physics.parameters())
    rest = [p for p in model.parameters() if p not in physics]
    groups = _physics_groups(model, config, config.base_lr, rest)
    return Stage("joint", config.epochs * per_epoch, groups, losses, schedule, per_epoch)


def _physics_groups(model: PAIG, config: Config, lr: float, rest: list) -> list[dict]:
    physics = list(model.physics.parameters())
    return [{"params": rest, "lr": lr}, {"params": physics, "lr": lr * config.physics_lr_scale}]


STAGES: dict[str, Callable[[PAIG, Config, Tensor], Stage]] = {
    "locality": locality_stage,
    "decoder": decoder_stage,
    "vision": vision_stage,
    "dynamics": dynamics_stage,
    "joint": joint_stage,
}


def training_frames(config: Config, frames: Tensor) -> Tensor:
    """The part of the training video that is learned from: the first L+P frames of each sequence."""
    task = TASKS[config.task]
    return frames[:, : task.input_steps + task.pred_steps]
