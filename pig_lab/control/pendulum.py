"""The law of ``Pendulum-v1`` as a model learns it, and the task: one angle, one torque, two unknowns."""

import copy
import math

import torch
from torch import Tensor

from pig_core.physics import Constant, Law
from pig_core.tasks import Task

from .environment import DT, MAX_SPEED, SIZE, TRUE_GRAVITY

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
