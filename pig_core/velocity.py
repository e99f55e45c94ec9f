"""Positions of the first L frames to the state (position and velocity) at frame L, from which physics rolls out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .physics import Dynamics


def _tanh_mlp(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 2))


class MLPVelocity(nn.Module):
    """The paper: one MLP, shared by the objects, on an object's L raw positions."""

    def __init__(self, input_steps: int, n_objects: int, dt: float):
        super().__init__()
        self.mlp = _tanh_mlp(2 * input_steps)

    def forward(self, positions: Tensor, physics: Dynamics) -> tuple[Tensor, Tensor]:
        """Positions (B, L, K, 2), pixels, to position and velocity at frame L, (B, K, 2) each."""
        return positions[:, -1], self.mlp(positions.transpose(1, 2).flatten(2))


class LinearVelocity(nn.Module):
    """The authors' option ``alt_vel``: one linear layer on the L-1 differences of an object's positions."""

    def __init__(self, input_steps: int, n_objects: int, dt: float):
        super().__init__()
        self.linear = nn.Linear(2 * (input_steps - 1), 2)

    def forward(self, positions: Tensor, physics: Dynamics) -> tuple[Tensor, Tensor]:
        """As :meth:`MLPVelocity.forward`."""
        return positions[:, -1], self.linear(positions.diff(dim=1).transpose(1, 2).flatten(2))


class DifferenceVelocity(nn.Module):
    """Last finite difference plus an MLP on features without an origin: own steps, relative positions of the others.

    The raw positions 0..32 of the paper's MLP saturate its tanh; these features stay around 1.
    """

    scale = 8.0  # pixels; typical size of a displacement

    def __init__(self, input_steps: int, n_objects: int, dt: float):
        super().__init__()
        self.dt = dt
        self.mlp = _tanh_mlp(2 * (input_steps - 1) + 2 * input_steps * (n_objects - 1))

    def forward(self, positions: Tensor, physics: Dynamics) -> tuple[Tensor, Tensor]:
        """As :meth:`MLPVelocity.forward`."""
        k = positions.shape[2]
        steps = positions.diff(dim=1).transpose(1, 2).flatten(2)  # (B, K, 2 (L - 1))
        relative = [positions - positions.roll(shift, 2) for shift in range(1, k)]  # K - 1 times (B, L, K, 2)
        others = [r.transpose(1, 2).flatten(2) for r in relative]
        correction = self.scale * self.mlp(torch.cat([steps, *others], -1) / self.scale)
        return positions[:, -1], (positions[:, -1] - positions[:, -2]) / self.dt + correction


class FittedVelocity(nn.Module):
    """The state at frame L whose rollout *backwards* through the physics fits all L positions best.

    Gauss-Newton on least squares, started from the last finite difference. Only the last iteration carries
    gradients; by the implicit function theorem that is, but for second derivatives, the gradient of the solution
    with respect to positions and physical parameters. Nothing is learned here, so nothing can compensate for a
    wrong k, l or g.
    """

    iterations = 3
    damping = 1e-4

    def __init__(self, input_steps: int, n_objects: int, dt: float):
        super().__init__()
        self.dt = dt

    def forward(self, positions: Tensor, physics: Dynamics) -> tuple[Tensor, Tensor]:
        """As :meth:`MLPVelocity.forward`; the position at frame L is fitted, too."""
        b, steps, k, _ = positions.shape
        observed = positions.flip(1).flatten(1)  # (B, L K 2), frame L first

        def rolled_back(state: Tensor) -> Tensor:
            pos, vel = state.view(-1, 2, k, 2).unbind(1)
            earlier, _ = physics.rollout(pos, vel * (1 / self.dt), steps - 1, backwards=True)
            return torch.cat([pos.unsqueeze(1), earlier], 1).flatten(1)

        # Velocities in pixels per frame: all unknowns then have the same scale.
        state = torch.stack([positions[:, -1], positions[:, -1] - positions[:, -2]], 1).flatten(1)  # (B, 4 K)
        n = state.shape[1]
        directions = torch.eye(n, dtype=state.dtype, device=state.device)
        for iteration in range(self.iterations):
            state = state.detach()
            with torch.no_grad():  # the Jacobian by forward differences, all directions in one batch
                h = 1e-2
                probes = torch.cat([state.unsqueeze(1), state.unsqueeze(1) + h * directions], 1)  # (B, 1 + n, n)
                values = rolled_back(probes.flatten(0, 1)).view(b, 1 + n, -1)
                jacobian = ((values[:, 1:] - values[:, :1]) / h).transpose(1, 2)  # (B, L K 2, n)
                normal = jacobian.mT @ jacobian + self.damping * directions
            last = iteration == self.iterations - 1
            residual = observed - (rolled_back(state) if last else values[:, 0])
            state = state + torch.linalg.solve_ex(normal, jacobian.mT @ residual.unsqueeze(-1)).result.squeeze(-1)
        pos, vel = state.view(b, 2, k, 2).unbind(1)
        return pos, vel / self.dt


VELOCITIES: dict[str, type[nn.Module]] = {
    "fit": FittedVelocity,
    "difference_mlp": DifferenceVelocity,
    "mlp": MLPVelocity,
}
