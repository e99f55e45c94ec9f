"""Options to a new model: the only place where a name becomes a class, and the initial weights."""

import importlib
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .config import Config, task_of
from .corrections import StartPrior, refine
from .decoder import Decoder, MLPDecoder, TemplateDecoder, TurningDecoder
from .encoder import CenterOfMass, Encoder, MaskedMLP, UNet
from .model import PAIG
from .state import FittedVelocity, LinearVelocity, MLPVelocity, Velocity
from .tasks import LARGE_IMAGE, Task

DECODERS: dict[str, type[Decoder]] = {
    "spatial_transformer": TemplateDecoder,
    "turning_transformer": TurningDecoder,
    "mlp": MLPDecoder,
}
VELOCITIES: dict[str, type[Velocity]] = {"fit": FittedVelocity, "mlp": MLPVelocity, "linear": LinearVelocity}
# Pixels around each position where a refinement starts in large images: detailed objects, such as digits, also fit
# with a wrong part of themselves.
SEARCH = 4.0


def build_model(config: Config, task: Task | None = None, background: Tensor | None = None) -> PAIG:
    """A new model with Glorot uniform weights and zero biases, fixed by the seed.

    Args:
        task: the task it is for; None: the catalogue's of the options' name.
        background: (C, S, S) in [0, 1] where the decoder's background starts; None: keep the random initialisation.
    """
    generator = torch.Generator().manual_seed(config.seed)
    task = task_of(config, task)
    model = _baseline("VideoLSTM")(config, task) if config.cell_type == "video_lstm" else _paig(config, task)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LSTM):
            for parameter in module.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter, generator=generator)
                else:
                    nn.init.zeros_(parameter)
    for module in model.modules():
        if getattr(module, "starts_plain", False):
            nn.init.zeros_(module.mlp[-1].weight)
    if background is not None and isinstance(model, PAIG):
        layer = model.decoder.background_logits.out
        with torch.no_grad():
            layer.weight.mul_(0.01)  # the bias alone decides
            layer.bias.copy_(background.movedim(0, -1).flatten().clamp(1e-3, 1 - 1e-3).logit())
    return model


def _paig(config: Config, task: Task) -> PAIG:
    """The parts, made in this order: initialisation walks through them with one generator."""
    size, k, channels = task.image_size, task.n_objects, 3 if config.color else 1
    large, authors = size >= LARGE_IMAGE, config.encoder_type == "mlp"
    # The authors' encoder is larger for large images (nn/network/blocks.py): wider, one level deeper, frames pooled.
    base, poolings, pooling = (16, 3, 2) if authors and large else (8, 2, 1)
    localiser = MaskedMLP(channels, size, pooling) if authors else CenterOfMass(size)
    unet = UNet(channels, k, base, poolings, config.unet_precision)
    if config.cell_type == "task":
        physics = task.physics(config.substeps)
    else:
        physics = _baseline("BLACK_BOXES")[config.cell_type](
            k, config.recurrent_units, config.lstm_layers, size, task.dt
        )
    velocity = VELOCITIES.get(config.velocity_type) or _baseline("DifferenceVelocity")
    search = SEARCH if large else 0.0
    return PAIG(
        Encoder(unet, localiser, config.logit_gain, config.mask_background),
        DECODERS[config.decoder_type](k, channels, size, config.coordinates, config.window_edge),
        velocity(task.input_steps, k, task.dt, physics.dimensions),
        StartPrior(task.input_steps, k, physics.dimensions) if config.start_prior else None,
        physics,
        task.input_steps,
        task.pred_steps,
        partial(refine, steps=config.refine_steps, search=search) if config.refine_steps else None,
    )


def _baseline(name: str) -> Any:
    """A name of the baselines, which no recipe needs: the module is loaded when an option asks for it."""
    return getattr(importlib.import_module("pig_lab.baselines"), name)
