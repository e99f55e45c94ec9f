"""What the training scenes have in common, used to sharpen a state that is known from a few frames only."""

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from ..physics import Law
from ..state import State, ahead, fit_state

DEGREE = 3  # "all at one distance" is x_i (|x_i|^2 - |x_j|^2) = 0: a correction needs cubic terms to enforce it
STRENGTHS = tuple(10.0**e for e in range(-4, 7))  # of the ridge regression, tried in turn
SMALLEST_RANGE = 0.1  # pixels (per frame): what varies less is not stretched to -1..1
OUTLIER = 3.0  # scenes that the physics fits worse than so many medians teach nothing


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
