"""The law of ``Pendulum-v1`` as a model learns it, and the task: one angle, one torque, two unknowns."""

import copy
import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from skimage.transform import resize_local_mean
from torch import Tensor

from pig_core.physics import Constant, Law
from pig_core.system import ConfigError, RunError
from pig_core.tasks import Task

SIZE = 64  # side of the frames that a model sees, pixels
RENDERED = 500  # of the renderer's own
DT = 0.05  # seconds between two frames
STEPS = 200  # of an episode
MAX_SPEED, MAX_TORQUE = 8.0, 2.0  # rad/s, and what is cut off beyond it
TRUE_GRAVITY = 10.0  # m/s^2, the environment's own
INSTALL = "python -m pip install -e '.[control]'"


def gymnasium():
    """The library, with frames drawn in memory: no window, no greeting.

    Raises:
        RunError: where it or ``pygame``, its renderer, is missing; says how to install them.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import gymnasium
        import pygame  # noqa: F401, so that a missing one is reported now, not at the first frame
    except ImportError as error:
        raise RunError(f"the pendulum needs {error.name}, which is not installed: {INSTALL}") from None
    return gymnasium


class Pendulums:
    """Environments that are stepped and filmed together.

    Args:
        n: how many.
        gravity: m/s^2, above 0.
        arrow: whether the frames show the last torque, as the environment draws it.
    """

    def __init__(self, n: int, gravity: float = TRUE_GRAVITY, arrow: bool = True):
        if type(n) is not int or n < 1:
            raise ConfigError(f"the number of episodes must be a whole number of at least 1, got {n!r}")
        if isinstance(gravity, bool) or not isinstance(gravity, int | float) or not 0 < gravity < float("inf"):
            raise ConfigError(f"gravity must be a number above 0, got {gravity!r}")
        library, self.arrow = gymnasium(), arrow
        options = {"render_mode": "rgb_array", "g": gravity, "disable_env_checker": True}
        self.environments = [library.make("Pendulum-v1", **options) for _ in range(n)]

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Start an episode in each as the environment does for this seed; returns the states, (n, 2)."""
        for environment, seed in zip(self.environments, seeds, strict=True):
            environment.reset(seed=int(seed))
        return self.states

    def put(self, states: np.ndarray) -> None:
        """Start with these angles and angular speeds, (n, 2); no torque has acted yet."""
        for environment, state in zip(self.environments, states, strict=True):
            environment.reset()
            environment.unwrapped.state = np.array(state, float)

    @property
    def states(self) -> np.ndarray:
        """Angles from upright, radians, and angular speeds, radians per second, (n, 2)."""
        return np.stack([environment.unwrapped.state for environment in self.environments])

    def step(self, torques: np.ndarray) -> np.ndarray:
        """Let torques (n,) act for one frame; returns the environments' rewards, (n,)."""
        pairs = zip(self.environments, torques, strict=True)
        return np.array([environment.step(np.array([u], np.float32))[1] for environment, u in pairs])

    def frames(self) -> np.ndarray:
        """Frames of the present states, uint8 (n, SIZE, SIZE, 3)."""
        rim, edge = RENDERED // 4, SIZE // 4  # the rod, 1.1 of the 2.2 lengths shown, leaves them white
        frames = np.full((len(self.environments), SIZE, SIZE, 3), 255, np.uint8)
        for frame, environment in zip(frames, self.environments, strict=True):
            inner = environment.unwrapped
            last, inner.last_u = inner.last_u, inner.last_u if self.arrow else None
            frame[edge:-edge, edge:-edge] = shrink(environment.render()[rim:-rim, rim:-rim], SIZE - 2 * edge)
            inner.last_u = last
        return frames


def shrink(image: np.ndarray, size: int = SIZE) -> np.ndarray:
    """An image, uint8 (S, S, 3), as the area average of its pixels, uint8 (size, size, 3)."""
    return (resize_local_mean(image, (size, size), channel_axis=-1, preserve_range=True) + 0.5).astype(np.uint8)


ROUNDS = 10  # of the robust fit of the circle


class Pendulum(Law):
    """A rod of 1 kg and 1 m on a motor: w' = 3/2 g sin(angle) + 3 a torque, the angle from upright, radians.

    One Euler step per frame and the limit of the speed are the environment's. The pivot and the object's distance from
    it are unknown: they are fitted as the circle on which the positions lie.
    """

    constants = {"g": Constant(unit="m/s²"), "a": Constant(positive=False)}
    dimensions, n_actions, reversible = 1, 1, False

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.register_buffer("pivot", torch.zeros(2))  # pixels
        self.register_buffer("arm", torch.ones(()))  # from the pivot to the positions, pixels

    def acceleration(self, pos: Tensor, vel: Tensor, action: Tensor | None = None) -> Tensor:
        pull = 1.5 * self._of("g", pos) * pos.sin()
        return pull if action is None else pull + 3.0 * self._of("a", pos) * action.unsqueeze(-2)

    def _of(self, name: str, pos: Tensor) -> Tensor:
        """A constant, or that of each scene; states of one scene, such as candidates of its plan, are adjacent."""
        value = self.value(name)
        return value.repeat_interleave(len(pos) // len(value), 0) if value.dim() else value

    def substep(self, pos: Tensor, vel: Tensor, h: float, action: Tensor | None = None) -> tuple[Tensor, Tensor]:
        vel = (vel + h * self.acceleration(pos, vel, action)).clamp(-MAX_SPEED, MAX_SPEED)
        return pos + h * vel, vel

    def pose(self, coordinates: Tensor) -> Tensor:
        return self.pivot - self.arm * torch.cat([coordinates.sin(), coordinates.cos()], -1)

    def coordinates(self, positions: Tensor) -> Tensor:
        left, up = (self.pivot - positions).split(1, -1)
        angle = torch.atan2(left, up)
        turns = torch.round(angle.diff(dim=1) / (2 * math.pi)).cumsum(1)  # whole turns between two frames are none
        return torch.cat([angle[:, :1], angle[:, 1:] - 2 * math.pi * turns], 1)

    def placed(self, positions: Tensor) -> Tensor:
        return torch.cat([positions, self.coordinates(positions)], -1)

    def angles(self, path: Tensor) -> Tensor:
        """Angles from upright, radians, (B, T), of a rollout (B, T, 1, 1)."""
        return path[..., 0, 0]

    def speeds(self, path: Tensor, velocities: Tensor) -> Tensor:
        """Angular speeds, radians per second, (B, T), of a rollout (B, T, 1, 1)."""
        return velocities[..., 0, 0]

    def given(self, **values: Tensor | float) -> "Pendulum":
        """The same law with other constants: numbers, or one for each scene, (B, 1, 1)."""
        law = copy.deepcopy(self).requires_grad_(False)
        for name, value in values.items():
            learned = law.learned(name)
            value = torch.as_tensor(value, dtype=learned.dtype, device=learned.device)
            learned.data = value.log() if self.constants[name].positive else value
        return law

    @torch.no_grad()
    def settle(self, positions: Tensor) -> None:
        """Fit the circle: the squared distance is linear in its centre, and outliers are weighted down."""
        x = positions.flatten(0, -2)  # (N, 2)
        x = x[x.isfinite().all(-1)].double()
        if len(x) < 3:
            return
        origin, weight = x.mean(0), torch.ones(len(x), 1, dtype=x.dtype, device=x.device)
        x = x - origin
        rows = torch.cat([2 * x, torch.ones_like(weight)], 1)
        for _ in range(ROUNDS):
            middle = torch.linalg.lstsq(weight * rows, weight * x.square().sum(1, keepdim=True)).solution[:2, 0]
            distance = (x - middle).norm(dim=1)
            off = (distance - distance.median()).abs()
            weight = 1 / (1 + (off / (3 * off.median()).clamp_min(1e-6)).square()).unsqueeze(1)
        # New tensors: gradients through the old ones may still be needed.
        self.pivot, self.arm = (middle + origin).to(self.pivot), distance.median().to(self.arm)


PENDULUM = Task(
    name="pendulum", title="pendulum", law=Pendulum, truth={"g": TRUE_GRAVITY, "a": 1.0}, n_objects=1,
    image_size=SIZE, speed=6.0, input_steps=4, pred_steps=10, train_length=14, test_length=30, dt=DT,
)  # fmt: skip
