"""What if the spring were stiffer? A trained model rolled out again with other constants or another start.

:func:`ask` answers in Python, for the explorer and the figures. :func:`what_if` and :func:`opening` are panels that
answer in a page without a kernel: a page gets everything that ``browser/laws.js`` and ``browser/draw.js`` need.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import torch
from IPython.display import HTML, Markdown
from torch import Tensor

from pig_core.decoder import OUTSIDE_LOGIT, PLACEMENTS, TemplateDecoder
from pig_core.encoder import BACKGROUND_LOGIT
from pig_core.evaluate import to_picture
from pig_core.model import image_loss
from pig_core.physics import Dynamics
from pig_core.system import RunError

from ..images import own_colors, png_url
from ..trained import Trained
from .panels import column, floats, frames_of, panel
from .results import constants_of

SPEEDS, TURNS = [i / 20 for i in range(41)], [float(a) for a in range(-90, 91, 5)]  # the values of their sliders


@dataclass(frozen=True)
class WhatIf:
    """A question to a model: other physical parameters (missing: as learned), another velocity at frame L."""

    values: dict[str, float] = field(default_factory=dict)
    speed: float = 1.0  # factor of all velocities
    turn: float = 0.0  # degrees by which all velocities are turned, clockwise on the screen


@dataclass(frozen=True)
class Answer:
    """The model's prediction for one video and one question."""

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
    changed.load_state_dict(dict(physics.named_buffers()), strict=False)  # the place of its coordinates stays
    return changed


@torch.no_grad()
def start_of(trained: Trained, index: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """The model's state at frame L of one of the example videos.

    Returns:
        positions and velocities, (1, K, D) each, and the actions from then on, (1, T-L, A), or None.
    """
    model, evaluation = trained.model, trained.evaluation
    actions = None if evaluation.actions is None else evaluation.actions[index : index + 1]
    pos, vel = model.state(torch.from_numpy(evaluation.positions[index : index + 1, : model.input_steps]), actions)
    return pos, vel, None if actions is None else actions[:, model.input_steps - 1 :]


@torch.no_grad()
def rollout_of(trained: Trained, index: int, question: WhatIf, dtype: torch.dtype = torch.float32) -> Tensor:
    """Positions (T-L, K, 2), pixels, of the frames after the input of an example video.

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
    """Roll out and draw one of the example videos again; some 20 ms on a CPU.

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


def slider_values(trained: Trained) -> dict[str, list[float]]:
    """The values that can be asked of each constant, of the speed and, where there is one, of the direction."""
    physics = trained.model.physics
    values = {name: slider_range(value) for name, value in physics.values().items()} | {"speed": SPEEDS}
    return values | ({"turn": TURNS} if physics.dimensions == 2 else {})  # an angle's velocity has no direction


def what_if(trained: Trained, videos: Mapping[str, int]) -> HTML | Markdown:
    """Sliders for every constant, the speed and the direction of some example videos; or a sentence if a page cannot.

    Args:
        videos: indices to choose from, with their names.
    """
    if not isinstance(trained.model.decoder, TemplateDecoder):
        kind = type(trained.model.decoder).__name__
        return Markdown(f"*A page without a kernel cannot draw with a `{kind}`: `explore.ipynb` can.*")
    data = {**_scene(trained, videos), "sliders": _sliders(trained)}
    return panel("whatif", data, f"What if? Constants, speed and direction of {trained.task.title}, to be changed")


def opening(trained: Trained, index: int, constant: str, results: pd.DataFrame) -> HTML:
    """One video, and a slider for one constant that starts where learning starts; the answer is in ``results``."""
    sliders, start = _sliders(trained), trained.model.physics.constants[constant].start
    [about] = [slider for slider in sliders if slider["name"] == constant]
    about.update(low=start, high=about["value"] ** 2 / start)  # the learned value is in the middle
    values = [start * (about["high"] / start) ** (i / 16) for i in range(17)]
    losses = loss_along(trained, index, constant, values, WhatIf())
    found, task = constants_of(results).query("task == @trained.task.name and name == @constant"), trained.task
    learned = found["learned"]
    said = {
        "task": "The video shows two discs joined by an invisible spring. Move the slider until the prediction covers "
        f"the video in every frame. Training began at {constant} = {start:g}, too.",
        "answer": f"You: {constant} = {{yours}}. The model, from videos alone: {learned.median():.2f} "
        f"({len(learned)} trainings: {learned.min():.3f} to {learned.max():.3f}). True: {task.truth[constant]:g}.",
    }
    data = {**_scene(trained, {"video": index}), "sliders": sliders, "constant": constant, "from": start,
            "least": min(losses) / 2, "most": 1.2 * max(losses), "said": said}  # fmt: skip
    return panel("opening", data, f"A video of a {task.title} and a slider for {constant}: make the prediction match")


def _scene(trained: Trained, videos: Mapping[str, int]) -> dict[str, object]:
    """A run and some of its example videos, as ``browser/whatif.js`` needs them."""
    model, task, evaluation = trained.model, trained.task, trained.evaluation
    physics = model.physics
    colors = own_colors(evaluation.video, evaluation.output.masks)[: task.n_objects]
    return {
        "title": task.title, "law": type(physics).__name__, "truth": dict(task.truth), "dt": physics.dt,
        "substeps": physics.substeps, "size": task.image_size, "radius": physics.radius,
        **{name: buffer.tolist() for name, buffer in physics.named_buffers()},
        "look": _look(model.decoder), "objects": task.n_objects,
        "channels": evaluation.video.shape[2], "frames": evaluation.video.shape[1], "input": model.input_steps,
        "colors": ["rgb(" + " ".join(str(round(255 * part)) for part in color) + ")" for color in colors],
        **frames_of(evaluation), "videos": [_video(trained, name, index) for name, index in videos.items()],
    }  # fmt: skip


def _video(trained: Trained, name: str, index: int) -> dict[str, object]:
    evaluation, physics = trained.evaluation, trained.model.physics
    pos, vel, later = start_of(trained, index)
    seen = torch.from_numpy(evaluation.positions[index : index + 1, : trained.model.input_steps])
    truth = evaluation.truth
    return {
        "name": name, "pos": pos.flatten().tolist(), "vel": vel.flatten().tolist(),
        "seen": physics.placed(seen)[0].flatten(1).tolist(),
        "sheet": png_url(column(to_picture(evaluation.video[index]))),
        "path": None if truth is None else truth[index].reshape(len(truth[index]), -1).round(2).tolist(),
        **({} if later is None else {"actions": later[0].tolist()}),
    }  # fmt: skip


def _look(decoder: TemplateDecoder) -> dict[str, object]:
    """The arguments of ``pig.painter``."""
    contents, logits, background = (
        getattr(decoder.appearance(), part) for part in ("contents", "logits", "background")
    )
    [placement] = [name for name, place in PLACEMENTS.items() if place is decoder.place]
    return {
        "size": decoder.image_size, "side": decoder.template_size, "channels": len(background),
        "objects": len(contents), "sigma": decoder.log_sigma.exp().item(), "placement": placement, "cut": decoder.cut,
        "outside": OUTSIDE_LOGIT, "behind": BACKGROUND_LOGIT, "background": floats(background),
        "sheets": floats(torch.cat([logits - OUTSIDE_LOGIT, contents], 1)),
    }  # fmt: skip


def _sliders(trained: Trained) -> list[dict[str, object]]:
    """The sliders of a panel, as ``pig.slider`` takes them."""
    learned, constants = trained.model.physics.values(), trained.model.physics.constants
    about = {name: (name, constants[name].unit, value, value > 0) for name, value in learned.items()}
    about |= {"speed": ("speed", "times", 1.0, False), "turn": ("direction", "°", 0.0, False)}
    return [
        {"name": name, "label": about[name][0], "unit": about[name][1], "value": about[name][2], "low": values[0],
         "high": values[-1], "log": about[name][3]}
        for name, values in slider_values(trained).items()
    ]  # fmt: skip
