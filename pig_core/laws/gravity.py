"""Attraction between all objects (the paper's ``gravity_ode_cell``)."""

import numpy as np
from torch import Tensor

from ..physics import Constant, Law, Scene, States
from .pairs import nearest, pairs, total


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
