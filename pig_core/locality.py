"""Finding objects before drawing them: an object is in one place, so its mask should be compact."""

import torch
from torch import Tensor, nn

from .encoder import UNet, mass_moments, saliency


class CandidateHeads(nn.Module):
    """Several last layers on one U-Net, each a different random start for the masks; the most local one is kept.

    Which object a mask ends up with depends on where it starts, and a bad start can be final. Candidates share all
    other layers, so eight of them cost little more than one. The choice looks at images only, never at the truth.
    """

    def __init__(self, unet: UNet, candidates: int, generator: torch.Generator):
        super().__init__()
        self.unet, self.n_objects = unet, unet.head.out_channels
        self.heads = nn.Conv2d(unet.head.in_channels, candidates * self.n_objects, 1).to(unet.head.weight.device)
        with torch.no_grad():  # as wide as the Glorot range of a single head
            bound = (6 / (unet.head.in_channels + self.n_objects)) ** 0.5
            self.heads.weight.copy_(torch.empty(self.heads.weight.shape).uniform_(-bound, bound, generator=generator))
            self.heads.bias.zero_()

    def spread_and_share(self, frames: Tensor, background: Tensor, gain: float) -> tuple[Tensor, Tensor]:
        """Mean spread of the masks, (M,) in pixels^2, and each mask's share of the salient pixels, (M, K)."""
        logits = self.heads(self.unet.features(frames)) * gain
        masks = logits.unflatten(1, (-1, self.n_objects)).softmax(2)  # (N, M, K, H, W)
        centres = torch.arange(frames.shape[-1], device=frames.device) + 0.5
        _, spread, mass = mass_moments(masks * saliency(frames, background).unsqueeze(1), centres)  # (N, M, K)
        total = mass.sum(-1) + 1e-6
        return (spread.sum(-1) / total).mean(0), (mass / total.unsqueeze(-1)).mean(0)

    @torch.no_grad()
    def keep_best(self, frames: Tensor, background: Tensor, gain: float) -> None:
        """Give the U-Net the candidate whose masks are most local on these frames."""
        best = self.spread_and_share(frames, background, gain)[0].argmin()
        for ours, kept in zip(self.heads.parameters(), self.unet.head.parameters(), strict=True):
            kept.copy_(ours.unflatten(0, (-1, self.n_objects))[best])
