"""Options to a new model: which architecture, and the weights it starts with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..baselines.frames import VideoLSTM
from ..config import Config
from ..model import PAIG
from ..velocity import DifferenceVelocity

MODELS: dict[str, type[nn.Module]] = {"paig": PAIG, "video_lstm": VideoLSTM}


def build_model(config: Config, background: Tensor | None = None) -> PAIG:
    """A new model with Glorot uniform weights and zero biases, fixed by the seed.

    Args:
        background: (C, S, S) in [0, 1] where the decoder's background starts; None: as the weights fall.
    """
    generator = torch.Generator().manual_seed(config.seed)
    model = MODELS[config.architecture](config)
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
    if isinstance(getattr(model, "velocity", None), DifferenceVelocity):  # starts as the plain difference
        nn.init.zeros_(model.velocity.mlp[-1].weight)
    if background is not None and isinstance(model, PAIG):
        layer = model.decoder.background_logits.out
        with torch.no_grad():
            layer.weight.mul_(0.01)  # the bias alone decides
            layer.bias.copy_(background.movedim(0, -1).flatten().clamp(1e-3, 1 - 1e-3).logit())
    return model
