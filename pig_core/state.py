"""Positions of the first L frames to the state (position and velocity) at frame L, from which physics rolls out.

Positions are coordinates of the law, (B, T, K, D): pixels, if it has no inner ones. Actions are what acts from outside
between one frame and the next, (B, T - 1, A), or None.
"""

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from .gauss_newton import gauss_newton
from .physics import Dynamics, Law

PROBE = 1e-2  # pixels, and pixels per frame, that a state is moved by to see how its trajectory changes
DAMPING = 1e-4  # of the Gauss-Newton steps

DEGREE = 3  # "all at one distance" is x_i (|x_i|^2 - |x_j|^2) = 0: a correction needs cubic terms to enforce it
STRENGTHS = tuple(10.0**e for e in range(-4, 7))  # of the ridge regression, tried in turn
SMALLEST_RANGE = 0.1  # pixels (per frame): what varies less is not stretched to -1..1
OUTLIER = 3.0  # scenes that the physics fits worse than so many medians teach nothing

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
        step = positions[:, max(at, 1)] - positions[:, max(at, 1) - 1]
        return fit_state(positions, at, (positions[:, at], step / self.dt), physics, actions=actions)


VELOCITIES: dict[str, type[Velocity]] = {"fit": FittedVelocity, "mlp": MLPVelocity}


def ahead(pos: Tensor, vel: Tensor, steps: int, physics: Law, actions: Tensor | None = None) -> State:
    """The state ``steps`` frames later."""
    positions, velocities = physics.rollout(pos, vel, steps, actions)
    return positions[:, -1], velocities[:, -1]


def path_through(pos: Tensor, vel: Tensor, at: int, steps: int, physics: Law, actions: Tensor | None = None) -> Tensor:
    """Positions (B, steps, K, D) of all frames, rolled out both ways from the state (B, K, D) at index ``at``."""
    before, after = (None, None) if actions is None else (actions[:, :at].flip(1), actions[:, at:])
    parts = [physics.rollout(pos, vel, at, before, backwards=True)[0].flip(1)] if at else []
    parts.append(pos.unsqueeze(1))
    parts.extend([physics.rollout(pos, vel, steps - 1 - at, after)[0]] if at < steps - 1 else [])
    return torch.cat(parts, 1)


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


class StartPrior(nn.Module):
    """Correction of the state at a scene's first frame by what the starts of the training scenes have in common.

    Positions are seen to 0.03 pixels, which four frames turn into 0.03 pixels per frame of velocity: over thirty
    frames of three chaotic bodies that is several pixels. But scenes do not start anywhere: three bodies, for example,
    start at one distance from their middle and at one speed. Nobody tells the model. It finds out by comparing what the
    first L frames say about the start of a training scene with what all L+P frames say. The correction is a cubic
    polynomial, by ridge regression. States are anchored as by :meth:`Velocity.anchored`.

    Args:
        input_steps: L; the state to correct is that at frame L.
    """

    def __init__(self, input_steps: int, n_objects: int, dimensions: int = 2):
        super().__init__()
        self.input_steps = input_steps
        n = 2 * dimensions * n_objects
        terms = list(combinations_with_replacement(range(n + 1), DEGREE))  # index 0 stands for the constant 1
        self.register_buffer("terms", torch.tensor(terms), persistent=False)  # (F, 3)
        self.register_buffer("weight", torch.zeros(len(terms), n))  # zero: no correction
        self.register_buffer("low", torch.zeros(n))
        self.register_buffer("high", torch.ones(n))

    def forward(self, pos: Tensor, vel: Tensor, physics: Law, actions: Tensor | None = None) -> State:
        """An anchored state, (B, K, D) each, to a more probable one at frame L."""
        start = self._start(pos, vel, physics, actions)
        start = start + self.features(start) @ self.weight
        pos, vel = start.unflatten(1, (2, *pos.shape[1:])).unbind(1)
        return ahead(pos, vel / physics.dt, self.input_steps - 1, physics, actions)

    def _start(self, pos: Tensor, vel: Tensor, physics: Law, actions: Tensor | None) -> Tensor:
        """The state at frame 1 of an anchored one, (B, 2 K D), pixels and pixels per frame."""
        if physics.reversible:
            before = None if actions is None else actions[:, : self.input_steps - 1].flip(1)
            positions, velocities = physics.rollout(pos, vel, self.input_steps - 1, before, backwards=True)
            pos, vel = positions[:, -1], velocities[:, -1]
        return torch.stack([pos, vel * physics.dt], 1).flatten(1)

    def features(self, start: Tensor) -> Tensor:
        """All products of up to three components of (B, 2 K D), scaled to -1..1 in the training scenes: (B, F).

        What lies outside of the training scenes counts as if it lay at their edge: a cubic does not extrapolate.
        """
        z = (2 * (start - self.low) / (self.high - self.low) - 1).clamp(-1, 1)
        return torch.cat([torch.ones_like(z[:, :1]), z], 1)[:, self.terms].prod(-1)

    @torch.no_grad()
    def learn(self, positions: Tensor, pos: Tensor, vel: Tensor, physics: Law, actions: Tensor | None = None) -> None:
        """Learn from scenes: positions (N, L+P, K, D) and the anchored states estimated from the first L frames.

        The strength of the regression is the one with the smallest leave-one-out error; if no strength is better
        than no correction, there is none.
        """
        at = self.input_steps - 1 if physics.reversible else 0
        best = fit_state(positions, at, (pos, vel), physics, iterations=6, actions=actions)
        later = None if actions is None else actions[:, at:]
        rolled, _ = physics.rollout(*best, positions.shape[1] - 1 - at, later)
        rolled = rolled[:, self.input_steps - 1 - at :]  # the frames after the first L
        residual = (rolled - positions[:, self.input_steps :]).square().mean((1, 2, 3)).sqrt()
        start, target = self._start(pos, vel, physics, actions), self._start(*best, physics, actions)
        good = (residual <= OUTLIER * residual.nanmedian()) & (start.isfinite() & target.isfinite()).all(1)
        self.weight.zero_()
        if good.sum() < 2:
            return
        start, target = start[good], target[good]
        self.low.copy_(start.amin(0))
        self.high.copy_(start.amax(0).clamp_min(self.low + SMALLEST_RANGE))
        self._regress(self.features(start).double(), (target - start).double())

    def _regress(self, features: Tensor, wanted: Tensor) -> None:
        """Ridge regression (N, F) to (N, 2 K D); keeps the weights that are zero if nothing is better."""
        scale = features.square().mean(0).sqrt().clamp_min(1e-6)
        u, s, vt = torch.linalg.svd(features / scale, full_matrices=False)
        projected, smallest = u.mT @ wanted, wanted.square().mean()
        for strength in STRENGTHS:
            kept = s**2 / (s**2 + strength)
            leverage = (u.square() * kept).sum(1, keepdim=True)
            error = ((wanted - (u * kept) @ projected) / (1 - leverage)).square().mean()
            if error < smallest:
                smallest = error
                gain = s / (s**2 + strength)
                self.weight.copy_((vt.mT @ (gain.unsqueeze(1) * projected)) / scale.unsqueeze(1))
