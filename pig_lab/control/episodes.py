"""Episodes: frames give a state, the state a plan, and the plan's first torque acts; many episodes at a time."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pig_core.model import PAIG, to_video
from pig_core.physics import Dynamics
from pig_core.state import State, gauss_newton
from pig_core.system import ConfigError, Progress

from .law import STEPS, Pendulum, Pendulums
from .planner import Planner, cost

WAIT = 3  # frames without a torque at the start, until there are enough to estimate a speed: L - 1
WEIGHED = tuple(range(8, 20, 3))  # frames after which gravity is estimated on the way to the last estimate
PRIOR = 0.01  # radians: how far off an angle has to be to count as much as gravity that is off by a factor of e
HELD_STEPS, HELD_DEGREES = 50, 5.0  # a goal is held if the angle is that near throughout the last so many frames
GUESSES = (0.35, 0.6, 1.0, 1.6, 2.5)  # times the gravity believed so far: where its estimate starts


class TrueState:
    """Gets the environment's state, and plans with the given physics.

    Args:
        later: the physics to plan with from frame ``after`` on; None: the same.
    """

    def __init__(self, physics: Pendulum, later: Pendulum | None = None, after: int = WEIGHED[0]):
        self.physics, self.later, self.after, self.seen = physics, later, after, 0

    def watch(self, pendulums: Pendulums) -> None:
        self.states = torch.from_numpy(pendulums.states).float()
        self.seen += 1
        if self.later is not None and self.seen == self.after:
            self.physics = self.later

    def acted(self, torques: Tensor) -> None:
        pass

    def state(self) -> State:
        return self.states[:, :1, None], self.states[:, 1:, None]


class Pixels:
    """Gets frames and its own torques only.

    Args:
        physics: to plan with; None: the model's own.
        weigh_after: frames after which gravity is estimated for the last time, for each episode by itself, after
            earlier estimates at the frames ``WEIGHED``; 0: never.
    """

    def __init__(self, model: PAIG, physics: Dynamics | None = None, weigh_after: int = 0):
        self.model, self.physics, self.weigh_after = model, physics or model.physics, weigh_after
        self.believed = self.physics  # before any frame was seen
        self.positions: list[Tensor] = []  # (E, 1, 2) of each frame so far, pixels
        self.torques: list[Tensor] = []  # (E, 1)
        self.weighed: np.ndarray | None = None  # (E,) the gravity that was estimated

    @torch.no_grad()
    def watch(self, pendulums: Pendulums) -> None:
        frames = to_video(torch.from_numpy(pendulums.frames()))
        self.positions.append(self.model.encode_frames(frames)[0])
        seen = len(self.positions)
        if seen == self.weigh_after or (seen < self.weigh_after and seen in WEIGHED):
            gravity = estimate_gravity(self.believed, torch.stack(self.positions, 1), torch.stack(self.torques, 1))
            self.physics, self.weighed = self.believed.given(g=gravity[:, None, None]), gravity.numpy()

    def acted(self, torques: Tensor) -> None:
        self.torques.append(torques[:, None])

    @torch.no_grad()
    def state(self) -> State:
        last = self.model.input_steps
        positions, torques = torch.stack(self.positions[-last:], 1), torch.stack(self.torques[1 - last :], 1)
        return self.model.velocity(self.physics.coordinates(positions), self.physics, torques)


@dataclass
class Episodes:
    """E episodes of T frames."""

    states: np.ndarray  # (E, T + 1, 2) true angles, radians, and angular speeds, radians per second
    torques: np.ndarray  # (E, T)
    rewards: np.ndarray  # (E, T)
    goal: float  # radians from upright
    plan_seconds: float = 0.0  # of the CPU, for the states and plans of all frames
    gravity: np.ndarray | None = None  # (E,) estimated from the frames, m/s^2

    @property
    def returns(self) -> np.ndarray:
        """Sums of rewards, (E,)."""
        return self.rewards.sum(1)

    @property
    def off(self) -> np.ndarray:
        """Distances from the goal at each frame, degrees, (E, T + 1)."""
        return np.degrees(np.abs(np.mod(self.states[..., 0] - self.goal + np.pi, 2 * np.pi) - np.pi))

    @property
    def held(self) -> np.ndarray:
        """Whether the goal was held at the end, (E,)."""
        return self.off[:, -HELD_STEPS:].max(1) <= HELD_DEGREES


def checked_goal(degrees: float) -> float:
    """A goal in radians.

    Raises:
        ConfigError: for anything but a finite number of degrees.
    """
    if isinstance(degrees, bool) or not isinstance(degrees, int | float) or not math.isfinite(degrees):
        raise ConfigError(f"goal must be a number of degrees from upright, e.g. 0, -20 or 180, got {degrees!r}")
    return math.radians(degrees)


def play(
    pendulums: Pendulums,
    seeds: Sequence[int],
    driver: TrueState | Pixels,
    planner: Planner,
    degrees: float = 0.0,
    steps: int = STEPS,
    name: str = "episodes",
) -> Episodes:
    """Play one episode from each reset seed, all at a time; the driver gives states and physics, the planner torques.

    Args:
        degrees: the goal, from upright; rewards are the environment's, with the distance from this goal.
    """
    goal = checked_goal(degrees)
    states, torques = [pendulums.reset(seeds)], []
    planning = planner.start(seeds)
    goals = torch.full((len(seeds),), goal)
    planned = 0.0
    with Progress(name, steps, interval=50) as progress:
        for t in range(steps):
            driver.watch(pendulums)
            if t < WAIT:
                planning.skip()
                torque = torch.zeros(len(seeds))
            else:
                started = time.process_time()
                torque = planning.step(*driver.state(), driver.physics, goals)[:, 0, 0]
                planned += time.process_time() - started
            driver.acted(torque)
            pendulums.step(torque.numpy())
            torques.append(torque.numpy())
            states.append(pendulums.states)
            progress.advance()
    states, torques = np.stack(states, 1), np.stack(torques, 1)
    reward = -cost(*(torch.from_numpy(x) for x in (states[:, :-1, 0], states[:, :-1, 1], torques)), torch.tensor(goal))
    return Episodes(states, torques, reward.numpy(), goal, planned, getattr(driver, "weighed", None))


@torch.no_grad()
def estimate_gravity(physics: Pendulum, positions: Tensor, torques: Tensor) -> Tensor:
    """Gravity (E,), m/s^2, that fits the frames of E episodes best, each with its own start.

    Where frames contain no information, such as upright at rest, it stays near the gravity of ``physics``.

    Args:
        physics: with the gravity believed so far.
        positions: (E, T, 1, 2), pixels, and torques (E, T - 1, 1).
    """
    angles = physics.coordinates(positions)[..., 0, 0].double()  # (E, T)
    e, frames, pushed, dt = len(angles), angles.shape[1], torques.double(), physics.dt

    def path(unknown: Tensor) -> Tensor:
        """Angles (B, T) from starts and log gravity, (B, 3); the last entry is the prior's."""
        angle, step, log = (x[:, None, None] for x in unknown.unbind(1))
        law, acts = physics.given(g=log.exp()).double(), pushed.repeat_interleave(len(unknown) // e, 0)
        rolled, _ = law.rollout(angle, step / dt, frames - 1, acts)
        return torch.cat([angle, rolled[..., 0], PRIOR * log], 1)[..., 0]

    found, errors = [], []
    believed = physics.value("g").double().flatten().expand(e)
    wanted = torch.cat([angles, PRIOR * believed.log()[:, None]], 1)
    for factor in GUESSES:
        start = torch.stack([angles[:, 0], angles[:, 1] - angles[:, 0], (factor * believed).log()], 1)
        unknown = gauss_newton(path, wanted, start, 12, 1e-4, 1e-9)
        error = (path(unknown) - wanted).square().sum(1)
        found.append(unknown[:, 2].exp())
        errors.append(torch.where(error.isfinite(), error, torch.inf))
    best = torch.stack(errors).argmin(0, keepdim=True)
    return torch.stack(found).gather(0, best)[0].float()
