"""Dynamics that know no physics, the baselines: the authors' option ``cell_type=lstm``, and interaction networks."""

import torch
from torch import Tensor, nn

from ..physics import Dynamics


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
    return nn.Sequential(
        nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, outputs)
    )  # fmt: skip


BLACK_BOXES: dict[str, type[BlackBox]] = {"lstm": LSTMDynamics, "interaction": InteractionNetwork}
