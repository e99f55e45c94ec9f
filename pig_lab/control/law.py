"""The law of ``Pendulum-v1`` as a model learns it, and the task: one angle, one torque, two unknowns."""

import copy
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from pig_core.physics import Constant, Law
from pig_core.system import ConfigError, RunError
from pig_core.tasks import Task

# Gymnasium's ``Pendulum-v1``, many at a time, with its own renderer: what is filmed, and what is acted on.

SIZE = 64  # side of the frames that a model sees, pixels
RENDERED = 500  # of the renderer's own
DT = 0.05  # seconds between two frames
STEPS = 200  # of an episode
MAX_SPEED, MAX_TORQUE = 8.0, 2.0  # rad/s, and what is cut off beyond it
TRUE_GRAVITY = 10.0  # m/s^2, the environment's own
INSTALL = "python -m pip install -e '.[control]'"


def gymnasium():
    """The library, with pictures drawn in memory: no window, no greeting.

    Raises:
        RunError: where it or ``pygame``, which draws, is missing; says how to install them.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import gymnasium
        import pygame  # noqa: F401, so that it is missed now and not at the first picture
    except ImportError as error:
        raise RunError(f"the pendulum needs {error.name}, which is not installed: {INSTALL}") from None
    return gymnasium


class Pendulums:
    """Environments side by side, stepped and filmed together.

    Args:
        n: how many.
        gravity: m/s^2, above 0.
        arrow: whether the picture shows the last torque, as the environment draws it.
    """

    def __init__(self, n: int, gravity: float = TRUE_GRAVITY, arrow: bool = True):
        if type(n) is not int or n < 1:
            raise ConfigError(f"the number of episodes must be a whole number of at least 1, got {n!r}")
        if isinstance(gravity, bool) or not isinstance(gravity, int | float) or not 0 < gravity < float("inf"):
            raise ConfigError(f"gravity must be a number above 0, got {gravity!r}")
        library, self.arrow = gymnasium(), arrow
        options = {"render_mode": "rgb_array", "g": gravity, "disable_env_checker": True}
        self.environments = [library.make("Pendulum-v1", **options) for _ in range(n)]
        canvas = _canvas()
        for environment in self.environments:
            environment.unwrapped.screen = canvas  # each picture is drawn anew and copied

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
        """Angles from upright, radians, and angular speeds, (n, 2): for judging, and for who is told the truth."""
        return np.stack([environment.unwrapped.state for environment in self.environments])

    def step(self, torques: np.ndarray) -> np.ndarray:
        """Let torques (n,) act for one frame; returns the environments' rewards, (n,)."""
        pairs = zip(self.environments, torques, strict=True)
        return np.array([environment.step(np.array([u], np.float32))[1] for environment, u in pairs])

    def frames(self) -> np.ndarray:
        """What the renderer shows now, uint8 (n, SIZE, SIZE, 3)."""
        pictures = []
        with _arrow_read_once():
            for environment in self.environments:
                inner = environment.unwrapped
                last, inner.last_u = inner.last_u, inner.last_u if self.arrow else None
                pictures.append(_small(environment.render()))
                inner.last_u = last
        return np.stack(pictures)


def _canvas():
    """What the renderer draws on, with the bytes in the order in which pictures are read: a third of the time."""
    import pygame

    masks = (0xFF, 0xFF00, 0xFF0000, 0) if sys.byteorder == "little" else (0xFF0000, 0xFF00, 0xFF, 0)
    return pygame.Surface((RENDERED, RENDERED), depth=24, masks=masks)


@contextmanager
def _arrow_read_once() -> Iterator[None]:
    """The renderer reads the file of its arrow for every picture; here it gets what was read the first time."""
    import pygame

    with patch.object(pygame.image, "load", _read(pygame.image.load)):
        yield


@lru_cache(1)
def _read(load: Callable[[str], object]) -> Callable[[str], object]:
    return lru_cache(load)


def _small(picture: np.ndarray) -> np.ndarray:
    """A rendered picture as a model sees it: the rod, 1.1 of the 2.2 lengths shown, leaves all but the middle white."""
    (rim, edge), small = (RENDERED // 4, SIZE // 4), np.full((SIZE, SIZE, 3), 255, np.uint8)
    small[edge:-edge, edge:-edge] = shrink(picture[rim:-rim, rim:-rim], SIZE - 2 * edge)
    return small


def shrink(picture: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A picture, uint8 (S, S, 3), as the area average of its pixels, uint8 (size, size, 3)."""
    large, blocks = len(picture), math.gcd(len(picture), size)  # of pixels that share no small one with another block
    average = _area_average(large // blocks, size // blocks)
    rows = average @ picture.reshape(blocks, large // blocks, large * 3).astype(np.float32)
    pixels = average @ rows.reshape(size, blocks, large // blocks, 3)
    return (pixels.reshape(size, size, 3) + 0.5).astype(np.uint8)


@lru_cache
def _area_average(large: int, small: int) -> np.ndarray:
    """How much of each of ``large`` pixels lies in each of ``small`` larger ones, (small, large); rows sum to 1."""
    edges = np.arange(small + 1) * large / small
    pixels = np.arange(large)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (overlap.clip(0) * small / large).astype(np.float32)


ROUNDS = 10  # in which positions that lie off the circle lose their say in where it is


class Pendulum(Law):
    """A rod of 1 kg and 1 m on a motor: w' = 3/2 g sin(angle) + 3 a torque, the angle from upright, radians.

    One Euler step a frame and the limit of the speed are the environment's. Where the pivot is and how far from it an
    object is seen is not told: it is the circle on which the positions lie.
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
        """A constant, or that of each scene; states of a scene, such as candidates of its plan, follow one another."""
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
        """The same law with other constants, plain numbers or, of every scene its own, (B, 1, 1)."""
        law = copy.deepcopy(self).requires_grad_(False)
        for name, value in values.items():
            learned = law.learned(name)
            value = torch.as_tensor(value, dtype=learned.dtype, device=learned.device)
            learned.data = value.log() if self.constants[name].positive else value
        return law

    @torch.no_grad()
    def settle(self, positions: Tensor) -> None:
        """Fit the circle; the square of the distance is linear in the middle, and outliers lose their weight."""
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
        # New tensors: what was drawn by the old ones may still have to be differentiated.
        self.pivot, self.arm = (middle + origin).to(self.pivot), distance.median().to(self.arm)


PENDULUM = Task(
    name="pendulum", title="pendulum", law=Pendulum, truth={"g": TRUE_GRAVITY, "a": 1.0}, n_objects=1,
    image_size=SIZE, speed=6.0, input_steps=4, pred_steps=10, train_length=14, test_length=30, dt=DT,
)  # fmt: skip
