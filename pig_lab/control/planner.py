"""Planning by the cross-entropy method: sample torques, roll them out, sample again around the best.

An upright pendulum doubles an error within 0.2 s: candidates with full-size noise in every frame never hold it still.
Therefore candidates differ in size in the first round, later vary as the elites vary together, and the best ones stay.

Candidates of all episodes are one batch of the physics' own rollout: learned law, true law or a black box.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pig_core.physics import Dynamics
from pig_core.system import ConfigError

from .law import MAX_TORQUE

SMALLEST = 0.01  # of the full noise, for the candidate nearest to the plan so far


@dataclass(frozen=True)
class Planner:
    """The cross-entropy method.

    Args:
        horizon: frames looked ahead.
        candidates, rounds, elites: drawn in each round; how often; how many of them the next round is drawn around.
    Raises:
        ConfigError: for a number that is not allowed.
    """

    horizon: int = 30
    candidates: int = 200
    rounds: int = 4
    elites: int = 20

    def __post_init__(self) -> None:
        for name, least in (("horizon", 1), ("candidates", 2), ("rounds", 1), ("elites", 2)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.elites > self.candidates:
            raise ConfigError(f"elites must be at most candidates, {self.candidates}, got {self.elites}")

    def start(self, seeds: Sequence[int]) -> "Planning":
        """Begin episodes; each has its own seed, so its plans do not depend on the other episodes."""
        return Planning(self, [torch.Generator().manual_seed(7919 * int(seed) + 1) for seed in seeds])


class Planning:
    """Plans for episodes, step by step; each starts from the one before, shifted by one frame."""

    def __init__(self, planner: Planner, generators: list[torch.Generator]):
        self.planner, self.generators = planner, generators
        self.mean = torch.zeros(len(generators), planner.horizon, 1)
        self.elites = self.mean.unsqueeze(1).repeat(1, planner.elites, 1, 1)  # (E, elites, H, 1), the best first

    def skip(self) -> None:
        """A frame passes without a plan."""
        self._noise()

    def _noise(self) -> list[tuple[Tensor, Tensor]]:
        """Standard normal numbers of each round: (E, N, H, 1), and (E, N / 2, elites) to mix elites with."""
        planner = self.planner
        shapes = (planner.candidates, planner.horizon, 1), (planner.candidates // 2, planner.elites)
        rounds = [[[torch.randn(shape, generator=g) for shape in shapes] for g in self.generators]
                  for _ in range(planner.rounds)]  # fmt: skip
        return [tuple(torch.stack(each) for each in zip(*drawn, strict=True)) for drawn in rounds]

    def _around_plan(self, white: Tensor) -> Tensor:
        """First round: from the full range of torques to a hundredth of it around the plan of the frame before."""
        sizes = torch.logspace(0, math.log10(SMALLEST), white.shape[1])[:, None, None]
        return self.mean.unsqueeze(1) + MAX_TORQUE * sizes * white

    def _around_elites(self, white: Tensor, mixed: Tensor) -> Tensor:
        """Later: half of them with every frame by itself, half as the elites vary together over all frames."""
        mean, off = self.mean.unsqueeze(1), self.elites - self.mean.unsqueeze(1)  # (E, elites, H, 1)
        alone = off.std(1, keepdim=True) * white[:, mixed.shape[1] :]
        together = (mixed @ off.squeeze(-1)).unsqueeze(-1) / math.sqrt(off.shape[1])
        return mean + torch.cat([alone, together], 1)

    @torch.no_grad()
    def step(self, pos: Tensor, vel: Tensor, physics: Dynamics, goal: Tensor) -> Tensor:
        """Torques (E, H, 1) from states (E, 1, D) towards goal angles (E,), radians from upright.

        The physics converts its rollout with ``angles`` and ``speeds``; it may have other constants in each episode.
        """
        n, e, kept = self.planner.candidates, len(self.mean), self.planner.elites // 2
        pos, vel, goal = (x.repeat_interleave(n, 0) for x in (pos, vel, goal))
        for number, (white, mixed) in enumerate(self._noise()):
            drawn = self._around_elites(white, mixed) if number else self._around_plan(white)
            known = torch.cat([self.mean.unsqueeze(1), self.elites[:, :kept]], 1)
            tried = torch.cat([known, drawn[:, 1 + kept :]], 1).clamp(-MAX_TORQUE, MAX_TORQUE)  # (E, N, H, 1)
            torques = tried.flatten(0, 1)
            path, speeds = physics.rollout(pos, vel, self.planner.horizon, torques)
            costs = cost(physics.angles(path), physics.speeds(path, speeds), torques[..., 0], goal[:, None])
            costs = costs.sum(1).view(e, n)
            best = costs.topk(self.planner.elites, largest=False).indices
            self.elites = tried.take_along_dim(best[:, :, None, None], 1)
            self.mean = self.elites.mean(1)
        plan = self.mean
        # Shifted by one frame; the last torque is repeated.
        self.mean, self.elites = (torch.cat([x[..., 1:, :], x[..., -1:, :]], -2) for x in (self.mean, self.elites))
        return plan


def cost(angles: Tensor, speeds: Tensor, torques: Tensor, goal: Tensor) -> Tensor:
    """The environment's cost with the distance from a goal: angle^2 + speed^2 / 10 + torque^2 / 1000."""
    off = torch.remainder(angles - goal + math.pi, 2 * math.pi) - math.pi
    return off.square() + 0.1 * speeds.square() + 0.001 * torques.square()
