"""What the recipe ``improved`` adds to positions and states: refinement through the decoder, and the start prior.

Refinement is inverse graphics taken literally: positions move until the drawn frame fits the observed one. The prior
corrects the state of a scene by what the starts of the training scenes have in common.
"""

import math
from collections.abc import Callable
from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from .physics import Law
from .state import State, ahead, fit_state, solve

PROBE, LARGEST = 0.5, 2.0  # pixels an object is moved by to see how the frame changes, and by at most in one step
DAMPING = 1e-2
Drawing = Callable[[Tensor], Tensor]  # of positions (N, K, 2), pixels, as frames (N, C, S, S)


@torch.no_grad()
def refine(drawing: Drawing, frames: Tensor, positions: Tensor, steps: int, search: float = 0.0) -> Tensor:
    """Move all positions of a frame at once until what is drawn fits it best, by Gauss-Newton on the squared error.

    A centre of mass is off where an object is cut by the border or covered by another; drawing both is not. What
    is returned is the best place on the way: a step can make the error of a frame larger.

    Args:
        frames: (N, C, S, S) in [0, 1].
        positions: first guess, (N, K, 2) in pixels.
        search: start from the best of the first guess and eight places around each object, so many pixels away;
            detailed objects, such as digits, fit with a wrong part of themselves, too. 0: from the first guess.
    Returns:
        refined positions (N, K, 2), without gradient.
    """
    shape, observed = positions.shape, frames.flatten(1)  # (N, C S S)
    if search:
        positions = _best_around(drawing, frames, positions, search)

    def draw(places: Tensor) -> Tensor:
        return drawing(places.view(shape)).flatten(1)

    places = best = positions.flatten(1)  # (N, 2 K)
    moves = PROBE * torch.eye(places.shape[1], device=places.device)
    smallest = None
    for step in range(steps + 1):
        drawn = draw(places)
        error = (observed - drawn).square().sum(1)
        smallest = error if smallest is None else smallest
        best = torch.where((error < smallest).unsqueeze(1), places, best)
        smallest = torch.minimum(error, smallest)
        if step < steps:
            # One move after the other: all at once would need 2 K times the memory and is not faster.
            jacobian = torch.stack([(draw(places + move) - drawn) / PROBE for move in moves], 1).mT
            places = places + solve(jacobian, observed - drawn, DAMPING).clamp(-LARGEST, LARGEST)
    return best.view(shape)


def _best_around(drawing: Drawing, frames: Tensor, positions: Tensor, distance: float) -> Tensor:
    """The given positions, (N, K, 2), or with one object moved by ``distance`` in one of eight directions."""
    angles = torch.arange(8, device=positions.device) * math.pi / 4
    ring = distance * torch.stack([angles.cos(), angles.sin()], -1)  # (8, 2)
    k = positions.shape[1]
    moves = torch.zeros(1 + 8 * k, k, 2, device=positions.device)  # the first one stays
    for index in range(k):
        moves[1 + 8 * index : 9 + 8 * index, index] = ring
    errors = [(frames - drawing(positions + move)).square().sum((1, 2, 3)) for move in moves]
    return positions + moves[torch.stack(errors).argmin(0)]


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
