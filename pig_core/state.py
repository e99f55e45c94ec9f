"""Positions of the first L frames to the state (position and velocity) at frame L, from which physics rolls out.

Positions are coordinates of the law, (B, T, K, D): pixels, if it has no inner ones. Actions are what acts from outside
between one frame and the next, (B, T - 1, A), or None.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .physics import Dynamics, Law

# Least squares by Gauss-Newton, many small problems at once: states of scenes, positions in frames, constants.


def differences(function: Callable[[Tensor], Tensor], state: Tensor, probe: float) -> tuple[Tensor, Tensor]:
    """A function's values (B, M) at states (B, n), and its Jacobians (B, M, n) by forward differences.

    Args:
        function: (B', n) to (B', M); asked for n + 1 times as many states in one batch.
        probe: what each unknown is moved by, in its own unit.
    """
    directions = torch.eye(state.shape[1], dtype=state.dtype, device=state.device)
    probes = torch.cat([state.unsqueeze(1), state.unsqueeze(1) + probe * directions], 1)  # (B, 1 + n, n)
    values = function(probes.flatten(0, 1)).unflatten(0, probes.shape[:2])  # (B, 1 + n, M)
    return values[:, 0], ((values[:, 1:] - values[:, :1]) / probe).mT


def solve(jacobian: Tensor, residual: Tensor, damping: float = 0.0) -> Tensor:
    """The step (B, n) that takes residuals (B, M) away best to first order, given Jacobians (B, M, n)."""
    unknowns = jacobian.shape[-1]
    normal = jacobian.mT @ jacobian + damping * torch.eye(unknowns, dtype=jacobian.dtype, device=jacobian.device)
    return torch.linalg.solve_ex(normal, jacobian.mT @ residual.unsqueeze(-1)).result.squeeze(-1)


def gauss_newton(
    function: Callable[[Tensor], Tensor], observed: Tensor, state: Tensor, iterations: int, probe: float, damping: float
) -> Tensor:
    """States (B, n) whose values are nearest to what was observed, (B, M).

    Only the last iteration carries gradients; by the implicit function theorem that is, but for second derivatives,
    the gradient of the solution with respect to ``observed`` and whatever else the function depends on.

    Args:
        state: where to start, (B, n).
    """
    for iteration in range(iterations):
        state = state.detach()
        with torch.no_grad():
            values, jacobian = differences(function, state, probe)
        last = iteration == iterations - 1
        residual = observed - (function(state) if last else values)
        state = state + solve(jacobian, residual, damping)
    return state


PROBE = 1e-2  # pixels, and pixels per frame, that a state is moved by to see how its trajectory changes
DAMPING = 1e-4  # of the Gauss-Newton steps
State = tuple[Tensor, Tensor]  # position and velocity, (B, K, D) each


class Velocity(nn.Module):
    """Estimates the state at frame L.

    Args:
        input_steps: L.
        dt: time between two frames, seconds.
        dimensions: D, coordinates of an object.
    """

    def __init__(self, input_steps: int, n_objects: int, dt: float, dimensions: int = 2):
        super().__init__()
        self.dt = dt

    def forward(self, positions: Tensor, physics: Dynamics, actions: Tensor | None = None) -> State:
        """Positions (B, L, K, D) to position and velocity at frame L, (B, K, D) each."""
        raise NotImplementedError

    def anchored(self, positions: Tensor, physics: Dynamics, actions: Tensor | None = None) -> State:
        """The same state, or, where the law cannot be taken back in time, the one at frame 1 that leads to it."""
        return self(positions, physics, actions)


def tanh_mlp(inputs: int, outputs: int) -> nn.Sequential:
    """The network of the authors' velocity estimator."""
    return nn.Sequential(nn.Linear(inputs, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, outputs))


class MLPVelocity(Velocity):
    """The paper: one MLP, shared by the objects, on an object's L raw positions."""

    def __init__(self, input_steps: int, n_objects: int, dt: float, dimensions: int = 2):
        super().__init__(input_steps, n_objects, dt)
        self.mlp = tanh_mlp(dimensions * input_steps, dimensions)

    def forward(self, positions: Tensor, physics: Dynamics, actions: Tensor | None = None) -> State:
        return positions[:, -1], self.mlp(positions.transpose(1, 2).flatten(2))


class LinearVelocity(Velocity):
    """The authors' option ``alt_vel``: one linear layer on the L-1 differences of an object's positions."""

    def __init__(self, input_steps: int, n_objects: int, dt: float, dimensions: int = 2):
        super().__init__(input_steps, n_objects, dt)
        self.linear = nn.Linear(dimensions * (input_steps - 1), dimensions)

    def forward(self, positions: Tensor, physics: Dynamics, actions: Tensor | None = None) -> State:
        return positions[:, -1], self.linear(positions.diff(dim=1).transpose(1, 2).flatten(2))


class FittedVelocity(Velocity):
    """The state whose rollout through the physics fits all L positions best.

    Nothing is learned here, so nothing can compensate for a wrong k, l or g.
    """

    def forward(self, positions: Tensor, physics: Law, actions: Tensor | None = None) -> State:
        """As :meth:`Velocity.forward`; the position at frame L is fitted, too."""
        state = self.anchored(positions, physics, actions)
        return state if physics.reversible else ahead(*state, positions.shape[1] - 1, physics, actions)

    def anchored(self, positions: Tensor, physics: Law, actions: Tensor | None = None) -> State:
        at = positions.shape[1] - 1 if physics.reversible else 0
        return fit_state(positions, at, guess_state(positions, at, physics, actions), physics, actions=actions)


def ahead(pos: Tensor, vel: Tensor, steps: int, physics: Law, actions: Tensor | None = None) -> State:
    """The state ``steps`` frames later."""
    return tuple(path[:, -1] for path in physics.rollout(pos, vel, steps, actions))


def path_through(pos: Tensor, vel: Tensor, at: int, steps: int, physics: Law, actions: Tensor | None = None) -> Tensor:
    """Positions (B, steps, K, D) of all frames, rolled out both ways from the state (B, K, D) at index ``at``."""
    before, after = (None, None) if actions is None else (actions[:, :at].flip(1), actions[:, at:])
    earlier = [physics.rollout(pos, vel, at, before, backwards=True)[0].flip(1)] if at else []
    later = [physics.rollout(pos, vel, steps - 1 - at, after)[0]] if at < steps - 1 else []
    return torch.cat([*earlier, pos.unsqueeze(1), *later], 1)


def guess_state(positions: Tensor, at: int, physics: Law, actions: Tensor | None = None) -> State:
    """The state at one frame after two positions beside it: where :func:`fit_state`, which see, can start."""
    vel = (positions[:, max(at, 1)] - positions[:, max(at, 1) - 1]) / physics.dt
    if not physics.reversible:  # less what the first frame adds: a guess above a law's top speed never comes down
        push = physics.acceleration(positions[:, 0], vel, None if actions is None else actions[:, 0])
        vel = vel if push is None else vel - push * physics.dt * (1 + 1 / physics.substeps) / 2
    return positions[:, at], vel


def fit_state(
    positions: Tensor, at: int, guess: State, physics: Law, iterations: int = 3, actions: Tensor | None = None
) -> State:
    """The state at one frame whose rollout, backwards and forwards, fits all positions best.

    Its gradient with respect to positions and constants is that of :func:`gauss_newton`.

    Args:
        positions: (B, T, K, D).
        at: index of the frame in 0..T-1; must be 0 for a law that is not reversible.
        guess: the state there to start from.
    """
    b, steps, k, d = positions.shape

    def trajectory(state: Tensor) -> Tensor:
        pos, vel = state.view(-1, 2, k, d).unbind(1)
        pushed = None if actions is None else actions.repeat_interleave(len(state) // b, 0)
        return path_through(pos, vel * (1 / physics.dt), at, steps, physics, pushed).flatten(1)

    # Velocities in pixels per frame: all unknowns then have the same scale.
    state = torch.stack([guess[0], guess[1] * physics.dt], 1).flatten(1)  # (B, 2 K D)
    state = gauss_newton(trajectory, positions.flatten(1), state, iterations, PROBE, DAMPING)
    pos, vel = state.view(b, 2, k, d).unbind(1)
    return pos, vel / physics.dt
