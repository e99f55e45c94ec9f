"""Springs between all objects (the paper's ``spring_ode_cell``)."""

import numpy as np
from torch import Tensor

from ..common.errors import SimulationError
from ..physics import Constant, Law, Scene, States, directions
from .pairs import around, pairs, total

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
