"""A law of motion, differentiable: what simulates the data and runs inside the model is the same code.

The data is made with the true constants and 10 Euler steps a frame, the model learns the constants with 5 (the
authors' cells). States are positions and velocities, (..., K, 2), in pixels and pixels per second, any number of
objects K; a law may have inner coordinates instead, (..., K, D), such as an angle. The laws are in
:mod:`pig_core.physics`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from .system import SimulationError

Values = Mapping[str, float]  # of constants, by name
States = tuple[np.ndarray, np.ndarray]  # positions and velocities, (n, K, D) each


@dataclass(frozen=True)
class Constant:
    """One unknown of a law: where learning starts, and what kind of quantity it is."""

    start: float = 1.0
    positive: bool = True  # learned as a logarithm, as in the authors' cells; otherwise as it is, of either sign
    unit: str = ""
    length_power: int = 0  # the power of the length scale that it grows with: 1 for a length, 3 for Newton's g


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a law has to know to start scenes of a task. Lengths are in pixels, speeds in pixels per second."""

    n_objects: int
    image_size: int
    truth: Values  # true constants, e.g. {"k": 4.0, "l": 6.0}
    speed: float  # initial speed of each object
    radius: float = 2.0  # of a disc; walls are this far from the centres
    reach: float = 2.0  # from an object's centre to its edge


class Dynamics(nn.Module):
    """What carries a state on from frame to frame: a law of motion, or a black box that has no constants."""

    constants: ClassVar[Mapping[str, Constant]] = {}
    dimensions: ClassVar[int] = 2  # D, the coordinates of an object
    reversible: ClassVar[bool] = False  # whether a step can be taken back exactly

    def learned(self, name: str) -> nn.Parameter:
        """The parameter of a constant: its logarithm, or, where it may have either sign, itself.

        Raises:
            SimulationError: if the law has no such constant.
        """
        if name not in self.constants:
            raise SimulationError(f"{type(self).__name__} has no constant {name!r}; it has {', '.join(self.constants)}")
        return (self.logs if self.constants[name].positive else self.plain)[name]

    def value(self, name: str) -> Tensor:
        """The constant itself, differentiable."""
        learned = self.learned(name)
        return learned.exp() if self.constants[name].positive else learned

    def tensors(self) -> dict[str, Tensor]:
        """All constants, where the model is and differentiable."""
        return {name: self.value(name) for name in self.constants}

    def values(self) -> dict[str, float]:
        """All constants as plain numbers."""
        return {name: value.item() for name, value in self.tensors().items()}

    def coordinates(self, positions: Tensor) -> Tensor:
        """Positions of consecutive frames, (B, T, K, 2) in pixels, to coordinates, (B, T, K, D)."""
        return positions

    def pose(self, coordinates: Tensor) -> Tensor:
        """Where coordinates (..., K, D) put the objects, (..., K, 2) in pixels."""
        return coordinates

    def placed(self, positions: Tensor) -> Tensor:
        """How positions of consecutive frames are drawn: (B, T, K, 2), or, with an angle to turn by, (B, T, K, 3)."""
        return positions

    def settle(self, positions: Tensor) -> None:
        """Find out how the coordinates lie in the image from positions (..., K, 2) in whichever frames."""


class Law(Dynamics):
    """Free motion without forces or walls; the base of every law of motion.

    A law states its ``constants`` and overrides :meth:`acceleration`; the rest where it differs.

    Args:
        dt: time between two frames, seconds.
        substeps: Euler steps per frame.
        image_size: side of the image, pixels (where the walls are, if there are walls).
        radius: distance from wall to centre at which an object touches, pixels.
        values: of the constants; ``Constant.start`` where missing.
    """

    reversible: ClassVar[bool] = True  # to be set to False where the acceleration depends on the velocity
    n_actions: ClassVar[int] = 0  # numbers per frame that act from outside

    def __init__(
        self, dt: float, substeps: int = 5, image_size: int = 32, radius: float = 2.0, values: Values | None = None
    ):
        super().__init__()
        if unknown := set(values or {}) - set(self.constants):
            raise ValueError(f"{type(self).__name__} has no constant {sorted(unknown)}; it has {list(self.constants)}")
        self.dt, self.substeps, self.image_size, self.radius = dt, substeps, image_size, radius
        self.logs, self.plain = nn.ParameterDict(), nn.ParameterDict()
        for name, about in self.constants.items():
            value = (values or {}).get(name, about.start)
            group, number = (self.logs, math.log(value)) if about.positive else (self.plain, value)
            group[name] = nn.Parameter(torch.tensor(float(number)))

    def acceleration(self, pos: Tensor, vel: Tensor, action: Tensor | None = None) -> Tensor | None:
        """Acceleration (..., K, D) in the law's coordinates per s^2, or None where no force acts.

        Args:
            action: what acts from outside during this frame, (..., ``n_actions``); None: nothing.
        """
        return None

    def walls(self, pos: Tensor, vel: Tensor) -> tuple[Tensor, Tensor]:
        """Position and velocity after reflection at the walls."""
        return pos, vel

    @classmethod
    def start(cls, task: Scene, rng: np.random.Generator, n: int) -> States:
        """Random states of ``n`` scenes at frame 1: anywhere inside the walls, at the task's speed."""
        pos = rng.uniform(task.radius, task.image_size - task.radius, (n, task.n_objects, 2))
        return pos, task.speed * directions(rng, n, task.n_objects)

    @classmethod
    def accept(cls, task: Scene, path: np.ndarray) -> np.ndarray:
        """Which simulated scenes are kept, (n,); ``path`` holds positions of all substeps of a frame, (n, s, K, 2)."""
        flat = path.reshape(len(path), math.prod(path.shape[1:]))
        return (flat.min(1) >= task.radius) & (flat.max(1) <= task.image_size - task.radius)

    @classmethod
    def actions(cls, task: Scene, rng: np.random.Generator, n: int, frames: int) -> np.ndarray:
        """Random actions of ``n`` scenes, (n, frames, ``n_actions``): standard normal."""
        return rng.standard_normal((n, frames, cls.n_actions))

    def substep(self, pos: Tensor, vel: Tensor, h: float, action: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One semi-implicit Euler step of h seconds: velocity first, then position with the new velocity."""
        acc = self.acceleration(pos, vel, action)
        vel = vel if acc is None else vel + h * acc
        return self.walls(pos + h * vel, vel)

    def substep_back(self, pos: Tensor, vel: Tensor, h: float, action: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The exact inverse of :meth:`substep` of a reversible law: position first, then velocity."""
        pos, vel = self.walls(pos - h * vel, vel)
        acc = self.acceleration(pos, vel, action)
        return pos, vel if acc is None else vel - h * acc

    def rollout(
        self, pos: Tensor, vel: Tensor, steps: int, actions: Tensor | None = None, backwards: bool = False
    ) -> tuple[Tensor, Tensor]:
        """States of the ``steps`` frames after (before, if ``backwards``) the given one.

        Args:
            pos, vel: state at one frame, (B, K, D).
            actions: what acts during each of the steps, in the order in which they are taken, (B, steps, n_actions).
        Returns:
            positions and velocities, both (B, steps, K, D), in the order in which they are reached.
        Raises:
            ValueError: if a law that is not reversible is asked to run backwards.
        """
        if backwards and not self.reversible:
            raise ValueError(f"{type(self).__name__} cannot run backwards in time")
        step, h = (self.substep_back if backwards else self.substep), self.dt / self.substeps
        positions, velocities = [], []
        for frame in range(steps):
            action = None if actions is None else actions[:, frame]
            for _ in range(self.substeps):
                pos, vel = step(pos, vel, h, action)
            positions.append(pos)
            velocities.append(vel)
        return torch.stack(positions, 1), torch.stack(velocities, 1)


def directions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Unit vectors (*shape, 2), uniform in angle."""
    angle = rng.uniform(0, 2 * np.pi, shape)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


# What objects that act on one another need: vectors between all of them, sums over those that pull, even starts.

# Added to squared distances: keeps the gradient of the distance finite where two centres coincide.
DISTANCE_EPS = 1e-8


def pairs(pos: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors x_i - x_j between all objects, (..., K, K, 2), and their squared lengths, (..., K, K, 1)."""
    d = pos.unsqueeze(-2) - pos.unsqueeze(-3)
    x, y = d.square().split(1, -1)
    return d, x + y + DISTANCE_EPS


def total(pull: Tensor) -> Tensor:
    """Sum over the objects that pull, (..., K, K, 2) to (..., K, 2): for few objects faster than a reduction."""
    first, *others = pull.unbind(-2)
    for other in others:
        first = first + other
    return first


def around(arm: np.ndarray, k: int) -> np.ndarray:
    """The vectors (n, 2) and the same turned to ``k`` even directions, (n, k, 2)."""
    turn = 2 * np.pi * np.arange(k) / k
    cos, sin = np.cos(turn).round(15), np.sin(turn).round(15)  # half a turn is -1 and 0 to the last digit
    x, y = arm[:, :1], arm[:, 1:]
    return np.stack([x * cos - y * sin, x * sin + y * cos], -1)


def nearest(path: np.ndarray) -> np.ndarray:
    """The smallest squared distance between two objects in each scene, (n,), of positions (n, s, K, 2)."""
    i, j = np.triu_indices(path.shape[2], 1)
    square = np.square(path[:, :, i] - path[:, :, j])
    return (square[..., 0] + square[..., 1]).min(axis=(1, 2))


# Springs between all objects (the paper's ``spring_ode_cell``).

# Added by the authors' spring to the distance that the vector between two objects is divided by, pixels.
DIRECTION_EPS = 1e-4


class Spring(Law):
    """A spring between every two objects: F = k (|d| - 2 l) d/|d|, mass 1. ``l`` is HALF the rest length."""

    constants = {"k": Constant(unit="1/s²"), "l": Constant(unit="pixels", length_power=1)}

    def acceleration(self, pos: Tensor, vel: Tensor, action: Tensor | None = None) -> Tensor:
        d, square = pairs(pos)
        distance = square.sqrt()
        # The authors guard the direction only. An object's vector to itself is 0, and so is its pull: no mask.
        direction = d / (distance + DIRECTION_EPS)
        return -self.value("k") * total((distance - 2.0 * self.value("l")) * direction)

    @classmethod
    def start(cls, task: Scene, rng: np.random.Generator, n: int) -> States:
        """Evenly around a random centre, at 0.5 to 1.5 times l from it, each object in a direction of its own."""
        length, margin = task.truth["l"], task.truth["l"] + task.reach
        if 2 * margin >= task.image_size:
            raise SimulationError(
                f"a spring with l = {length:g} does not fit into an image of {task.image_size} pixels: "
                f"l must be below {task.image_size / 2 - task.reach:g}"
            )
        centre = rng.uniform(margin, task.image_size - margin, (n, 1, 2))
        arm = length * rng.uniform(0.5, 1.5, (n, 1)) * directions(rng, n)
        return centre + around(arm, task.n_objects), task.speed * directions(rng, n, task.n_objects)


# Attraction between all objects (the paper's ``gravity_ode_cell``).


class Gravity(Law):
    """Newtonian attraction between every two objects, mass 1: a_i = -g sum_j (x_i - x_j) / |x_i - x_j|^3.

    As in the authors' cell the squared distance is kept in [0.1, 1e5] and the distance in [1, 170].
    """

    constants = {"g": Constant(unit="pixels³/s²", length_power=3)}

    def acceleration(self, pos: Tensor, vel: Tensor, action: Tensor | None = None) -> Tensor:
        d, square = pairs(pos)
        distance = square.clamp(0.1, 1e5).sqrt().clamp(1.0, 170.0)
        return -self.value("g") * total(d / distance**3)

    @classmethod
    def start(cls, task: Scene, rng: np.random.Generator, n: int) -> States:
        """On a circle about the middle, nearly evenly, all turning one way, with one drift in common."""
        k = task.n_objects
        angle = rng.uniform(0, 2 * np.pi, (n, 1)) + np.arange(k) * 2 * np.pi / k
        angle[:, 1:] += rng.uniform(-0.25, 0.25, (n, k - 1))
        outward = np.stack([np.cos(angle), np.sin(angle)], -1)  # (n, K, 2)
        radius = rng.uniform(0.75, 1.25, (n, 1, 1)) * task.image_size / 4
        sense = rng.choice([-1.0, 1.0], (n, 1, 1))
        tangent = sense * np.stack([-outward[..., 1], outward[..., 0]], -1)
        drift = rng.uniform(-0.5, 0.5, (n, 1, 2))  # one for all: it moves their centre of mass
        return task.image_size / 2 + radius * outward, task.speed * tangent + drift

    @classmethod
    def accept(cls, task: Scene, path: np.ndarray) -> np.ndarray:
        """Inside the walls, and no two objects closer than a radius and a pixel."""
        return super().accept(task, path) & (nearest(path) > (task.radius + 1) ** 2)


# Free flight between walls (the paper's ``bouncing_ode_cell``).


class Bouncing(Law):
    """Free flight between four walls; objects do not see each other, nothing is to be learned."""

    def walls(self, pos: Tensor, vel: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.radius, self.image_size - self.radius
        outside = (pos < low) | (pos > high)
        mirrored = torch.where(pos < low, 2 * low - pos, torch.where(pos > high, 2 * high - pos, pos))
        return mirrored, torch.where(outside, -vel, vel)

    @classmethod
    def accept(cls, task: Scene, path: np.ndarray) -> np.ndarray:
        """All of them: the walls are part of the law."""
        return np.ones(len(path), bool)


# Laws by name. A new one is a subclass of Law, here or in a notebook.
LAWS: dict[str, type[Law]] = {law.__name__.lower(): law for law in (Spring, Gravity, Bouncing)}
