"""What if the spring were stiffer? Roll a trained model out again with other constants or another start."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..common.errors import RunError
from ..model import image_loss
from ..physics import Dynamics
from ..runs.trained import Trained


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


def physics_with(trained: Trained, values: dict[str, float]) -> Dynamics:
    """The model's physics with other constants; the model itself stays as it is.

    Raises:
        RunError: for a constant that this physics does not have, or a value that it cannot have.
    """
    physics, task = trained.model.physics, trained.task
    if not values:
        return physics  # also where it is a black box
    kinds = physics.constants
    for name, value in values.items():
        if name not in kinds or not math.isfinite(value) or (kinds[name].positive and value <= 0):
            allowed = ", ".join(f"{name} > 0" if kind.positive else name for name, kind in kinds.items()) or "none"
            raise RunError(f"{name} = {value:g} cannot be asked of {task.name}; allowed: {allowed}")
    return task.physics(physics.substeps, {**physics.values(), **values})


@torch.no_grad()
def ask(trained: Trained, index: int, question: WhatIf) -> Answer:
    """Roll out and draw one of the example videos as the question says; some 20 ms on a CPU.

    Raises:
        RunError: see :func:`physics_with`; also if velocities are to be turned that are none in the image.
    """
    model, evaluation = trained.model, trained.evaluation
    video, last = evaluation.video[index], model.input_steps - 1
    actions = None if evaluation.actions is None else evaluation.actions[index : index + 1]
    pos, vel = model.state(torch.from_numpy(evaluation.positions[index : index + 1, : last + 1]), actions)
    if question.turn:
        if model.physics.dimensions != 2:
            raise RunError(f"{trained.task.name} has inner coordinates: its velocities cannot be turned")
        angle = math.radians(question.turn)
        vel = vel @ torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    physics, later = physics_with(trained, question.values), None if actions is None else actions[:, last:]
    coordinates, _ = physics.rollout(pos, question.speed * vel, len(video) - last - 1, later)
    rollout = physics.pose(coordinates)
    prediction = model.decode(rollout)[0]
    return Answer(rollout[0], prediction, image_loss(prediction, video[last + 1 :]).item())


def loss_along(trained: Trained, index: int, name: str, values: list[float], question: WhatIf) -> list[float]:
    """The loss of one video for each value of one physical parameter (or "speed", "turn"), all else as asked."""
    moves = name in ("speed", "turn")
    changes = ({name: value} if moves else {"values": {**question.values, name: value}} for value in values)
    return [ask(trained, index, replace(question, **change)).loss for change in changes]


def slider_range(value: float, points: int = 25) -> list[float]:
    """Values around a learned one: from half to twice, evenly spaced in the logarithm; around zero or less, evenly."""
    steps = [2 * i / (points - 1) - 1 for i in range(points)]  # -1 to 1
    return [value * 2**step if value > 0 else value + max(1.0, -value) * step for step in steps]
