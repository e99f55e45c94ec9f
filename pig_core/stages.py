"""What is trained, in which order, on what: the stages of a run.

The paper has only the last stage (everything at once, on sequences). ``improved`` first learns to see on single
frames, then measures the physics on the positions that the trained encoder sees.
Every batch depends on nothing but (seed, stage, step): a resumed run draws the same ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import Config
from .encoder import UNet, mass_moments, saliency
from .model import PAIG, image_loss, to_video, video_losses
from .tasks import LARGE_IMAGE

# Finding objects before drawing them: an object is in one place, so its mask should be compact.


class CandidateHeads(nn.Module):
    """Several last layers on one U-Net, each a different random start for the masks; the most local one is kept.

    Which object a mask ends up with depends on where it starts, and a bad start can be final. Candidates share all
    other layers, so eight of them cost little more than one. The choice looks at images only, never at the truth.
    """

    def __init__(self, unet: UNet, candidates: int, generator: torch.Generator):
        super().__init__()
        self.unet, self.n_objects = unet, unet.head.out_channels
        self.heads = nn.Conv2d(unet.head.in_channels, candidates * self.n_objects, 1).to(unet.head.weight.device)
        with torch.no_grad():  # as wide as the Glorot range of a single head
            bound = (6 / (unet.head.in_channels + self.n_objects)) ** 0.5
            self.heads.weight.copy_(torch.empty(self.heads.weight.shape).uniform_(-bound, bound, generator=generator))
            self.heads.bias.zero_()

    def spread_and_share(self, frames: Tensor, background: Tensor, gain: float) -> tuple[Tensor, Tensor]:
        """Mean spread of the masks, (M,) in pixels^2, and each mask's share of the salient pixels, (M, K)."""
        logits = self.heads(self.unet.features(frames)) * gain
        masks = logits.unflatten(1, (-1, self.n_objects)).softmax(2)  # (N, M, K, H, W)
        centres = torch.arange(frames.shape[-1], device=frames.device) + 0.5
        _, spread, mass = mass_moments(masks * saliency(frames, background).unsqueeze(1), centres)  # (N, M, K)
        total = mass.sum(-1) + 1e-6
        return (spread.sum(-1) / total).mean(0), (mass / total.unsqueeze(-1)).mean(0)

    @torch.no_grad()
    def keep_best(self, frames: Tensor, background: Tensor, gain: float) -> None:
        """Give the U-Net the candidate whose masks are most local on these frames."""
        best = self.spread_and_share(frames, background, gain)[0].argmin()
        for ours, kept in zip(self.heads.parameters(), self.unet.head.parameters(), strict=True):
            kept.copy_(ours.unflatten(0, (-1, self.n_objects))[best])


Losses = dict[str, Tensor]

# What no recipe varies.
LOCALITY_BATCH = 32  # single frames per step
LOCALITY_LR = 4e-3
LOCALITY_BALANCE = 20.0  # weight of an even share of the picture for each object, pixels^2
MASK_CANDIDATES = 8  # sets of masks that learn side by side; the most local one is kept
VISION_LR = 2e-3  # of the stages "decoder" and "vision"
VISION_BATCH = 64  # single frames per step of these stages; half as many large ones
DYNAMICS_BATCH = 128  # sequences per step


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
    look: Callable[[], None] = lambda: None  # called in between, where the model as it then is will be looked at


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


def locality_stage(model: PAIG, config: Config, frames: Tensor, actions: Tensor | None = None) -> Stage:
    """The encoder alone, before anything is drawn: each mask should cover one compact region.

    Minimises the spread of the salient pixels in each mask (pixels^2) minus the entropy of the masks' shares, for
    several candidate heads of the U-Net side by side. The objects separate in seconds; without this stage two
    objects in one mask, or one in two, are local minima that some seeds never leave.
    """
    candidates = CandidateHeads(model.encoder.unet, MASK_CANDIDATES, _generator(config, 1, -1))
    background = model.decoder.background().detach()

    def losses(step: int) -> Losses:
        images = _single_frames(config, frames, 1, step, LOCALITY_BATCH)
        spread, share = candidates.spread_and_share(images, background, model.encoder.logit_gain)
        entropy = -(share * (share + 1e-6).log()).sum(-1)
        return {"loss": (spread - LOCALITY_BALANCE * entropy).mean(), "spread": spread.min()}

    def finish() -> None:
        candidates.keep_best(_single_frames(config, frames, 1, -2, 256), background, model.encoder.logit_gain)

    groups = [{"params": list(candidates.parameters()), "lr": LOCALITY_LR}]
    return Stage("locality", config.locality_steps, groups, losses, lambda step: 1.0, finish=finish, look=finish)


def decoder_stage(model: PAIG, config: Config, frames: Tensor, actions: Tensor | None = None) -> Stage:
    """The decoder alone learns to draw what the encoder found: positions carry no gradient."""
    return _reconstruction_stage("decoder", model, config, frames, list(model.decoder.parameters()), 2)


def vision_stage(model: PAIG, config: Config, frames: Tensor, actions: Tensor | None = None) -> Stage:
    """Encoder and decoder together on single frames, reconstruction only."""
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    return _reconstruction_stage("vision", model, config, frames, parameters, 3)


def _reconstruction_stage(name: str, model: PAIG, config: Config, frames: Tensor, params: list, number: int) -> Stage:
    steps = getattr(config, f"{name}_steps")
    batch = VISION_BATCH if frames.shape[-2] < LARGE_IMAGE else VISION_BATCH // 2

    def losses(step: int) -> Losses:
        images = _single_frames(config, frames, number, step, batch)
        # Refining needs something to compare with: first the objects must have got a shape.
        refined = name == "vision" or step >= steps // 2
        with torch.set_grad_enabled(name == "vision"):
            positions, _ = model.encode_frames(images, refined)
        model.physics.settle(positions.detach())
        loss = image_loss(model.draw(positions), images)
        return {"loss": loss, "recons_loss": loss}

    schedule = _linear_decay(steps, 0.5, 0.05, warmup=10) if config.anneal_lr else lambda step: 1.0
    return Stage(name, steps, [{"params": params, "lr": VISION_LR}], losses, schedule)


@torch.no_grad()
def encode_all(model: PAIG, color: bool, frames: Tensor, chunk: int = 20) -> Tensor:
    """Positions (N, T, K, 2), pixels, that the encoder sees in a video, uint8 (N, T, H, W, 3)."""
    return torch.cat([model.encode(to_video(part, color))[0] for part in frames.split(chunk)])


def dynamics_stage(
    model: PAIG, config: Config, frames: Tensor, actions: Tensor | None = None, positions: Tensor | None = None
) -> Stage:
    """Velocity and physics on encoded positions (or given ones), to the predicted frames and back to the input frames.

    Forwards alone k and g come out some percent high: a slightly wrong velocity and they compensate. For the same
    reason the prior of the scenes' starts is learned last, with the physics as it then is.
    """
    groups = _physics_groups(model, config, config.dynamics_lr, list(model.velocity.parameters()))
    schedule = _linear_decay(config.dynamics_steps, 0.5, 0.01) if config.anneal_lr else lambda step: 1.0
    steps = config.dynamics_steps if any(group["params"] for group in groups) else 0
    if not steps and model.prior is None:  # fitted velocity, no constants: nothing to learn
        return Stage("dynamics", 0, groups, lambda step: {}, schedule)
    steps_in, chosen = model.input_steps, slice(config.dynamics_sequences or None)
    positions = encode_all(model, config.color, frames[chosen]) if positions is None else positions  # (N, L+P, K, 2)
    model.physics.settle(positions)
    positions = model.physics.coordinates(positions)  # (N, L+P, K, D)
    actions = None if actions is None else actions[chosen]

    def losses(step: int) -> Losses:
        index = torch.randint(len(positions), (DYNAMICS_BATCH,), generator=_generator(config, 4, step))
        index = index.to(positions.device, non_blocking=True)
        seen, pushed = positions[index], None if actions is None else actions[index]
        ahead, back = _both_ways(model, seen, pushed, config.backward_loss > 0)
        loss = position_loss = (ahead - seen[:, steps_in:]).square().sum((-2, -1)).mean()
        if back is not None:
            before = seen[:, : steps_in - 1].flip(1)
            loss = loss + config.backward_loss * (back - before).square().sum((-2, -1)).mean()
        return {"loss": loss, "position_loss": position_loss}

    @torch.no_grad()
    def finish() -> None:
        if model.prior is not None:
            pushed = None if actions is None else actions[:, : steps_in - 1]
            anchored = model.velocity.anchored(positions[:, :steps_in], model.physics, pushed)
            model.prior.learn(positions, *anchored, model.physics, actions)

    return Stage("dynamics", steps, groups, losses, schedule, finish=finish)


def _both_ways(model: PAIG, positions: Tensor, actions: Tensor | None, back: bool) -> tuple[Tensor, Tensor | None]:
    """Rollouts, (B, ., K, D), of the frames after the first L and, if asked for, of those before frame L, latest first.

    A law that cannot be taken back in time starts at frame 1 and meets the input frames on its way.
    """
    physics, steps_in = model.physics, model.input_steps
    first, ahead = positions[:, :steps_in], positions.shape[1] - steps_in
    before, after = (None, None) if actions is None else (actions[:, : steps_in - 1], actions[:, steps_in - 1 :])
    if back and not physics.reversible:
        pos, vel = model.velocity.anchored(first, physics, before)
        path = torch.cat([pos.unsqueeze(1), physics.rollout(pos, vel, positions.shape[1] - 1, actions)[0]], 1)
        return path[:, steps_in:], path[:, : steps_in - 1].flip(1)
    pos, vel = model.velocity(first, physics, before)
    rollout, _ = physics.rollout(pos, vel, ahead, after)
    if not back:
        return rollout, None
    undone = None if before is None else before.flip(1)
    return rollout, physics.rollout(pos, vel, steps_in - 1, undone, backwards=True)[0]


def joint_stage(model: PAIG, config: Config, frames: Tensor, actions: Tensor | None = None) -> Stage:
    """The paper's training: all parameters, on sequences, pred_loss + autoencoder_loss * recons_loss.

    With ``training_signal`` separate the prediction's gradient stops before encoder and decoder.
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
        pushed = None if actions is None else actions[index]
        output = model(video, pushed, separate=config.training_signal == "separate")
        model.physics.settle(output.positions.detach())  # holds from the next step on
        result = video_losses(output, video, model.input_steps, model.pred_steps)
        loss = config.autoencoder_loss * result["recons_loss"]
        if config.training_signal != "autoencoder":
            loss = loss + result["pred_loss"]
        beyond = output.rollout - output.rollout.clamp(0, video.shape[-1])  # (B, P, K, 2), pixels outside the picture
        return {"loss": loss, **result, "outside": beyond.ne(0).any(-1).float().mean().nan_to_num()}

    def schedule(step: int) -> float:
        return 0.2 if config.anneal_lr and step // per_epoch >= int(0.75 * config.epochs) else 1.0

    rest = [p for name, p in model.named_parameters() if not name.startswith("physics.")]
    groups = _physics_groups(model, config, config.base_lr, rest)
    return Stage("joint", config.epochs * per_epoch, groups, losses, schedule, per_epoch)


def _physics_groups(model: PAIG, config: Config, lr: float, own: list) -> list[dict]:
    return [{"params": own, "lr": lr}, {"params": list(model.physics.parameters()), "lr": lr * config.physics_lr_scale}]


# Name -> maker(model, options, training video uint8 (N, L+P, H, W, 3), actions (N, L+P, A) or None).
STAGES: dict[str, Callable[[PAIG, Config, Tensor, Tensor | None], Stage]] = {
    make.__name__.removesuffix("_stage"): make
    for make in (locality_stage, decoder_stage, vision_stage, dynamics_stage, joint_stage)
}
