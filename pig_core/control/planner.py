"""Planning by the cross-entropy method: draw torques, roll them out, keep the best, draw around those.

All candidates of all episodes are one batch of the physics' own rollout, so what plans with a learned law plans with
the true one, or with a black box, too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..common.errors import ConfigError
from ..physics import Dynamics
from .environment import MAX_TORQUE


@dataclass(frozen=True)
class Plan:
    """What was planned for each of E episodes."""

    torques: Tensor  # (E, H, 1) the mean of the last round's elites
    candidates: Tensor  # (E, N, H, 1) what was tried in the last round
    costs: Tensor  # (E, N) what each would cost


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
        """Begin episodes; the seed of each fixes its random numbers, whoever else is planned for beside it."""
        return Planning(self, [torch.Generator().manual_seed(7919 * int(seed) + 1) for seed in seeds])


class Planning:
    """Plans for episodes, step by step; each starts from where the one before it ended, one frame on."""

    def __init__(self, planner: Planner, generators: list[torch.Generator]):
        self.planner, self.generators = planner, generators
        self.mean = torch.zeros(len(generators), planner.horizon, 1)

    def skip(self) -> None:
        """A frame passes without a plan."""
        self._noise()

    def _noise(self) -> Tensor:
        """Standard normal numbers of one step, (rounds, E, N, H, 1)."""
        shape = (self.planner.rounds, self.planner.candidates, self.planner.horizon, 1)
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators], 1)

    @torch.no_grad()
    def step(self, pos: Tensor, vel: Tensor, physics: Dynamics, goal: Tensor) -> Plan:
        """Plan from states (E, 1, D) each towards goal angles (E,), radians from upright.

        A physics says what of its rollout is an angle and a speed (``angles``, ``speeds``), and may have constants of
        its own for every episode.
        """
        planner, mean = self.planner, self.mean
        std = torch.full_like(mean, MAX_TORQUE)
        n, e = planner.candidates, len(mean)
        pos, vel, goal = (x.repeat_interleave(n, 0) for x in (pos, vel, goal))
        for noise in self._noise():
            tried = (mean.unsqueeze(1) + std.unsqueeze(1) * noise).clamp(-MAX_TORQUE, MAX_TORQUE)  # (E, N, H, 1)
            torques = tried.flatten(0, 1)
            path, speeds = physics.rollout(pos, vel, planner.horizon, torques)
            costs = cost(physics.angles(path), physics.speeds(path, speeds), torques[..., 0], goal[:, None])
            costs = costs.sum(1).view(e, n)
            best = costs.topk(planner.elites, largest=False).indices
            chosen = tried.take_along_dim(best[:, :, None, None], 1)  # (E, elites, H, 1)
            mean, std = chosen.mean(1), chosen.std(1)
        self.mean = torch.cat([mean[:, 1:], torch.zeros_like(mean[:, :1])], 1)
        return Plan(mean, tried, costs)


def cost(angles: Tensor, speeds: Tensor, torques: Tensor, goal: Tensor) -> Tensor:
    """The environment's own, with another goal than upright: angle^2 + speed^2 / 10 + torque^2 / 1000."""
    off = torch.remainder(angles - goal + math.pi, 2 * math.pi) - math.pi
    return off.square() + 0.1 * speeds.square() + 0.001 * torques.square()
