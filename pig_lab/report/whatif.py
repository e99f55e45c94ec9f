"""What if the spring were stiffer? Roll a trained model out again with other constants or another start."""

import copy
import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pig_core.model import image_loss
from pig_core.physics import Dynamics
from pig_core.system import RunError

from ..trained import Trained

SPEEDS, TURNS = [i / 20 for i in range(41)], [float(a) for a in range(-90, 91, 5)]  # that a slider offers


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
    changed = task.physics(physics.substeps, {**physics.values(), **values})
    changed.load_state_dict(dict(physics.named_buffers()), strict=False)  # where its coordinates lie stays
    return changed


@torch.no_grad()
def start_of(trained: Trained, index: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """What the model believes at frame L of one of the example videos.

    Returns:
        positions and velocities, (1, K, D) each, and what acts from then on, (1, T-L, A), or None.
    """
    model, evaluation = trained.model, trained.evaluation
    actions = None if evaluation.actions is None else evaluation.actions[index : index + 1]
    pos, vel = model.state(torch.from_numpy(evaluation.positions[index : index + 1, : model.input_steps]), actions)
    return pos, vel, None if actions is None else actions[:, model.input_steps - 1 :]


@torch.no_grad()
def rollout_of(trained: Trained, index: int, question: WhatIf, dtype: torch.dtype = torch.float32) -> Tensor:
    """Positions (T-L, K, 2), pixels, of the frames after the input of an example video, as the question says.

    Raises:
        RunError: see :func:`physics_with`; also if velocities are to be turned that are none in the image.
    """
    task, steps = trained.task, trained.evaluation.video.shape[1] - trained.model.input_steps
    physics = copy.deepcopy(physics_with(trained, question.values)).to(dtype)
    pos, vel, later = (None if x is None else x.to(dtype) for x in start_of(trained, index))
    if question.turn:
        if physics.dimensions != 2:
            raise RunError(f"{task.name} has inner coordinates: its velocities cannot be turned")
        angle = math.radians(question.turn)
        vel = vel @ vel.new_tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return physics.pose(physics.rollout(pos, question.speed * vel, steps, later)[0])[0]


@torch.no_grad()
def ask(trained: Trained, index: int, question: WhatIf) -> Answer:
    """Roll out and draw one of the example videos as the question says; some 20 ms on a CPU.

    Raises:
        RunError: see :func:`rollout_of`.
    """
    model, video = trained.model, trained.evaluation.video[index]
    rollout = rollout_of(trained, index, question)
    prediction = model.decode(rollout[None])[0]
    return Answer(rollout, prediction, image_loss(prediction, video[model.input_steps :]).item())


def loss_along(trained: Trained, index: int, name: str, values: list[float], question: WhatIf) -> list[float]:
    """The loss of one video for each value of one physical parameter (or "speed", "turn"), all else as asked."""
    moves = name in ("speed", "turn")
    changes = ({name: value} if moves else {"values": {**question.values, name: value}} for value in values)
    return [ask(trained, index, replace(question, **change)).loss for change in changes]


def slider_range(value: float, points: int = 25) -> list[float]:
    """Values around a learned one: from half to twice, evenly spaced in the logarithm; around zero or less, evenly."""
    steps = [2 * i / (points - 1) - 1 for i in range(points)]  # -1 to 1
    return [value * 2**step if value > 0 else value + max(1.0, -value) * step for step in steps]


def least_along(trained: Trained, index: int) -> dict[str, float]:
    """Where the loss of one video is smallest, as a share of the true value: along each constant, or the speed."""
    truth = trained.task.truth or {"speed": 1.0}
    found = {}
    for name, true in truth.items():
        values = [true * (1 + percent / 100) for percent in range(-30, 31, 2)]
        losses = loss_along(trained, index, name, values, WhatIf())
        found[name] = values[losses.index(min(losses))] / true
    return found
