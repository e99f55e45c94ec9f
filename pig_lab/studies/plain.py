"""The paper's model written down in the plainest way: frame by frame, object by object, with PyTorch's own sampling.

Slow on purpose. It shares weights and physics with the model that it is compared with, and nothing else: tests check
that both give the same losses, benchmarks how much time the other one saves.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from pig_core.encoder import BACKGROUND_LOGIT
from pig_core.model import PAIG


class PlainPAIG:
    """Losses of the recipe ``paper`` on video (B, T, C, S, S)."""

    def __init__(self, model: PAIG):
        self.model = copy.deepcopy(model).to(memory_format=torch.contiguous_format)

    def losses(self, video: Tensor) -> dict[str, Tensor]:
        model, end = self.model, self.model.input_steps + self.model.pred_steps
        positions = torch.stack([self._encode(video[:, t].contiguous()) for t in range(end)], 1)
        rollout, _ = model.predict(positions[:, : model.input_steps], video.shape[1] - model.input_steps)
        recons = [self._squared_error(positions[:, t], video[:, t]) for t in range(end)]
        ahead = [self._squared_error(rollout[:, t], video[:, model.input_steps + t]) for t in range(model.pred_steps)]
        return {"recons_loss": torch.stack(recons).mean(), "pred_loss": torch.stack(ahead).mean()}

    def _squared_error(self, positions: Tensor, frame: Tensor) -> Tensor:
        return (self._decode(positions) - frame).square().sum((1, 2, 3)).mean()

    def _encode(self, frame: Tensor) -> Tensor:
        """Frame (B, C, S, S) to positions (B, K, 2), one object after the other."""
        encoder, localiser = self.model.encoder, self.model.encoder.localiser
        logits = encoder.unet(frame) * encoder.logit_gain
        masks = torch.cat([logits, torch.full_like(logits[:, :1], BACKGROUND_LOGIT)], 1).softmax(1)
        places = []
        for k in range(logits.shape[1]):
            masked = F.avg_pool2d(masks[:, k : k + 1] * frame, localiser.pooling)
            half = localiser.image_size / 2
            places.append(localiser.mlp(masked.permute(0, 2, 3, 1).flatten(1)).tanh() * half + half)
        return torch.stack(places, 1)

    def _decode(self, positions: Tensor) -> Tensor:
        """Draw positions (B, K, 2) as a frame (B, C, S, S): released placement, hard cut."""
        decoder, size = self.model.decoder, self.model.decoder.image_size
        h, sigma = decoder.template_size, decoder.log_sigma.exp()
        line = torch.linspace(-1, 1, size, device=positions.device, dtype=positions.dtype)
        logits, contents = [], []
        for k in range(positions.shape[1]):
            shift = (size / 2 - positions[:, k]) / (size / 2)  # (B, 2)
            x = (line + shift[:, :1]) * sigma  # (B, S)
            y = (line + shift[:, 1:]) * sigma
            to_sample = (h - 1.01) / (h - 1)  # the authors' template coordinate in the convention of grid_sample
            x, y = ((u + 1) * to_sample - 1 for u in (x, y))
            grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)  # (B, S, S, 2)
            inside = (grid.abs() <= 1).all(-1).unsqueeze(1)
            for image, drawn in ((decoder.template()[k] + 5, logits), (decoder.content()[k].sigmoid(), contents)):
                sampled = F.grid_sample(image.expand(len(grid), *image.shape), grid, align_corners=True)
                drawn.append(sampled * inside)
        logits = [logit - 5 for logit in logits]
        masks = torch.cat([*logits, torch.full_like(logits[0], BACKGROUND_LOGIT)], 1).softmax(1)
        picture = masks[:, -1:] * decoder.background()
        for k, content in enumerate(contents):
            picture = picture + masks[:, k : k + 1] * content
        return picture
