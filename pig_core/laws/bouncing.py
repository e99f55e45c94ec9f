"""Free flight between walls (the paper's ``bouncing_ode_cell``)."""

import numpy as np
import torch
from torch import Tensor

from ..physics import Law, Scene


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
