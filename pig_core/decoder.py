"""Positions to frames: learned templates placed by a spatial transformer, as in the authors' nn/network/stn.py.

Bilinear placement with one scale and one shift is separable, so drawing all objects of all frames is two batched
matrix products, ``Wy @ template @ Wx.T``, instead of a ``grid_sample`` per frame.
"""

import math

import torch
from torch import Tensor, nn

from .encoder import softmax_with_background

OUTSIDE_LOGIT = -5.0  # the mask logit of an object outside its template's window


class VariableFromNetwork(nn.Module):
    """Learned images (..., C, H, W) produced by a small network from a constant: faster than bare parameters."""

    def __init__(self, *shape: int):
        super().__init__()
        *batch, channels, height, width = shape
        self.shape = (*batch, height, width, channels)  # the authors' order, so that their weights fit
        self.hidden = nn.Linear(10, 200)
        self.out = nn.Linear(200, math.prod(shape))

    def forward(self) -> Tensor:
        return self.out(self.hidden(self.out.weight.new_ones(10)).tanh()).view(self.shape).movedim(-1, -3)

    @torch.no_grad()
    def simplify(self) -> None:
        """Let the last bias alone hold the images; the large weight matrix becomes zero."""
        images = self()
        self.out.weight.zero_()
        self.out.bias.copy_(images.movedim(-3, -1).flatten())


def placement_exact(position: Tensor, sigma: Tensor, size: int, template_size: int) -> Tensor:
    """Template coordinate of every pixel centre along one axis: positions (...) to coordinates (..., size).

    Moving the position by one pixel moves the drawn object by exactly one pixel.
    """
    centres = torch.arange(size, device=position.device, dtype=position.dtype) + 0.5
    u = (centres - position.unsqueeze(-1)) * sigma / (size / 2)
    return (u + 1) * template_size / 2 - 0.5


def placement_released(position: Tensor, sigma: Tensor, size: int, template_size: int) -> Tensor:
    """The same in the authors' code, where one pixel of position moves the object by only (S-1)/S pixels."""
    grid = torch.linspace(-1, 1, size, device=position.device, dtype=position.dtype)
    u = (grid + (size / 2 - position.unsqueeze(-1)) / (size / 2)) * sigma
    return (u + 1) * (template_size - 1.01) / 2


PLACEMENTS = {"exact": placement_exact, "released": placement_released}


def bilinear_weights(coordinate: Tensor, template_size: int, cut: bool) -> Tensor:
    """Interpolation weights of the template's pixels, (..., size) to (..., size, template_size).

    Args:
        cut: outside the template all weights are zero at once, as in the authors' transformer; otherwise they
            fall to zero over one template pixel, so that the image is a continuous function of the position.
    """
    pixels = torch.arange(template_size, device=coordinate.device, dtype=coordinate.dtype)
    weights = (1 - (coordinate.unsqueeze(-1) - pixels).abs()).clamp_min(0)
    inside = (coordinate >= 0) & (coordinate <= template_size - 1)
    return weights * inside.unsqueeze(-1) if cut else weights


class Decoder(nn.Module):
    """A background, and objects drawn over it; its subclasses say how an object is drawn.

    Args:
        image_size: side of the image, pixels.
    """

    def __init__(self, channels: int, image_size: int):
        super().__init__()
        self.image_size, self.template_size = image_size, image_size // 2
        self.background_logits = VariableFromNetwork(channels, image_size, image_size)

    def background(self) -> Tensor:
        """The learned background, (C, S, S) in [0, 1]."""
        return self.background_logits().sigmoid()

    def objects(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Objects at positions (N, K, 2), pixels: contents (N, K, C, S, S) and mask logits (N, K, S, S)."""
        raise NotImplementedError

    def appearance(self) -> tuple[Tensor, Tensor]:
        """What each object looks like, half the image's size: contents (K, C, h, h), mask logits (K, 1, h, h)."""
        raise NotImplementedError

    def forward(self, positions: Tensor) -> Tensor:
        """Draw objects at positions (N, K, 2), pixels, over the background: frames (N, C, S, S) in [0, 1]."""
        contents, logits = self.objects(positions)
        *masks, background_mask = softmax_with_background(logits).split(1, 1)  # K + 1 times (N, 1, S, S)
        picture = background_mask * self.background()
        for mask, content in zip(masks, contents.unbind(1), strict=True):  # quicker than a product and a sum over K
            picture = torch.addcmul(picture, mask, content)
        return picture


class TemplateDecoder(Decoder):
    """The paper: one template (mask logits) and one content (colours) per object, placed at its position.

    Args:
        coordinates: key of ``PLACEMENTS``.
        window_edge: "cut" or "taper", see :func:`bilinear_weights`.
    """

    def __init__(self, n_objects: int, channels: int, image_size: int, coordinates: str, window_edge: str):
        super().__init__(channels, image_size)
        self.cut = window_edge == "cut"
        self.place = PLACEMENTS[coordinates]
        self.template = VariableFromNetwork(n_objects, 1, self.template_size, self.template_size)
        self.content = VariableFromNetwork(n_objects, channels, self.template_size, self.template_size)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def appearance(self) -> tuple[Tensor, Tensor]:
        return self.content().sigmoid(), self.template()

    def objects(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.objects`; contents are black outside the template's window."""
        coordinates = self.place(positions, self.log_sigma.exp(), self.image_size, self.template_size)
        weights = bilinear_weights(coordinates, self.template_size, self.cut)  # (N, K, 2, S, h)
        across, down = weights[:, :, :1], weights[:, :, 1:]  # x is the column, y the row
        sheet = torch.cat([self.template() - OUTSIDE_LOGIT, self.content().sigmoid()], 1)  # (K, 1 + C, h, h)
        placed = (down @ sheet) @ across.transpose(-1, -2)  # (N, K, 1 + C, S, S)
        logits, contents = placed.split([1, placed.shape[2] - 1], 2)  # cheaper on the way back than two slices
        return contents, logits.squeeze(2) + OUTSIDE_LOGIT
