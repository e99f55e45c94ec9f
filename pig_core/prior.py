"""What the training scenes have in common, used to sharpen a state that is known from four frames only.

Positions are seen to 0.03 pixels, which four frames turn into 0.03 pixels per frame of velocity: over thirty
frames of three chaotic bodies that is several pixels. But scenes do not start anywhere: three bodies, for example,
start at one distance from their middle and at one speed. Nobody tells the model. It finds out by comparing what the
first L frames say about the start of a training scene with what all L+P frames say.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from .physics import Dynamics
from .velocity import fit_state

DEGREE = 3  # "all at one distance" is x_i (|x_i|^2 - |x_j|^2) = 0: a correction needs cubic terms to enforce it
STRENGTHS = tuple(10.0**e for e in range(-4, 7))  # of the ridge regression, tried in turn
SMALLEST_RANGE = 0.1  # pixels (per frame): what varies less is not stretched to -1..1
OUTLIER = 3.0  # scenes that the physics fits worse than so many medians teach nothing


class StartPrior(nn.Module):
    """Correction of the state at a scene's first frame: a cubic polynomial, by ridge regression.

    Args:
        input_steps: L; the state to correct is that at frame L.
    """

    def __init__(self, input_steps: int, n_objects: int):
        super().__init__()
        self.input_steps = input_steps
        n = 4 * n_objects
        terms = list(combinations_with_replacement(range(n + 1), DEGREE))  # index 0 stands for the constant 1
        self.register_buffer("terms", torch.tensor(terms), persistent=False)  # (F, 3)
        self.register_buffer("weight", torch.zeros(len(terms), n))  # zero: no correction
        self.register_buffer("low", torch.zeros(n))
        self.register_buffer("high", torch.ones(n))

    def forward(self, pos: Tensor, vel: Tensor, physics: Dynamics) -> tuple[Tensor, Tensor]:
        """A state at frame L, pixels and pixels/s, (B, K, 2) each, to a more probable one."""
        start = self._start(pos, vel, physics)
        start = start + self.features(start) @ self.weight
        pos, vel = start.unflatten(1, (2, -1, 2)).unbind(1)
        positions, velocities = physics.rollout(pos, vel / physics.dt, self.input_steps - 1)
        return positions[:, -1], velocities[:, -1]

    def _start(self, pos: Tensor, vel: Tensor, physics: Dynamics) -> Tensor:
        """The state at frame 1 that leads to the given one at frame L, (B, 4 K), pixels and pixels per frame."""
        positions, velocities = physics.rollout(pos, vel, self.input_steps - 1, backwards=True)
        return torch.stack([positions[:, -1], velocities[:, -1] * physics.dt], 1).flatten(1)

    def features(self, start: Tensor) -> Tensor:
        """All products of up to three components of (B, 4 K), scaled to -1..1 in the training scenes: (B, F).

        What lies outside of the training scenes counts as if it lay at their edge: a cubic does not extrapolate.
        """
        z = (2 * (start - self.low) / (self.high - self.low) - 1).clamp(-1, 1)
        return torch.cat([torch.ones_like(z[:, :1]), z], 1)[:, self.terms].prod(-1)

    @torch.no_grad()
    def learn(self, positions: Tensor, pos: Tensor, vel: Tensor, physics: Dynamics) -> None:
        """Learn from scenes: positions (N, L+P, K, 2) and the states at frame L estimated from the first L frames.

        The strength of the regression is the one with the smallest leave-one-out error; if no strength is better
        than no correction, there is none.
        """
        at = self.input_steps - 1
        best = fit_state(positions, at, (pos, vel), physics, iterations=6)
        ahead, _ = physics.rollout(*best, positions.shape[1] - self.input_steps)
        residual = (ahead - positions[:, self.input_steps :]).square().mean((1, 2, 3)).sqrt()
        start, target = self._start(pos, vel, physics), self._start(*best, physics)
        good = (residual <= OUTLIER * residual.nanmedian()) & (start.isfinite() & target.isfinite()).all(1)
        self.weight.zero_()
        if good.sum() < 2:
            return
        start, target = start[good], target[good]
        self.low.copy_(start.amin(0))
        self.high.copy_(start.amax(0).clamp_min(self.low + SMALLEST_RANGE))
        features, wanted = self.features(start).double(), (target - start).double()
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
