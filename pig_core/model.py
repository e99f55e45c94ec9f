"""The model, one screen: encode, estimate velocity, roll out, decode, compare (paper-spec, section 1).

frames 1..L+P  --encoder-->   positions      (B, L+P, K, 2)
positions 1..L --velocity-->  state at L     (B, K, 2) twice
state at L     --physics-->   rollout        (B, T-L, K, 2)
decoder(positions) = reconstruction of frames 1..L+P, decoder(rollout) = prediction of frames L+1..T
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .baselines.dynamics import BLACK_BOXES
from .config import Config
from .decoder import DECODERS
from .encoder import CenterOfMass, Encoder, MaskedMLP, UNet
from .physics import PHYSICS
from .prior import StartPrior
from .refine import refine
from .tasks import TASKS
from .velocity import VELOCITIES, LinearVelocity


@dataclass
class Output:
    """What the model makes of a video."""

    positions: Tensor  # (B, L+P, K, 2) encoded, pixels
    masks: Tensor  # (B, L+P, K, S, S)
    recons: Tensor  # (B, L+P, C, S, S)
    rollout: Tensor  # (B, T-L, K, 2) positions predicted by the physics, pixels
    rollout_vel: Tensor  # (B, T-L, K, 2) pixels per second
    prediction: Tensor  # (B, T-L, C, S, S)


class PAIG(nn.Module):
    """Physics as inverse graphics for one task; every part is chosen by the options of ``config``."""

    def __init__(self, config: Config):
        super().__init__()
        task = TASKS[config.task]
        size, k, channels = task.image_size, task.n_objects, 3 if config.color else 1
        self.input_steps, self.pred_steps = task.input_steps, task.pred_steps
        if config.encoder_type == "mlp":
            localiser = MaskedMLP(channels, size, config.mask_pooling)
        else:
            localiser = CenterOfMass(size)
        unet = UNet(channels, k, config.unet_base, config.unet_poolings, config.unet_precision)
        self.refine_steps, self.refine_search = config.refine_steps, config.refine_search
        self.encoder = Encoder(unet, localiser, config.logit_gain, config.mask_background)
        self.decoder = DECODERS[config.decoder_type](k, channels, size, config.coordinates, config.window_edge)
        velocity = LinearVelocity if config.alt_vel else VELOCITIES[config.velocity_type]
        self.velocity = velocity(task.input_steps, k, task.dt)
        self.prior = StartPrior(task.input_steps, k) if config.start_prior else None
        if config.cell_type == "task":
            self.physics = PHYSICS[task.physics](task.dt, config.substeps, size, task.radius)
        else:
            self.physics = BLACK_BOXES[config.cell_type](k, config.recurrent_units, config.lstm_layers, size, task.dt)
        self.separate = config.training_signal == "separate"

    def forward(self, video: Tensor) -> Output:
        """Reconstruct the first L+P frames of a video (B, T, C, S, S) in [0, 1] and predict all after the first L."""
        steps = self.input_steps + self.pred_steps
        positions, masks = self.encode(video[:, :steps])
        seen = positions.detach() if self.separate else positions
        rollout, rollout_vel = self.predict(seen[:, : self.input_steps], video.shape[1] - self.input_steps)
        if self.separate:  # the same pictures, but the decoder does not learn from the predicted ones
            constants = {name: p.detach() for name, p in self.decoder.named_parameters()}
            drawn = functional_call(self.decoder, constants, rollout.flatten(0, 1))
            recons, prediction = self.decode(positions), drawn.unflatten(0, rollout.shape[:2])
        else:
            images = self.decode(torch.cat([positions, rollout], 1))  # one call for all frames
            recons, prediction = images[:, :steps], images[:, steps:]
        return Output(positions, masks, recons, rollout, rollout_vel, prediction)

    def encode(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Video (B, T, C, S, S) to positions (B, T, K, 2), pixels, and masks (B, T, K, S, S)."""
        positions, masks = self.encode_frames(video.flatten(0, 1), self.refine_steps)
        return positions.unflatten(0, video.shape[:2]), masks.unflatten(0, video.shape[:2])

    def encode_frames(self, frames: Tensor, refine_steps: int) -> tuple[Tensor, Tensor]:
        """The same for single frames, (N, C, S, S); a refinement's correction carries no gradient."""
        positions, masks = self.encoder(frames, self.decoder.background())
        if refine_steps:
            refined = refine(self.decoder, frames, positions.detach(), refine_steps, self.refine_search)
            positions = positions + (refined - positions).detach()
        return positions, masks

    def predict(self, positions: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Roll the physics out from the first L positions (B, L, K, 2): (B, steps, K, 2) positions, velocities."""
        return self.physics.rollout(*self.state(positions), steps)

    def state(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Position and velocity at frame L, (B, K, 2) each, pixels and pixels/s, from positions (B, L, K, 2)."""
        pos, vel = self.velocity(positions, self.physics)
        return (pos, vel) if self.prior is None else self.prior(pos, vel, self.physics)

    def decode(self, positions: Tensor) -> Tensor:
        """Draw positions (B, T, K, 2), pixels, as frames (B, T, C, S, S)."""
        return self.decoder(positions.flatten(0, 1)).unflatten(0, positions.shape[:2])

    def appearance(self) -> tuple[Tensor, Tensor, Tensor]:
        """Contents (K, C, h, h), mask logits (K, 1, h, h) and the background (C, S, S)."""
        return *self.decoder.appearance(), self.decoder.background()


def frame_errors(images: Tensor, truth: Tensor) -> Tensor:
    """Squared error of every frame (..., C, S, S), summed over channels, height and width: (...)."""
    return (images - truth).square().sum((-3, -2, -1))


def image_loss(images: Tensor, truth: Tensor) -> Tensor:
    """The error of a frame, averaged over all of them."""
    return frame_errors(images, truth).mean()


def video_losses(output: Output, video: Tensor, input_steps: int, pred_steps: int) -> dict[str, Tensor]:
    """The paper's losses of one batch of video (B, T, C, S, S); ``extrap_loss`` only where T > L+P."""
    end = input_steps + pred_steps
    losses = {
        "recons_loss": image_loss(output.recons, video[:, :end]),
        "pred_loss": image_loss(output.prediction[:, :pred_steps], video[:, input_steps:end]),
    }
    if video.shape[1] > end:
        losses["extrap_loss"] = image_loss(output.prediction[:, pred_steps:], video[:, end:])
    return losses
