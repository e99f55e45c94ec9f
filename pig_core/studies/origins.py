"""Where the objects are in their templates: an origin that positions are counted from, and that nothing sees directly.

A template that holds its disc off its middle, and positions that are off by as much the other way, draw the same
pictures. Only physics between objects can tell that their origins differ: the distance between two discs is then wrong.
"""

import torch
from torch import Tensor

from ..encoder import mass_moments
from ..model import PAIG

ROUNDS = 4  # one pixel of position moves the drawn object by nearly one


@torch.no_grad()
def origins(model: PAIG) -> Tensor:
    """What has to be added to positions so that they are where the objects are drawn, (K, 2), pixels.

    Every object is drawn alone, the others far outside, and moved until it is in the middle of the picture; its place
    is the centre of mass of what changes. It is looked for in the model's own pictures: the truth is not asked.
    """
    size, k = model.decoder.image_size, model.encoder.unet.head.out_channels
    middle, alone = torch.full((k, 2), size / 2), torch.eye(k, dtype=torch.bool).unsqueeze(-1)
    outside = torch.full((k, k, 2), -4.0 * size)
    position, empty = middle, model.draw(outside[:1])
    for _ in range(ROUNDS):
        pictures = model.draw(torch.where(alone, position, outside))  # (K, C, S, S)
        weight = (pictures - empty).square().sum(1)  # (K, S, S)
        position = position + middle - mass_moments(weight, torch.arange(size) + 0.5)[0]
    return middle - position


def apart(found: Tensor) -> float:
    """The largest distance between two of the origins (K, 2), pixels."""
    return torch.cdist(found, found).max().item()
