"""The model, one screen: encode, estimate the state, roll out, decode, compare (the paper's section 3).

frames 1..L+P  --encoder-->   positions      (B, L+P, K, 2)
positions 1..L --velocity-->  state at L     (B, K, 2) twice
state at L     --physics-->   rollout        (B, T-L, K, 2)
decoder(positions) = reconstruction of frames 1..L+P, decoder(rollout) = prediction of frames L+1..T
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .decoder import Appearance, Decoder
from .encoder import Encoder
from .physics import Dynamics
from .state import State, Velocity


@dataclass
class Output:
    """What the model makes of a video."""

    positions: Tensor  # (B, L+P, K, 2) encoded, pixels
    masks: Tensor  # (B, L+P, K, S, S)
    recons: Tensor  # (B, L+P, C, S, S)
    rollout: Tensor  # (B, T-L, K, 2) positions predicted by the physics, pixels
    rollout_vel: Tensor  # (B, T-L, K, D) in the law's coordinates per second: pixels, if it has no others
    prediction: Tensor  # (B, T-L, C, S, S)


class PAIG(nn.Module):
    """Physics as inverse graphics, made of the parts that are handed in.

    Args:
        prior: corrects the estimated state, see :class:`pig_core.corrections.StartPrior`; None: it stays as it is.
        input_steps, pred_steps: L and P, frames.
        refine: (drawing, frames, positions) to better positions; None: they are the encoder's.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        velocity: Velocity,
        prior: nn.Module | None,
        physics: Dynamics,
        input_steps: int,
        pred_steps: int,
        refine: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor] | None = None,
    ):
        super().__init__()
        self.encoder, self.decoder, self.velocity, self.prior, self.physics = encoder, decoder, velocity, prior, physics
        self.input_steps, self.pred_steps = input_steps, pred_steps
        self.refine = refine

    def forward(self, video: Tensor, actions: Tensor | None = None, separate: bool = False) -> Output:
        """Reconstruct the first L+P frames of a video (B, T, C, S, S) in [0, 1] and predict all after the first L.

        Args:
            actions: what acts from outside from each frame to the next, (B, T, A); None: nothing.
            separate: the prediction's gradient does not reach encoder and decoder; the pictures are the same.
        """
        steps = self.input_steps + self.pred_steps
        positions, masks = self.encode(video[:, :steps])
        seen = positions.detach() if separate else positions
        rollout, rollout_vel = self.predict(seen[:, : self.input_steps], video.shape[1] - self.input_steps, actions)
        if separate:
            constants = {name: p.detach() for name, p in self.decoder.named_parameters()}
            drawn = functional_call(self.decoder, constants, self.physics.placed(rollout).flatten(0, 1))
            recons, prediction = self.decode(positions), drawn.unflatten(0, rollout.shape[:2])
        else:
            images = self.decode(torch.cat([positions, rollout], 1))  # one call for all frames
            recons, prediction = images[:, :steps], images[:, steps:]
        return Output(positions, masks, recons, rollout, rollout_vel, prediction)

    def encode(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Video (B, T, C, S, S) to positions (B, T, K, 2), pixels, and masks (B, T, K, S, S)."""
        positions, masks = self.encode_frames(video.flatten(0, 1))
        return positions.unflatten(0, video.shape[:2]), masks.unflatten(0, video.shape[:2])

    def encode_frames(self, frames: Tensor, refined: bool = True) -> tuple[Tensor, Tensor]:
        """The same for single frames, (N, C, S, S); a refinement's correction carries no gradient."""
        positions, masks = self.encoder(frames, self.decoder.background())
        if self.refine is not None and refined:
            with torch.no_grad():  # one appearance serves all of its drawings
                drawing = partial(self.draw, appearance=self.decoder.appearance())
                better = self.refine(drawing, frames, positions.detach())
            positions = positions + (better - positions).detach()
        return positions, masks

    def predict(self, positions: Tensor, steps: int, actions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Roll the physics out from the first L positions (B, L, K, 2): (B, steps, K, 2) positions, velocities."""
        later = None if actions is None else actions[:, self.input_steps - 1 :]
        coordinates, velocities = self.physics.rollout(*self.state(positions, actions), steps, later)
        return self.physics.pose(coordinates), velocities

    def state(self, positions: Tensor, actions: Tensor | None = None) -> State:
        """State at frame L, (B, K, D) each in the law's coordinates, from positions (B, L, K, 2) in pixels."""
        coordinates = self.physics.coordinates(positions)
        before = None if actions is None else actions[:, : self.input_steps - 1]
        if self.prior is None:
            return self.velocity(coordinates, self.physics, before)
        return self.prior(*self.velocity.anchored(coordinates, self.physics, before), self.physics, before)

    def decode(self, positions: Tensor, appearance: Appearance | None = None) -> Tensor:
        """Draw positions (B, T, K, 2), pixels, as frames (B, T, C, S, S)."""
        placed = self.physics.placed(positions).flatten(0, 1)
        return self.decoder(placed, appearance).unflatten(0, positions.shape[:2])

    def draw(self, positions: Tensor, appearance: Appearance | None = None) -> Tensor:
        """Draw single frames: positions (N, K, 2), pixels, to frames (N, C, S, S)."""
        return self.decode(positions.unsqueeze(1), appearance).squeeze(1)

    def appearance(self) -> Appearance:
        """What the objects and the background look like."""
        return self.decoder.appearance()


def to_video(frames: Tensor, color: bool = True) -> Tensor:
    """uint8 (..., H, W, 3) to float in [0, 1] as (..., C, H, W); C is 3, or 1 (the mean) if not ``color``.

    The result is a view in the channels-last layout, which convolutions on a CPU like best.
    """
    video = frames.float() / 255.0
    return (video if color else video.mean(-1, keepdim=True)).movedim(-1, -3)


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
