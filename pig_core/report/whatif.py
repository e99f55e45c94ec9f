"""What if the spring were stiffer? Roll a trained model out again with other constants or another start."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..common.errors import RunError
from ..model import image_loss
from ..physics import PHYSICS, Dynamics
from ..runs.trained import Published


@dataclass(frozen=True)
class WhatIf:
    """A question to a model: other physical parameters (missing: as learned), another velocity at frame L."""

    values: dict[str, float] = field(default_factory=dict)
    speed: float = 1.0  # factor of all velocities
    turn: float = 0.0  # degrees by which all velocities are turned, clockwise on the screen


@dataclass(frozen=True)
class Answer:
    """What the model predicts then, for one video."""

    rollout: Tensor  # (T-L, K, 2) pixels
    prediction: Tensor  # (T-L, C, S, S) in [0, 1]
    loss: float  # squared error per frame against the video


def physics_with(published: Published, values: dict[str, float]) -> Dynamics:
    """The model's physics with other parameters; the model itself stays as it is.

    Raises:
        RunError: for a parameter that this physics does not have, or one that is not positive.
    """
    physics, task = published.model.physics, published.task
    if not values:
        return physics  # also where it is a black box
    learned = physics.values()
    for name, value in values.items():
        if name not in learned or not 0 < value < math.inf:
            allowed = ", ".join(f"{name} > 0" for name in learned) or "none"
            raise RunError(f"{name} = {value:g} cannot be asked of {task.name}; allowed: {allowed}")
    values = {**learned, **values}
    return PHYSICS[task.physics](task.dt, published.config.substeps, task.image_size, task.radius, values)


@torch.no_grad()
def ask(published: Published, index: int, question: WhatIf) -> Answer:
    """Roll out and draw one of the example videos as the question says; some 20 ms on a CPU."""
    model, evaluation = published.model, published.evaluation
    video = evaluation.video[index]
    positions = torch.from_numpy(evaluation.positions[index : index + 1, : model.input_steps])
    pos, vel = model.state(positions)
    angle = math.radians(question.turn)
    rotation = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    vel = question.speed * vel @ rotation
    rollout, _ = physics_with(published, question.values).rollout(pos, vel, len(video) - model.input_steps)
    prediction = model.decode(rollout)[0]
    return Answer(rollout[0], prediction, image_loss(prediction, video[model.input_steps :]).item())


def loss_along(published: Published, index: int, name: str, values: list[float], question: WhatIf) -> list[float]:
    """The loss of one video for each value of one physical parameter (or "speed", "turn"), all else as asked."""
    moves = name in ("speed", "turn")
    changes = ({name: value} if moves else {"values": {**question.values, name: value}} for value in values)
    return [ask(published, index, replace(question, **change)).loss for change in changes]


def slider_range(value: float, points: int = 25) -> list[float]:
    """Values around a learned one, from half to twice, evenly spaced in the logarithm."""
    return [value * 2 ** (2 * i / (points - 1) - 1) for i in range(points)]
