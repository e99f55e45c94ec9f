"""Where objects are in their templates: reference points of positions, which images alone do not fix.

A template that holds its disc off its middle, and positions that are off by as much the other way, draw the same
images. Only physics between objects depends on the difference: the distance is then wrong.
"""

import torch
from torch import Tensor, nn

from pig_core.decoder import Decoder, TemplateDecoder
from pig_core.encoder import mass_moments

ROUNDS = 4  # one pixel of position moves the drawn object by nearly one


@torch.no_grad()
def origins(decoder: Decoder, n_objects: int) -> Tensor:
    """The offset from positions to the centres of the drawn objects, (K, 2), pixels.

    Each object is drawn alone, the others far outside, and moved until the centre of mass of what changes is in the
    middle of the image. The truth is not used. There is no gradient; an object that is not drawn has offset 0.
    """
    size, device = decoder.image_size, next(decoder.parameters()).device
    centres = torch.arange(size, device=device) + 0.5
    alone = torch.eye(n_objects, dtype=torch.bool, device=device).unsqueeze(-1)
    outside = torch.full((n_objects, n_objects, 2), -4.0 * size, device=device)
    position, empty = torch.full_like(outside[0], size / 2), decoder(outside[:1])
    for _ in range(ROUNDS):
        weight = (decoder(torch.where(alone, position, outside)) - empty).square().sum(1)  # (K, S, S)
        position = position + size / 2 - mass_moments(weight, centres)[0]
    return size / 2 - position


def to_count(model: nn.Module, n_objects: int) -> Tensor:
    """:func:`origins` of a model with plain templates; 0 for other decoders, (K, 2), pixels."""
    if type(model.decoder) is not TemplateDecoder:
        return torch.zeros(n_objects, 2)
    return origins(model.decoder, n_objects)
