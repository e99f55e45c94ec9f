"""Differentiable physics: the same semi-implicit Euler step simulates the data and runs inside the model.

The data is made with the true parameters and 10 substeps a frame, the model learns the parameters with 5
(paper-spec, section 3). Every step can be inverted exactly, so a rollout also runs backwards in time.
Positions and velocities are (..., K, 2) tensors in pixels and pixels per second, any number of objects K.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

# Added to squared distances: keeps the gradient of the distance finite where two centres coincide.
DISTANCE_EPS = 1e-8
# Added by the authors' spring to the distance that the vector between two objects is divided by, pixels.
DIRECTION_EPS = 1e-4


class WithParameters(nn.Module):
    """What has physical parameters that can be read off, or, where ``parameter_names`` is empty, has none."""

    parameter_names: tuple[str, ...] = ()

    def value(self, name: str) -> Tensor:
        """The physical parameter itself (positive), differentiable."""
        return self.logs[name].exp()

    def tensors(self) -> dict[str, Tensor]:
        """All physical parameters, where the model is and differentiable."""
        return {name: self.value(name) for name in self.parameter_names}

    def values(self) -> dict[str, float]:
        """All physical parameters as plain numbers."""
        return {name: value.item() for name, value in self.tensors().items()}


class Dynamics(WithParameters):
    """Free motion without forces or walls; the base of every physics in ``PHYSICS``.

    Args:
        dt: time between two frames, seconds.
        substeps: Euler steps per frame.
        image_size: side of the image, pixels (where the walls are, if there are walls).
        radius: distance from wall to centre at which an object touches, pixels.
        values: initial value of each name in ``parameter_names`` (1 where missing). Parameters are kept as
            logarithms, as in the authors' cells, so that they stay positive.
    """

    def __init__(
        self,
        dt: float,
        substeps: int = 5,
        image_size: int = 32,
        radius: float = 2.0,
        values: Mapping[str, float] | None = None,
    ):
        super().__init__()
        values = dict(values or {})
        self.dt, self.substeps, self.image_size, self.radius = dt, substeps, image_size, radius
        self.logs = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(math.log(values.pop(name, 1.0)))) for name in self.parameter_names}
        )
        if values:
            raise ValueError(f"{type(self).__name__} has no parameter {sorted(values)}; it has {self.parameter_names}")

    def acceleration(self, pos: Tensor) -> Tensor | None:
        """Acceleration (..., K, 2) in pixels/s^2, or None where no force acts."""
        return None

    def walls(self, pos: Tensor, vel: Tensor) -> tuple[Tensor, Tensor]:
        """Position and velocity after the walls have had their say."""
        return pos, vel

    def substep(self, pos: Tensor, vel: Tensor, h: float) -> tuple[Tensor, Tensor]:
        """One semi-implicit Euler step of h seconds: velocity first, then position with the new velocity."""
        acc = self.acceleration(pos)
        if acc is not None:
            vel = vel + h * acc
        return self.walls(pos + h * vel, vel)

    def substep_back(self, pos: Tensor, vel: Tensor, h: float) -> tuple[Tensor, Tensor]:
        """The exact inverse of :meth:`substep`: position first, then velocity."""
        pos, vel = self.walls(pos - h * vel, vel)
        acc = self.acceleration(pos)
        return pos, vel if acc is None else vel - h * acc

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """States of the ``steps`` frames after (before, if ``backwards``) the given one.

        Args:
            pos, vel: state at one frame, (B, K, 2).
        Returns:
            positions and velocities, both (B, steps, K, 2), in the order in which they are reached.
        """
        step, h = (self.substep_back if backwards else self.substep), self.dt / self.substeps
        positions, velocities = [], []
        for _ in range(steps):
            for _ in range(self.substeps):
                pos, vel = step(pos, vel, h)
            positions.append(pos)
            velocities.append(vel)
        return torch.stack(positions, 1), torch.stack(velocities, 1)


def _pairs(pos: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors x_i - x_j between all objects, (..., K, K, 2), and their squared lengths, (..., K, K, 1)."""
    d = pos.unsqueeze(-2) - pos.unsqueeze(-3)
    x, y = d.square().split(1, -1)
    return d, x + y + DISTANCE_EPS


def _total(pull: Tensor) -> Tensor:
    """Sum over the objects that pull, (..., K, K, 2) to (..., K, 2): for few objects faster than a reduction."""
    first, *others = pull.unbind(-2)
    for other in others:
        first = first + other
    return first


class Spring(Dynamics):
    """A spring between every two objects: F = k (|d| - 2 l) d/|d|, mass 1. ``l`` is HALF the rest length."""

    parameter_names = ("k", "l")

    def acceleration(self, pos: Tensor) -> Tensor:
        d, square = _pairs(pos)
        distance = square.sqrt()
        # The authors guard the direction only. An object's vector to itself is 0, and so is its pull: no mask.
        direction = d / (distance + DIRECTION_EPS)
        return -self.value("k") * _total((distance - 2.0 * self.value("l")) * direction)


class Gravity(Dynamics):
    """Newtonian attraction between every two objects, mass 1: a_i = -g sum_j (x_i - x_j) / |x_i - x_j|^3.

    As in the authors' cell the squared distance is kept in [0.1, 1e5] and the distance in [1, 170].
    """

    parameter_names = ("g",)

    def acceleration(self, pos: Tensor) -> Tensor:
        d, square = _pairs(pos)
        distance = square.clamp(0.1, 1e5).sqrt().clamp(1.0, 170.0)
        return -self.value("g") * _total(d / distance**3)


class Bouncing(Dynamics):
    """Free flight between four walls; objects do not see each other, nothing is to be learned."""

    def walls(self, pos: Tensor, vel: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.radius, self.image_size - self.radius
        outside = (pos < low) | (pos > high)
        mirrored = torch.where(pos < low, 2 * low - pos, torch.where(pos > high, 2 * high - pos, pos))
        return mirrored, torch.where(outside, -vel, vel)


PHYSICS: dict[str, type[Dynamics]] = {"spring": Spring, "gravity": Gravity, "bouncing": Bouncing}
