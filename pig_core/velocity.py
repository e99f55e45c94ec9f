"""Positions of the first L frames to the state (position and velocity) at frame L, from which physics rolls out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .physics import Dynamics

PROBE = 1e-2  # pixels, and pixels per frame, that a state is moved by to see how its trajectory changes
DAMPING = 1e-4  # of the Gauss-Newton steps


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

    Nothing is learned here, so nothing can compensate for a wrong k, l or g.
    """

    def __init__(self, input_steps: int, n_objects: int, dt: float):
        super().__init__()
        self.dt = dt

    def forward(self, positions: Tensor, physics: Dynamics) -> tuple[Tensor, Tensor]:
        """As :meth:`MLPVelocity.forward`; the position at frame L is fitted, too."""
        speed = (positions[:, -1] - positions[:, -2]) / self.dt
        return fit_state(positions, positions.shape[1] - 1, (positions[:, -1], speed), physics)


def path_through(pos: Tensor, vel: Tensor, at: int, steps: int, physics: Dynamics) -> Tensor:
    """Positions (B, steps, K, 2) of all frames, rolled out both ways from the state (B, K, 2) at index ``at``."""
    parts = [physics.rollout(pos, vel, at, backwards=True)[0].flip(1)] if at else []
    parts.append(pos.unsqueeze(1))
    parts.extend([physics.rollout(pos, vel, steps - 1 - at)[0]] if at < steps - 1 else [])
    return torch.cat(parts, 1)


def fit_state(
    positions: Tensor, at: int, guess: tuple[Tensor, Tensor], physics: Dynamics, iterations: int = 3
) -> tuple[Tensor, Tensor]:
    """The state at one frame whose rollout, backwards and forwards, fits all positions best: Gauss-Newton.

    Only the last iteration carries gradients; by the implicit function theorem that is, but for second derivatives,
    the gradient of the solution with respect to positions and physical parameters.

    Args:
        positions: (B, T, K, 2), pixels.
        at: index of the frame in 0..T-1.
        guess: position (pixels) and velocity (pixels/s) there to start from, (B, K, 2) each.
    Returns:
        position and velocity at that frame, (B, K, 2) each.
    """
    b, steps, k, _ = positions.shape
    observed = positions.flatten(1)  # (B, T K 2)

    def trajectory(state: Tensor) -> Tensor:
        pos, vel = state.view(-1, 2, k, 2).unbind(1)
        return path_through(pos, vel * (1 / physics.dt), at, steps, physics).flatten(1)

    # Velocities in pixels per frame: all unknowns then have the same scale.
    state = torch.stack([guess[0], guess[1] * physics.dt], 1).flatten(1)  # (B, 4 K)
    n = state.shape[1]
    directions = torch.eye(n, dtype=state.dtype, device=state.device)
    for iteration in range(iterations):
        state = state.detach()
        with torch.no_grad():  # the Jacobian by forward differences, all directions in one batch
            probes = torch.cat([state.unsqueeze(1), state.unsqueeze(1) + PROBE * directions], 1)  # (B, 1 + n, n)
            values = trajectory(probes.flatten(0, 1)).view(b, 1 + n, -1)
            jacobian = ((values[:, 1:] - values[:, :1]) / PROBE).transpose(1, 2)  # (B, T K 2, n)
            normal = jacobian.mT @ jacobian + DAMPING * directions
        last = iteration == iterations - 1
        residual = observed - (trajectory(state) if last else values[:, 0])
        change = torch.linalg.solve_ex(normal, jacobian.mT @ residual.unsqueeze(-1)).result.squeeze(-1)
        state = state + change
    pos, vel = state.view(b, 2, k, 2).unbind(1)
    return pos, vel / physics.dt


VELOCITIES: dict[str, type[nn.Module]] = {
    "fit": FittedVelocity,
    "difference_mlp": DifferenceVelocity,
    "mlp": MLPVelocity,
}
