"""Baselines that a run can have in place of a part of the model; :mod:`pig_core.build` loads them when asked for one.

A velocity estimator without physics, black boxes in place of the physics, and one in place of the whole model.
"""

import torch
from torch import Tensor, nn

from pig_core.config import Config
from pig_core.decoder import Appearance
from pig_core.model import Output
from pig_core.physics import Dynamics
from pig_core.state import State, Velocity, tanh_mlp
from pig_core.tasks import Task


class DifferenceVelocity(Velocity):
    """Last finite difference plus an MLP on features without an origin: own steps, relative positions of the others.

    The raw positions 0..32 of the paper's MLP saturate its tanh; these features stay around 1.
    """

    scale = 8.0  # pixels; typical size of a displacement
    starts_plain = True  # the first estimate is the plain difference

    def __init__(self, input_steps: int, n_objects: int, dt: float, dimensions: int = 2):
        super().__init__(input_steps, n_objects, dt)
        inputs = dimensions * (input_steps - 1) + dimensions * input_steps * (n_objects - 1)
        self.mlp = tanh_mlp(inputs, dimensions)

    def forward(self, positions: Tensor, physics: Dynamics, actions: Tensor | None = None) -> State:
        k = positions.shape[2]
        steps = positions.diff(dim=1).transpose(1, 2).flatten(2)  # (B, K, D (L - 1))
        relative = [positions - positions.roll(shift, 2) for shift in range(1, k)]  # K - 1 times (B, L, K, D)
        others = [r.transpose(1, 2).flatten(2) for r in relative]
        correction = self.scale * self.mlp(torch.cat([steps, *others], -1) / self.scale)
        return positions[:, -1], (positions[:, -1] - positions[:, -2]) / self.dt + correction


# Dynamics that know no physics, the baselines: the authors' option ``cell_type=lstm``, and interaction networks.


class BlackBox(Dynamics):
    """What stands in for :class:`pig_core.physics.Law` without having a constant.

    Args:
        n_objects: number of objects.
        units, layers: width and depth of the LSTM; of an interaction network's MLPs the width only.
        image_size: pixels; inputs and outputs are scaled by half of it.
        dt: time between two frames, seconds.
        n_actions: numbers per frame that act from outside.
    """

    def __init__(self, n_objects: int, units: int, layers: int, image_size: float, dt: float, n_actions: int = 0):
        super().__init__()
        self.scale, self.dt, self.n_actions = image_size / 2, dt, n_actions


class LSTMDynamics(BlackBox):
    """An LSTM that sees positions and velocities of all objects and says what they are one frame later."""

    def __init__(self, n_objects: int, units: int, layers: int, image_size: float, dt: float, n_actions: int = 0):
        super().__init__(n_objects, units, layers, image_size, dt, n_actions)
        self.lstm = nn.LSTM(4 * n_objects + n_actions, units, layers, batch_first=True)
        self.state = nn.Linear(units, 4 * n_objects)

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, actions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`pig_core.physics.Law.rollout`, forwards only."""
        now = torch.cat([pos.flatten(1), vel.flatten(1)], 1) / self.scale - 1  # (B, 4 K)
        memory, frames = None, []
        for frame in range(steps):
            known = torch.cat([now, actions[:, frame]], 1) if self.n_actions else now
            out, memory = self.lstm(known.unsqueeze(1), memory)
            now = self.state(out.squeeze(1))
            frames.append(now)
        states = ((torch.stack(frames, 1) + 1) * self.scale).unflatten(2, (2, *pos.shape[1:]))  # (B, steps, 2, K, 2)
        return states[:, :, 0], states[:, :, 1]


class InteractionNetwork(BlackBox):
    """Battaglia et al., 2016: a network for each ordered pair of objects, the sum of its outputs, a network per object.

    It knows that objects act on one another in the same way everywhere (pairs are given as differences) and that
    positions change by velocities, but not how objects act.
    """

    def __init__(self, n_objects: int, units: int, layers: int, image_size: float, dt: float, n_actions: int = 0):
        super().__init__(n_objects, units, layers, image_size, dt, n_actions)
        self.relation = _relu_mlp(5, units, units)
        self.object = _relu_mlp(4 + units + n_actions, units, 4)

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, actions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`pig_core.physics.Law.rollout`, forwards only."""
        pos, vel = pos / self.scale - 1, vel * self.dt / self.scale  # velocities as steps per frame
        different = ~torch.eye(pos.shape[1], dtype=torch.bool, device=pos.device)
        positions, velocities = [], []
        effects = pos.new_zeros(*pos.shape[:2], self.relation[-1].out_features)  # (B, K, units); one object has none
        for frame in range(steps):
            if pos.shape[1] > 1:
                d = pos.unsqueeze(2) - pos.unsqueeze(1)  # (B, K, K, 2)
                distance = (d.square().sum(-1, keepdim=True) + 1e-6).sqrt()
                pairs = torch.cat([d, distance, vel.unsqueeze(2) - vel.unsqueeze(1)], -1)
                effects = (self.relation(pairs) * different.unsqueeze(-1)).sum(2)
            known = [pos, vel, effects]
            if self.n_actions:
                known.append(actions[:, None, frame].expand(-1, pos.shape[1], -1))
            to_pos, to_vel = self.object(torch.cat(known, -1)).chunk(2, -1)
            pos, vel = pos + vel + to_pos, vel + to_vel
            positions.append(pos)
            velocities.append(vel)
        return (torch.stack(positions, 1) + 1) * self.scale, torch.stack(velocities, 1) * self.scale / self.dt


def _relu_mlp(inputs: int, units: int, outputs: int) -> nn.Sequential:
    hidden = nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU()
    return nn.Sequential(*hidden, nn.Linear(units, outputs))


BLACK_BOXES: dict[str, type[BlackBox]] = {"lstm": LSTMDynamics, "interaction": InteractionNetwork}


# A baseline that knows neither objects nor physics: frames, an LSTM, frames (after Srivastava et al., 2015).
#
# It has the methods of :class:`pig_core.model.PAIG`, a model of no objects: training and evaluation are the same.

CODE = 256  # numbers that describe one frame


class LatentDynamics(Dynamics):
    """Codes of the first L frames to codes of all that follow."""

    def __init__(self, units: int, layers: int):
        super().__init__()
        self.lstm = nn.LSTM(CODE, units, layers, batch_first=True)
        self.change = nn.Linear(units, CODE)

    def forward(self, codes: Tensor, steps: int) -> Tensor:
        """Codes (B, L, CODE) of the input frames to (B, steps, CODE) of the frames after them."""
        out, memory = self.lstm(codes)
        now, predicted = codes[:, -1:], []
        for step in range(steps):
            if step:
                out, memory = self.lstm(now, memory)
            now = now + self.change(out[:, -1:])
            predicted.append(now)
        return torch.cat(predicted, 1)


class VideoLSTM(nn.Module):
    """Convolutional encoder, LSTM on the codes, convolutional decoder."""

    prior = None

    def __init__(self, config: Config, task: Task):
        super().__init__()
        self.input_steps, self.pred_steps = task.input_steps, task.pred_steps
        channels, size = 3 if config.color else 1, task.image_size
        small = size // 4
        halved = nn.Conv2d(channels, 32, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, padding=1), nn.ReLU()
        self.encoder = nn.Sequential(*halved, nn.Flatten(), nn.Linear(64 * small**2, CODE))
        self.physics = LatentDynamics(config.recurrent_units, config.lstm_layers)
        self.shape = (channels, size, size)
        # Twice the size by a shuffle of four times as many channels: cheaper than convolving the large image.
        spread = nn.Linear(CODE, 64 * small**2), nn.ReLU(), nn.Unflatten(1, (64, small, small))
        doubled = nn.Conv2d(64, 4 * 32, 3, padding=1), nn.PixelShuffle(2), nn.ReLU()
        self.decoder = nn.Sequential(*spread, *doubled, nn.Conv2d(32, 4 * channels, 3, padding=1), nn.PixelShuffle(2))
        self.to(memory_format=torch.channels_last)

    def forward(self, video: Tensor, actions: None = None, separate: bool = False) -> Output:
        """As :meth:`pig_core.model.PAIG.forward`, with no objects (K = 0); everything learns from everything."""
        steps, ahead = self.input_steps + self.pred_steps, video.shape[1] - self.input_steps
        seen = video[:, :steps]
        codes = self.encoder(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])  # (B, L+P, CODE)
        predicted = self.physics(codes[:, : self.input_steps], ahead)
        images = self.decode(torch.cat([codes, predicted], 1))
        positions, rollout = video.new_empty(len(video), steps, 0, 2), video.new_empty(len(video), ahead, 0, 2)
        masks = video.new_empty(len(video), steps, 0, *video.shape[-2:])
        return Output(positions, masks, images[:, :steps], rollout, rollout, images[:, steps:])

    def decode(self, codes: Tensor) -> Tensor:
        """Draw codes (B, T, CODE) as frames (B, T, C, S, S), which may leave [0, 1] a little.

        The last layer is linear: behind a sigmoid the all-black image is a plateau that is hardly ever left.
        """
        return self.decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])

    def appearance(self) -> Appearance:
        """As :meth:`pig_core.model.PAIG.appearance`: no object, a black background."""
        channels, size, _ = self.shape
        empty = torch.zeros(0, channels, size // 2, size // 2)
        return Appearance(empty, empty[:, :1], torch.zeros(self.shape))
