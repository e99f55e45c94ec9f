"""Dynamics that know no physics: the authors' option ``cell_type=lstm``, a baseline."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTMDynamics(nn.Module):
    """An LSTM that sees positions and velocities of all objects and says how they change in one frame.

    Args:
        units, layers: width and depth of the LSTM.
        image_size: pixels; inputs and outputs are scaled by half of it.
    """

    parameter_names: tuple[str, ...] = ()

    def __init__(self, n_objects: int, units: int, layers: int, image_size: int):
        super().__init__()
        self.scale = image_size / 2
        self.lstm = nn.LSTM(4 * n_objects, units, layers, batch_first=True)
        self.change = nn.Linear(units, 4 * n_objects)

    def values(self) -> dict[str, float]:
        """No physical parameters."""
        return {}

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """As :meth:`pig_core.physics.Dynamics.rollout`, forwards only."""
        if backwards:
            raise ValueError("an LSTM cannot be run backwards in time")
        now = torch.cat([pos.flatten(1), vel.flatten(1)], 1) / self.scale - 1  # (B, 4 K)
        memory, frames = None, []
        for _ in range(steps):
            out, memory = self.lstm(now.unsqueeze(1), memory)
            now = now + self.change(out.squeeze(1))
            frames.append(now)
        states = ((torch.stack(frames, 1) + 1) * self.scale).unflatten(2, (2, *pos.shape[1:]))  # (B, steps, 2, K, 2)
        return states[:, :, 0], states[:, :, 1]
