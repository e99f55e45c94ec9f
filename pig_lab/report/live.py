"""The what-if of a page without a kernel: everything that its script has to know, taken from a run."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from IPython.display import HTML, Markdown
from torch import Tensor

from pig_core.decoder import OUTSIDE_LOGIT, PLACEMENTS, TemplateDecoder
from pig_core.encoder import BACKGROUND_LOGIT
from pig_core.evaluate import OBJECT_COLORS, own_colors, png_url, to_picture

from ..trained import Trained
from .browser import column, floats, labels, panel, parts
from .results import constants_of
from .whatif import SPEEDS, TURNS, WhatIf, loss_along, slider_range, start_of

CELLS = 21  # on each side of the map of the loss


def what_if(trained: Trained, videos: Mapping[str, int], group: str = "") -> HTML | Markdown:
    """Sliders for every constant, the speed and the direction of some example videos, or why there are none.

    Args:
        videos: which ones to choose from, by the names that they are called.
        group: panels of one group show the same frame.
    """
    if not isinstance(trained.model.decoder, TemplateDecoder) or trained.model.origins is not None:
        kind = f"`{type(trained.model.decoder).__name__}`" + " from drawn origins" * (trained.model.origins is not None)
        return Markdown(f"*A page without a kernel cannot draw with a {kind}: `explore.ipynb` can.*")
    sliders = _sliders(trained)
    data = {**scene(trained, videos), "sliders": sliders, "group": group, "cells": CELLS,
            "map": [slider["name"] for slider in sliders[:2]]}  # fmt: skip
    return panel("whatif", data, f"What if? Constants, speed and direction of {trained.task.title}, to be changed")


def opening(trained: Trained, index: int, constant: str, results: pd.DataFrame) -> HTML:
    """One video, and a slider for one constant that starts where learning starts; the answer is in ``results``."""
    sliders, start = _sliders(trained), trained.model.physics.constants[constant].start
    [about] = [slider for slider in sliders if slider["name"] == constant]
    about.update(low=start, high=about["value"] ** 2 / start)  # what was learned is in the middle
    values = [start * (about["high"] / start) ** (i / 16) for i in range(17)]
    losses = loss_along(trained, index, constant, values, WhatIf())
    found, task = constants_of(results).query("task == @trained.task.name and name == @constant"), trained.task
    learned = found["learned"]
    said = {
        "task": f"The video shows two discs; between them is a spring that nobody sees. Move the slider until the "
        f"prediction meets the video in every frame. Training began at {constant} = {start:g}, too.",
        "answer": f"You: {constant} = {{yours}}. The model, which saw nothing but videos: {learned.median():.2f} "
        f"({len(learned)} trainings: {learned.min():.3f} to {learned.max():.3f}). True: {task.truth[constant]:g}.",
    }
    data = {**scene(trained, {"video": index}), "sliders": sliders, "constant": constant, "from": start,
            "least": min(losses) / 2, "most": 1.2 * max(losses), "said": said}  # fmt: skip
    return panel("opening", data, f"A video of a {task.title} and a slider for {constant}: make the prediction match")


def coordinates(trained: Trained, sizes: Sequence[int]) -> HTML:
    """Two discs to be dragged, and where the authors' placement draws them.

    Args:
        sizes: sides of the picture to choose from, pixels; it begins with that of the task.
    """
    size, start = trained.task.image_size, [[0.15, 0.3], [0.85, 0.7]]
    data = {"sizes": sorted({size, *sizes}), "size": size, "radius": trained.task.radius, "sigma": 2.0,
            "positions": start, "colors": OBJECT_COLORS[::2]}  # fmt: skip
    return panel("coordinates", data, "Two discs to be dragged: where they are asked for, and where they are drawn")


def scene(trained: Trained, videos: Mapping[str, int]) -> dict[str, object]:
    """What ``browser/laws.js`` and ``browser/draw.js`` have to know of a run and of some of its example videos."""
    model, task, evaluation = trained.model, trained.task, trained.evaluation
    physics, law = model.physics, type(model.physics)
    return {
        "title": task.title, "law": f"{law.__module__}.{law.__qualname__}", "truth": dict(task.truth),
        "dt": physics.dt, "substeps": physics.substeps, "size": task.image_size, "radius": physics.radius,
        **{name: buffer.tolist() for name, buffer in physics.named_buffers()},
        "look": look(model.decoder, *model.appearance()), "objects": task.n_objects,
        "channels": evaluation.video.shape[2],
        "frames": evaluation.video.shape[1], "input": model.input_steps,
        "colors": [_css(color) for color in own_colors(evaluation.video, evaluation.output.masks)[: task.n_objects]],
        "labels": labels(evaluation), "parts": parts(evaluation),
        "videos": [_video(trained, name, index) for name, index in videos.items()],
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


def look(decoder: TemplateDecoder, contents: Tensor, logits: Tensor, background: Tensor) -> dict[str, object]:
    """What ``browser/draw.js`` draws with: see :meth:`pig_core.model.PAIG.appearance`."""
    [placement] = [name for name, place in PLACEMENTS.items() if place is decoder.place]
    return {
        "size": decoder.image_size, "side": decoder.template_size, "channels": len(background),
        "objects": len(contents), "sigma": decoder.log_sigma.exp().item(), "placement": placement, "cut": decoder.cut,
        "outside": OUTSIDE_LOGIT, "behind": BACKGROUND_LOGIT, "background": floats(background),
        "sheets": floats(torch.cat([logits - OUTSIDE_LOGIT, contents], 1)),
    }  # fmt: skip


def _sliders(trained: Trained) -> list[dict[str, object]]:
    physics = trained.model.physics
    found = []
    for name, value in physics.values().items():
        low, *_, high = slider_range(value)
        found.append({"name": name, "label": name, "unit": physics.constants[name].unit, "value": value, "low": low,
                      "high": high, "log": value > 0})  # fmt: skip
    found.append({"name": "speed", "label": "speed", "unit": "times", "value": 1.0, "low": SPEEDS[0],
                  "high": SPEEDS[-1]})  # fmt: skip
    if physics.dimensions == 2:  # of an angle, say: there is nothing to turn
        found.append({"name": "turn", "label": "direction", "unit": "°", "value": 0.0, "low": TURNS[0],
                      "high": TURNS[-1]})  # fmt: skip
    return found


def _css(color: tuple[float, float, float]) -> str:
    return "rgb(" + " ".join(str(round(255 * part)) for part in color) + ")"
