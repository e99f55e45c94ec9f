"""A decoder whose pictures turn with their objects: placement by a shift and a rotation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..decoder import OUTSIDE_LOGIT, TemplateDecoder


class TurningDecoder(TemplateDecoder):
    """As the paper's, but where a law says so each object is drawn turned by its angle.

    A position is where the template's middle is drawn, whatever the angle; pixels keep their size, so a template that
    turns by a quarter is the template with its rows and columns exchanged. Turning cannot be written as a product of
    rows and columns: it takes a ``grid_sample`` for each object and frame.
    """

    def objects(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.objects`, of positions (N, K, 2) or places (N, K, 3).

        The third number is the angle by which a template is turned, radians, counterclockwise on the screen.
        """
        n = len(positions)
        if positions.shape[2] == 2:
            return super().objects(positions)
        size, side, scale = self.image_size, self.template_size, self.log_sigma.exp()
        middle = self.place(torch.zeros_like(scale), torch.zeros_like(scale), size, side)[0]
        off = self.place(positions[..., :2], scale, size, side) - middle  # (N, K, 2, S), unturned
        x, y = off[:, :, 0, None, :], off[:, :, 1, :, None]
        cos, sin = (f(positions[..., 2])[..., None, None] for f in (torch.cos, torch.sin))
        grid = torch.stack([x * cos - y * sin, x * sin + y * cos], -1) + middle  # (N, K, S, S, 2), template pixels
        sheet = torch.cat([self.template() - OUTSIDE_LOGIT, self.content().sigmoid()], 1)  # (K, 1 + C, h, h)
        # One picture for each object, all its frames below one another: templates are not copied.
        placed = F.grid_sample(
            sheet, ((2 * grid + 1) / side - 1).transpose(0, 1).flatten(1, 2), align_corners=False
        ).unflatten(2, (n, size))  # (K, 1 + C, N, S, S)
        if self.cut:
            inside = ((grid >= 0) & (grid <= side - 1)).all(-1)  # (N, K, S, S)
            placed = placed * inside.transpose(0, 1).unsqueeze(1)
        logits, contents = placed.permute(2, 0, 1, 3, 4).split([1, placed.shape[1] - 1], 2)
        return contents, logits.squeeze(2) + OUTSIDE_LOGIT
