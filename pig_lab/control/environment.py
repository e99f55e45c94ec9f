"""Gymnasium's ``Pendulum-v1``, many at a time, with its own renderer: what is filmed, and what is acted on.

A rod hangs on a motor too weak to lift it at once. The picture shows the rod, its black axle and, around it, a grey
arrow that grows with the torque of the last action; the environment draws none before the first one.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

import numpy as np

from pig_core.system import ConfigError, RunError

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
