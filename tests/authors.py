"""The authors' variable names and layouts, translated into ours."""

import numpy as np
import torch

from pig_core.model import PAIG


def load_authors_variables(model: PAIG, variables: dict[str, np.ndarray]) -> None:
    """Put the authors' variables into our model; every weight of the model must be among them."""
    state = {}

    def take(ours: str, scope: str, kind: str, number: int) -> None:
        name = f"var/net/{scope}/{kind}" + (f"_{number}" if number else "")
        kernel = torch.from_numpy(variables[f"{name}/kernel:0"])
        # (height, width, in, out) to (out, in, height, width); (in, out) to (out, in)
        state[f"{ours}.weight"] = kernel.permute(3, 2, 0, 1) if kernel.dim() == 4 else kernel.T
        state[f"{ours}.bias"] = torch.from_numpy(variables[f"{name}/bias:0"])

    unet = model.encoder.unet
    convolutions = [f"down.{level}.{i}" for level in range(len(unet.down)) for i in (0, 2)]
    for level in range(len(unet.up)):
        convolutions += [f"lift.{level}", f"up.{level}.0", f"up.{level}.2"]
    for number, ours in enumerate([*convolutions, "head"]):
        take(f"encoder.unet.{ours}", "encoder", "conv2d", number)
    for number in range(3):
        take(f"encoder.localiser.mlp.{2 * number}", "encoder", "dense", number)
        take(f"velocity.mlp.{2 * number}", "init_vel", "dense", number)
    layers = [f"{part}.{layer}" for part in ("template", "content", "background_logits") for layer in ("hidden", "out")]
    for number, ours in enumerate(layers):
        take(f"decoder.{ours}", "decoder", "dense", number)
    state["decoder.log_sigma"] = torch.tensor(variables["var/net/decoder/logsigma:0"])
    for name, value in authors_logs(variables, "var").items():
        state[f"physics.logs.{name}"] = torch.tensor(value)
    model.load_state_dict(state)


def authors_logs(variables: dict[str, np.ndarray], group: str) -> dict[str, float]:
    """Logarithms of the constants in the authors' physics cell, by name; ``group`` is "var" or "after12"."""
    return {
        key.rpartition("/log_")[2].removesuffix(":0"): float(value)
        for key, value in variables.items()
        if key.startswith(f"{group}/net/") and "_ode_cell/log_" in key
    }
