"""Frames to positions: a U-Net masks the objects, each masked frame gives one position (nn/network/blocks.py)."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BACKGROUND_LOGIT = 1.0  # the constant mask logit of the background


def double_size(x: Tensor) -> Tensor:
    """Bilinear upsampling by 2 of (N, C, H, W) as TensorFlow 1 does it: source index = target index / 2.

    [0, 1, 2, 3] becomes [0, .5, 1, 1.5, 2, 2.5, 3, 3]: even targets copy, odd ones are the mean of two neighbours.
    """
    x = x.movedim(1, -1)  # channels stay last in memory, as the convolutions around want them
    for dim in (1, 2):
        n = x.shape[dim]
        after = torch.cat([x.narrow(dim, 1, n - 1), x.narrow(dim, n - 1, 1)], dim)
        x = torch.stack([x, torch.lerp(x, after, 0.5)], dim + 1).flatten(dim, dim + 1)
    return x.movedim(-1, 1)


class UNet(nn.Module):
    """The authors' U-Net: two 3x3 convolutions a level, poolings down, bilinear steps up, skip connections.

    Args:
        inputs, outputs: channels of the image and of the logits.
        base: channels of the first level; each pooling doubles them.
        poolings: number of levels below the first.
        precision: of the convolutions but for the last, "float32" or "bfloat16"; what comes out is as what goes in.
    """

    def __init__(self, inputs: int, outputs: int, base: int = 8, poolings: int = 2, precision: str = "float32"):
        super().__init__()
        self.low_precision = precision == "bfloat16"
        widths = [base * 2**level for level in range(poolings + 1)]
        up = 2 * base  # channels after each upsampling, whatever the level
        self.down = nn.ModuleList(_double_conv(i, o) for i, o in zip([inputs, *widths], widths, strict=False))
        self.lift = nn.ModuleList(
            nn.Conv2d(widths[-1] if level == poolings - 1 else widths[level + 1], up, 3, padding=1)
            for level in reversed(range(poolings))
        )
        self.up = nn.ModuleList(_double_conv(up + widths[level], widths[level]) for level in reversed(range(poolings)))
        self.head = nn.Conv2d(base, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to logits (N, outputs, H, W)."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, base, H, W), what the last 1x1 convolution turns into logits."""
        skips, precision = [], x.dtype
        with torch.autocast(x.device.type, torch.bfloat16) if self.low_precision else nullcontext():
            for level, convs in enumerate(self.down):
                x = convs(F.max_pool2d(x, 2) if level else x)
                skips.append(x)
            skips.pop()  # the lowest level has no skip connection
            for lift, convs in zip(self.lift, self.up, strict=True):
                x = convs(torch.cat([lift(double_size(x)), skips.pop()], 1))
        return x.to(precision)


def _double_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    first, second = (nn.Conv2d(channels, channels_out, 3, padding=1) for channels in (channels_in, channels_out))
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))


class MaskedMLP(nn.Module):
    """The authors' localiser: one MLP, shared by the objects, on each flattened masked frame.

    Args:
        pooling: masked frames are average-pooled by this factor first (2 for 64-pixel images).
    """

    def __init__(self, channels: int, image_size: int, pooling: int = 1):
        super().__init__()
        self.pooling, self.image_size = pooling, image_size
        inputs = channels * (image_size // pooling) ** 2
        self.mlp = nn.Sequential(nn.Linear(inputs, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 2))

    def forward(self, frames: Tensor, masks: Tensor, background: Tensor) -> Tensor:
        """Frames (N, C, H, W) and masks (N, K, H, W) to positions (N, K, 2) in pixels."""
        masked = masks.unsqueeze(2) * frames.unsqueeze(1)  # (N, K, C, H, W)
        if self.pooling > 1:
            masked = F.avg_pool2d(masked.flatten(0, 1), self.pooling).unflatten(0, masked.shape[:2])
        flat = masked.movedim(2, -1).flatten(2)  # height, width, channel: the authors' order
        half = self.image_size / 2
        return self.mlp(flat).tanh() * half + half


class CenterOfMass(nn.Module):
    """Position = centre of mass of mask_k * saliency: nothing to learn, exact from the first step."""

    def __init__(self, image_size: int):
        super().__init__()
        self.register_buffer("centres", torch.arange(image_size) + 0.5, persistent=False)

    def forward(self, frames: Tensor, masks: Tensor, background: Tensor) -> Tensor:
        """As :meth:`MaskedMLP.forward`; an object that is nowhere is put into the middle of the image."""
        return mass_moments(masks * saliency(frames, background), self.centres)[0]


def saliency(frames: Tensor, background: Tensor) -> Tensor:
    """How much each pixel differs from the background, (N, 1, H, W): squared, summed over channels.

    The square keeps faint errors of a learned background from pulling positions to the middle. A threshold would do
    that better, but would lose what the grey levels at an object's edge say about its position between the pixels.
    """
    return (frames - background.detach()).square().sum(1, keepdim=True)


def mass_moments(weight: Tensor, centres: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (..., 2), spread (...) and mass (...) of weights (..., H, W) over pixel centres.

    The spread is the summed squared distance from the mean, not divided by the mass; pixels and pixels^2.
    """
    along_x, along_y = weight.sum(-2), weight.sum(-1)  # (..., W), (..., H)
    mass = along_x.sum(-1)
    eps, middle = 1e-4, centres.mean()  # decide where nothing is
    marginals = torch.stack([along_x, along_y], -2)  # (..., 2, S)
    mean = ((marginals * centres).sum(-1) + eps * middle) / (mass + eps).unsqueeze(-1)
    spread = (marginals * (centres - mean.unsqueeze(-1)).square()).sum((-2, -1))
    return mean, spread, mass


class Encoder(nn.Module):
    """Masks by U-Net and softmax, then one position per mask.

    Args:
        logit_gain: factor of the mask logits.
        background: whether a constant background logit takes part in the softmax.
    """

    def __init__(self, unet: UNet, localiser: nn.Module, logit_gain: float, background: bool):
        super().__init__()
        # Channels last in memory: the convolutions are most of all work and run nearly twice as fast.
        self.unet = unet.to(memory_format=torch.channels_last)
        self.localiser = localiser
        self.logit_gain, self.background = logit_gain, background

    def forward(self, frames: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (N, C, H, W) to positions (N, K, 2), pixels, and masks (N, K, H, W) without the background's."""
        logits = self.unet(frames.contiguous(memory_format=torch.channels_last)) * self.logit_gain
        masks = softmax_with_background(logits)[:, :-1] if self.background else logits.softmax(1)
        return self.localiser(frames, masks, background), masks


def softmax_with_background(logits: Tensor) -> Tensor:
    """Softmax over objects (dimension 1) and a background of constant logit, which comes last."""
    return torch.cat([logits, torch.full_like(logits[:, :1], BACKGROUND_LOGIT)], 1).softmax(1)
