"""Positions to frames: learned templates placed by a spatial transformer, as in the authors' nn/network/stn.py.

Bilinear placement with one scale and one shift is separable, so drawing all objects of all frames is two batched
matrix products, ``Wy @ template @ Wx.T``, instead of a ``grid_sample`` per frame.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoder import softmax_with_background

OUTSIDE_LOGIT = -5.0  # the mask logit of an object outside its template's window
# Mask logits of the black-box decoder start faint: a grey image would first be driven to black, a plateau that training
# rarely leaves.
FAINT_LOGIT = -3.0
WAVES = 5  # octaves of the black-box decoder's position code


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


class Appearance(NamedTuple):
    """What a decoder draws with; computed once where many positions are drawn."""

    contents: Tensor  # (K, C, h, h) colours of each object in [0, 1], h = S / 2
    logits: Tensor  # (K, 1, h, h) mask logits of each object
    background: Tensor  # (C, S, S) in [0, 1]


class Decoder(nn.Module):
    """A background, and objects drawn over it; subclasses say how an object is drawn.

    Args:
        image_size: side S of the image, pixels.
    """

    def __init__(self, channels: int, image_size: int):
        super().__init__()
        self.image_size, self.template_size = image_size, image_size // 2
        self.background_logits = VariableFromNetwork(channels, image_size, image_size)

    def background(self) -> Tensor:
        """The learned background, (C, S, S) in [0, 1]."""
        return self.background_logits().sigmoid()

    def appearance(self) -> Appearance:
        """What each object and the background look like."""
        raise NotImplementedError

    def objects(self, positions: Tensor, appearance: Appearance) -> tuple[Tensor, Tensor]:
        """Objects at positions (N, K, 2), pixels: contents (N, K, C, S, S) and mask logits (N, K, S, S)."""
        raise NotImplementedError

    def forward(self, positions: Tensor, appearance: Appearance | None = None) -> Tensor:
        """Draw objects at positions (N, K, 2), pixels, over the background: frames (N, C, S, S) in [0, 1]."""
        appearance = self.appearance() if appearance is None else appearance
        contents, logits = self.objects(positions, appearance)
        *masks, background_mask = softmax_with_background(logits).split(1, 1)  # K + 1 times (N, 1, S, S)
        image = background_mask * appearance.background
        for mask, content in zip(masks, contents.unbind(1), strict=True):  # faster than a product and a sum over K
            image = torch.addcmul(image, mask, content)
        return image


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

    def appearance(self) -> Appearance:
        return Appearance(self.content().sigmoid(), self.template(), self.background())

    def objects(self, positions: Tensor, appearance: Appearance) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.objects`; contents are black outside the template's window."""
        coordinates = self.place(positions, self.log_sigma.exp(), self.image_size, self.template_size)
        weights = bilinear_weights(coordinates, self.template_size, self.cut)  # (N, K, 2, S, h)
        across, down = weights[:, :, :1], weights[:, :, 1:]  # x is the column, y the row
        placed = _placed(down, _sheet(appearance), across)  # (N, K, 1 + C, S, S)
        logits, contents = placed.split([1, placed.shape[2] - 1], 2)  # cheaper on the way back than two slices
        return contents, logits.squeeze(2) + OUTSIDE_LOGIT


def _placed(down: Tensor, sheet: Tensor, across: Tensor) -> Tensor:
    """Sheets (K, 1 + C, h, h) at weights (N, K, 1, S, h) along columns and rows: (N, K, 1 + C, S, S)."""
    if torch.is_grad_enabled():
        return (down @ sheet) @ across.transpose(-1, -2)
    # The same numbers without a copy of the sheet for every frame: half the time, and a refinement draws 40 times.
    n, k, _, size, h = down.shape
    rows = down.squeeze(2).transpose(0, 1).flatten(1, 2) @ sheet.transpose(1, 2).flatten(2)  # (K, N S, (1 + C) h)
    columns = across.squeeze(2).permute(1, 0, 3, 2)  # (K, N, h, S)
    placed = rows.view(k, n, -1, h) @ columns  # (K, N, S (1 + C), S)
    return placed.view(k, n, size, -1, size).permute(1, 0, 3, 2, 4)


def _sheet(appearance: Appearance) -> Tensor:
    """Everything that is placed, (K, 1 + C, h, h): mask logits relative to those outside, and contents."""
    return torch.cat([appearance.logits - OUTSIDE_LOGIT, appearance.contents], 1)


class TurningDecoder(TemplateDecoder):
    """The paper's decoder with templates that turn: a law with poses gives each object an angle.

    A position is where the template's middle is drawn, whatever the angle; pixels keep their size, so a template that
    turns by a quarter is the template with its rows and columns exchanged. Turning cannot be written as a product of
    rows and columns: it takes a ``grid_sample`` for each object and frame.
    """

    def objects(self, positions: Tensor, appearance: Appearance) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.objects`, of positions (N, K, 2) or places (N, K, 3).

        The third number is the angle by which a template is turned, radians, counterclockwise on the screen.
        """
        n = len(positions)
        if positions.shape[2] == 2:
            return super().objects(positions, appearance)
        size, side, scale = self.image_size, self.template_size, self.log_sigma.exp()
        middle = self.place(torch.zeros_like(scale), torch.zeros_like(scale), size, side)[0]
        off = self.place(positions[..., :2], scale, size, side) - middle  # (N, K, 2, S), unturned
        x, y = off[:, :, 0, None, :], off[:, :, 1, :, None]
        cos, sin = (f(positions[..., 2])[..., None, None] for f in (torch.cos, torch.sin))
        grid = torch.stack([x * cos - y * sin, x * sin + y * cos], -1) + middle  # (N, K, S, S, 2), template pixels
        # One image for each object, all its frames below one another: templates are not copied.
        placed = F.grid_sample(
            _sheet(appearance), ((2 * grid + 1) / side - 1).transpose(0, 1).flatten(1, 2), align_corners=False
        ).unflatten(2, (n, size))  # (K, 1 + C, N, S, S)
        if self.cut:
            inside = ((grid >= 0) & (grid <= side - 1)).all(-1)  # (N, K, S, S)
            placed = placed * inside.transpose(0, 1).unsqueeze(1)
        logits, contents = placed.permute(2, 0, 1, 3, 4).split([1, placed.shape[1] - 1], 2)
        return contents, logits.squeeze(2) + OUTSIDE_LOGIT


class MLPDecoder(Decoder):
    """The paper's black-box decoder, a baseline: one network per object turns a position into an image.

    It does not know that an object looks the same everywhere: it cannot draw one where training had none.
    """

    def __init__(self, n_objects: int, channels: int, image_size: int, coordinates: str, window_edge: str):
        super().__init__(channels, image_size)
        outputs = (1 + channels) * image_size**2
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(4 * WAVES, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, outputs))
            for _ in range(n_objects)
        )

    def appearance(self) -> Appearance:
        """As :meth:`Decoder.appearance`: the middle of the image with the object in it."""
        middle = torch.full((1, len(self.networks), 2), self.image_size / 2, device=self.networks[0][0].weight.device)
        contents, logits = (x[0] for x in self.objects(middle))
        edge = self.template_size // 2
        window = slice(edge, edge + self.template_size)
        return Appearance(contents[..., window, window], logits.unsqueeze(1)[..., window, window], self.background())

    def objects(self, positions: Tensor, appearance: Appearance | None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.objects`."""
        # Sines and cosines of the position, waves of two images and shorter: from two plain numbers alone a network
        # learns blurred spots for a very long time.
        octaves = 2.0 ** torch.arange(WAVES, device=positions.device)
        phase = (math.pi * positions / self.image_size).unsqueeze(-1) * octaves  # (N, K, 2, WAVES)
        places = torch.cat([phase.sin(), phase.cos()], -1).flatten(2).unbind(1)  # K times (N, 4 WAVES)
        drawn = [network(place) for network, place in zip(self.networks, places, strict=True)]
        sheets = torch.stack(drawn, 1).unflatten(2, (-1, self.image_size, self.image_size))  # (N, K, 1 + C, S, S)
        return sheets[:, :, 1:].sigmoid(), sheets[:, :, 0] + FAINT_LOGIT
