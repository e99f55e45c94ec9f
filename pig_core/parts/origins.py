"""Where the objects are in their templates: an origin that positions are counted from, and that nothing sees directly.

A template that holds its disc off its middle, and positions that are off by as much the other way, draw the same
pictures. Only physics between objects can tell that their origins differ: the distance between two discs is then wrong.
"""

import torch
from torch import Tensor

from ..decoder import Decoder, TemplateDecoder
from ..encoder import mass_moments
from ..model import PAIG

ROUNDS = 4  # one pixel of position moves the drawn object by nearly one


@torch.no_grad()
def origins(decoder: Decoder, n_objects: int) -> Tensor:
    """What has to be added to positions so that they are where the objects are drawn, (K, 2), pixels.

    Every object is drawn alone, the others far outside, and moved until it is in the middle of the picture; its place
    is the centre of mass of what changes. It is looked for in the model's own pictures: the truth is not asked. There
    is no gradient, and what is not drawn at all counts as in the middle.
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


def to_count(model: PAIG, n_objects: int) -> Tensor:
    """What :func:`origins` still has to add to this model's positions, (K, 2), pixels.

    Nothing if they are counted from there already, or if the decoder does not place pictures.
    """
    if model.origins is not None or type(model.decoder) is not TemplateDecoder:
        return torch.zeros(n_objects, 2)
    return origins(model.decoder, n_objects)
