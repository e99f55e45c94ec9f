"""Dynamics that know no physics, the baselines: the authors' option ``cell_type=lstm``, and interaction networks."""

import torch
from torch import Tensor, nn

from ..physics import Dynamics


class BlackBox(Dynamics):
    """What stands in for :class:`pig_core.physics.Law` without having a constant; it knows no actions.

    Args:
        n_objects: number of objects.
        units, layers: width and depth of the LSTM; of an interaction network's MLPs the width only.
        image_size: pixels; inputs and outputs are scaled by half of it.
        dt: time between two frames, seconds.
    """

    def __init__(self, n_objects: int, units: int, layers: int, image_size: int, dt: float):
        super().__init__()
        self.scale, self.dt = image_size / 2, dt


class LSTMDynamics(BlackBox):
    """An LSTM that sees positions and velocities of all objects and says what they are one frame later."""

    def __init__(self, n_objects: int, units: int, layers: int, image_size: int, dt: float):
        super().__init__(n_objects, units, layers, image_size, dt)
        self.lstm = nn.LSTM(4 * n_objects, units, layers, batch_first=True)
        self.state = nn.Linear(units, 4 * n_objects)

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, actions: None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`pig_core.physics.Law.rollout`, forwards only."""
        now = torch.cat([pos.flatten(1), vel.flatten(1)], 1) / self.scale - 1  # (B, 4 K)
        memory, frames = None, []
        for _ in range(steps):
            out, memory = self.lstm(now.unsqueeze(1), memory)
            now = self.state(out.squeeze(1))
            frames.append(now)
        states = ((torch.stack(frames, 1) + 1) * self.scale).unflatten(2, (2, *pos.shape[1:]))  # (B, steps, 2, K, 2)
        return states[:, :, 0], states[:, :, 1]


class InteractionNetwork(BlackBox):
    """Battaglia et al., 2016: a network for each ordered pair of objects, the sum of its outputs, a network per object.

    It knows that objects act on one another in the same way everywhere (pairs are given as differences) and that
    positions change by velocities, but not how objects act.
    """

    def __init__(self, n_objects: int, units: int, layers: int, image_size: int, dt: float):
        super().__init__(n_objects, units, layers, image_size, dt)
        self.relation = _relu_mlp(5, units, units)
        self.object = _relu_mlp(4 + units, units, 4)

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, actions: None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`pig_core.physics.Law.rollout`, forwards only."""
        pos, vel = pos / self.scale - 1, vel * self.dt / self.scale  # velocities as steps per frame
        different = ~torch.eye(pos.shape[1], dtype=torch.bool, device=pos.device)
        positions, velocities = [], []
        for _ in range(steps):
            d = pos.unsqueeze(2) - pos.unsqueeze(1)  # (B, K, K, 2)
            distance = (d.square().sum(-1, keepdim=True) + 1e-6).sqrt()
            pairs = torch.cat([d, distance, vel.unsqueeze(2) - vel.unsqueeze(1)], -1)
            effects = (self.relation(pairs) * different.unsqueeze(-1)).sum(2)  # (B, K, units)
            to_pos, to_vel = self.object(torch.cat([pos, vel, effects], -1)).chunk(2, -1)
            pos, vel = pos + vel + to_pos, vel + to_vel
            positions.append(pos)
            velocities.append(vel)
        return (torch.stack(positions, 1) + 1) * self.scale, torch.stack(velocities, 1) * self.scale / self.dt


def _relu_mlp(inputs: int, units: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, outputs)
    )  # fmt: skip


BLACK_BOXES: dict[str, type[BlackBox]] = {"lstm": LSTMDynamics, "interaction": InteractionNetwork}
