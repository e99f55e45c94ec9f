"""Velocity estimators beside the paper's and ours: the authors' option ``alt_vel``, and differences with an MLP."""

import torch
from torch import Tensor, nn

from ..physics import Dynamics
from ..state import State, Velocity, tanh_mlp


class LinearVelocity(Velocity):
    """The authors' option ``alt_vel``: one linear layer on the L-1 differences of an object's positions."""

    def __init__(self, input_steps: int, n_objects: int, dt: float, dimensions: int = 2):
        super().__init__(input_steps, n_objects, dt)
        self.linear = nn.Linear(dimensions * (input_steps - 1), dimensions)

    def forward(self, positions: Tensor, physics: Dynamics, actions: Tensor | None = None) -> State:
        return positions[:, -1], self.linear(positions.diff(dim=1).transpose(1, 2).flatten(2))


class DifferenceVelocity(Velocity):
    """Last finite difference plus an MLP on features without an origin: own steps, relative positions of the others.

    The raw positions 0..32 of the paper's MLP saturate its tanh; these features stay around 1.
    """

    scale = 8.0  # pixels; typical size of a displacement

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
