"""Options to a new model: the only place where a text becomes a class, and the weights that a model starts with."""

from functools import partial

import torch
from torch import Tensor, nn

from .baselines import BLACK_BOXES, DifferenceVelocity, LinearVelocity, VideoLSTM
from .config import Config, task_of
from .corrections import StartPrior, origins, refine
from .decoder import Decoder, MLPDecoder, TemplateDecoder, TurningDecoder
from .encoder import CenterOfMass, Encoder, MaskedMLP, UNet
from .model import PAIG
from .state import VELOCITIES, Velocity
from .tasks import Task

DECODERS: dict[str, type[Decoder]] = {
    "spatial_transformer": TemplateDecoder, "turning_transformer": TurningDecoder, "mlp": MLPDecoder,
}  # fmt: skip
ALL_VELOCITIES: dict[str, type[Velocity]] = {**VELOCITIES, "difference_mlp": DifferenceVelocity}


def build_model(config: Config, task: Task | None = None, background: Tensor | None = None) -> PAIG:
    """A new model with Glorot uniform weights and zero biases, fixed by the seed.

    Args:
        task: what it is for; None: the catalogue's of the options' name.
        background: (C, S, S) in [0, 1] where the decoder's background starts; None: keep the random initialisation.
    """
    generator = torch.Generator().manual_seed(config.seed)
    model = ARCHITECTURES[config.architecture](config, task_of(config, task))
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
    velocity = getattr(model, "velocity", None)
    # From zero on, differences start as they are, and the paper's network starts at rest.
    if isinstance(velocity, DifferenceVelocity) or (hasattr(velocity, "mlp") and config.velocity_init == "zero"):
        nn.init.zeros_(velocity.mlp[-1].weight)
    if background is not None and isinstance(model, PAIG):
        layer = model.decoder.background_logits.out
        with torch.no_grad():
            layer.weight.mul_(0.01)  # the bias alone decides
            layer.bias.copy_(background.movedim(0, -1).flatten().clamp(1e-3, 1 - 1e-3).logit())
    return model


def _paig(config: Config, task: Task) -> PAIG:
    """Its parts in this order: initialisation walks through them with one generator."""
    size, k, channels = task.image_size, task.n_objects, 3 if config.color else 1
    mlp = config.encoder_type == "mlp"
    localiser = MaskedMLP(channels, size, config.mask_pooling) if mlp else CenterOfMass(size)
    unet = UNet(channels, k, config.unet_base, config.unet_poolings, config.unet_precision)
    estimator = LinearVelocity if config.alt_vel else ALL_VELOCITIES[config.velocity_type]
    if config.cell_type == "task":
        physics = task.physics(config.substeps)
    else:
        physics = BLACK_BOXES[config.cell_type](k, config.recurrent_units, config.lstm_layers, size, task.dt)
    dimensions = physics.dimensions
    return PAIG(
        Encoder(unet, localiser, config.logit_gain, config.mask_background),
        DECODERS[config.decoder_type](k, channels, size, config.coordinates, config.window_edge),
        estimator(task.input_steps, k, task.dt, dimensions),
        StartPrior(task.input_steps, k, dimensions) if config.start_prior else None,
        physics,
        task.input_steps,
        task.pred_steps,
        partial(refine, steps=config.refine_steps, search=config.refine_search) if config.refine_steps else None,
        partial(origins, n_objects=k) if config.origin == "drawn" else None,
    )


def _video_lstm(config: Config, task: Task) -> VideoLSTM:
    units, layers = config.recurrent_units, config.lstm_layers
    return VideoLSTM(3 if config.color else 1, task.image_size, task.input_steps, task.pred_steps, units, layers)


ARCHITECTURES = {"paig": _paig, "video_lstm": _video_lstm}
