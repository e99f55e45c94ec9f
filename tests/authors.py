"""The authors' program in double precision (``vectors/<task>.npz``), and its variables in our model."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pig_core.build import build_model
from pig_core.config import make_config
from pig_core.model import PAIG

VECTORS = Path(__file__).parent / "vectors"


def reference(name: str) -> dict[str, np.ndarray]:
    """Arrays that the authors' program computed."""
    with np.load(VECTORS / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def authors_variables(model: PAIG) -> dict[str, Tensor]:
    """Views of all parameters under the authors' names, in TensorFlow's layouts; writing to one changes the model."""
    parameters, views = dict(model.named_parameters()), {}

    def add(ours: str, scope: str, kind: str, number: int) -> None:
        name = f"net/{scope}/{kind}" + (f"_{number}" if number else "")
        weight = parameters.pop(f"{ours}.weight").data
        # (out, in, height, width) to (height, width, in, out); (out, in) to (in, out)
        views[f"{name}/kernel:0"] = weight.permute(2, 3, 1, 0) if weight.dim() == 4 else weight.T
        views[f"{name}/bias:0"] = parameters.pop(f"{ours}.bias").data

    unet = model.encoder.unet
    convolutions = [f"down.{level}.{i}" for level in range(len(unet.down)) for i in (0, 2)]
    for level in range(len(unet.up)):
        convolutions += [f"lift.{level}", f"up.{level}.0", f"up.{level}.2"]
    for number, ours in enumerate([*convolutions, "head"]):
        add(f"encoder.unet.{ours}", "encoder", "conv2d", number)
    for number in range(3):
        add(f"encoder.localiser.mlp.{2 * number}", "encoder", "dense", number)
        add(f"velocity.mlp.{2 * number}", "init_vel", "dense", number)
    layers = [f"{part}.{layer}" for part in ("template", "content", "background_logits") for layer in ("hidden", "out")]
    for number, ours in enumerate(layers):
        add(f"decoder.{ours}", "decoder", "dense", number)
    views["net/decoder/logsigma:0"] = parameters.pop("decoder.log_sigma").data
    cell = type(model.physics).__name__.lower()
    for name in model.physics.constants:
        views[f"net/{cell}_ode_cell/log_{name}:0"] = parameters.pop(f"physics.logs.{name}").data
    assert not parameters, f"not among the authors' variables: {', '.join(parameters)}"
    return views


def authors_model(task: str, vectors: dict[str, np.ndarray], **options: object) -> tuple[PAIG, dict[str, Tensor]]:
    """A model of the recipe ``paper`` in double precision with the reference's weights, and views of its variables.

    The weights are uniform draws of a generator that is seeded with the variable's name.
    """
    model = build_model(make_config(task, "paper", **options)).double()
    views = authors_variables(model)
    names = {name: tuple(shape) for name, shape in json.loads(str(vectors["names"]))}
    assert {name: tuple(view.shape) for name, view in views.items()} == names
    for name, shape in names.items():
        field = int(np.prod(shape[:-2]))
        limit = np.sqrt(6 / (field * (shape[-2] + shape[-1]))) if name.endswith("kernel:0") else 0.1
        values = np.random.default_rng(zlib.crc32(name.encode())).uniform(-limit, limit, shape)
        views[name].copy_(torch.as_tensor(values))
    return model, views
