"""What a model was shown and what it made of it, as pictures: the one way from tensors to pixels."""

import base64
import io

import imageio.v3 as imageio
import numpy as np
import torch
from torch import Tensor

from ..model import PAIG
from .evaluate import Evaluation

# Object j is drawn in these colours, blue, green, red and yellow that a colour-blind reader can tell apart, and again.
OBJECT_COLORS = 4 * [
    (1 / 255, 115 / 255, 178 / 255), (2 / 255, 158 / 255, 115 / 255), (213 / 255, 94 / 255, 0.0), (0.93, 0.88, 0.2)
]  # fmt: skip


def panels(evaluation: Evaluation, index: int, prediction: Tensor | None = None) -> dict[str, Tensor]:
    """Rows of pictures of one sequence, (T, C, S, S) each; black where a row has nothing to show.

    Args:
        prediction: (T-L, C, S, S) to show in the place of the model's own.
    Returns:
        "truth"; "prediction", whose L input frames are reconstructed; "reconstruction", of L+P frames; "difference"
        of truth and prediction; "masks", what the encoder takes for each object in L+P frames, (T, 3, S, S).
    """
    truth, output = evaluation.video[index], evaluation.output
    ahead = output.prediction[index] if prediction is None else prediction
    recons, masks = torch.zeros_like(truth), torch.zeros(len(truth), 3, *truth.shape[-2:])
    recons[: output.recons.shape[1]] = output.recons[index]
    masks[: output.masks.shape[1]] = tinted(output.masks[index], truth[: output.masks.shape[1]])
    imagined = torch.cat([recons[: len(truth) - len(ahead)], ahead])
    off = (imagined - truth).abs()
    return {"truth": truth, "prediction": imagined, "reconstruction": recons, "difference": off, "masks": masks}


def tinted(masks: Tensor, frames: Tensor, floor: float = 0.0) -> Tensor:
    """Masks (T, K, S, S) in the objects' colours, (T, 3, S, S), as bright as the frames (T, C, S, S) plus ``floor``."""
    colors = torch.tensor(OBJECT_COLORS)[: masks.shape[1]]  # (K, 3)
    return torch.einsum("tkhw,kc->tchw", masks * (frames.amax(1, keepdim=True) + floor), colors)


def frame_part(evaluation: Evaluation, t: int) -> str:
    """What the frame with index ``t`` is to the model: "input", "predicted" (in training, too) or "extrapolated"."""
    end = evaluation.output.recons.shape[1]
    return "input" if t < input_steps(evaluation) else "predicted" if t < end else "extrapolated"


def input_steps(evaluation: Evaluation) -> int:
    """The number L of frames that the model was shown before it had to predict."""
    return evaluation.video.shape[1] - evaluation.output.prediction.shape[1]


@torch.no_grad()
def template_sheet(model: PAIG) -> Tensor:
    """Contents on top, masks below, one column per object and the background last, (C, 2 h, (K + 1) h)."""
    contents, logits, background = model.appearance()  # (K, C, h, h), (K, 1, h, h), (C, 2 h, 2 h)
    background = torch.nn.functional.avg_pool2d(background, 2)
    top = torch.cat([*contents, background], -1)
    below = torch.cat([*logits.sigmoid().expand_as(contents), torch.zeros_like(background)], -1)
    return torch.cat([top, below], -2)


def to_bytes(images: Tensor) -> np.ndarray:
    """Images (..., C, S, S) in [0, 1] to uint8 (..., S, S, C), the layout of the data files."""
    return (images.detach().cpu().clamp(0, 1) * 255).round().byte().movedim(-3, -1).numpy()


def to_picture(images: Tensor, magnify: int = 1) -> np.ndarray:
    """Images (..., C, S, S) in [0, 1] to uint8 (..., S', S', 3), each pixel repeated ``magnify`` times."""
    pixels = to_bytes(images)
    large = pixels.repeat(magnify, -3).repeat(magnify, -2)
    return np.broadcast_to(large, (*large.shape[:-1], 3))


def png_url(picture: np.ndarray) -> str:
    """A picture, uint8 (H, W, 3), as a PNG file that stands in a page itself."""
    file = io.BytesIO()
    imageio.imwrite(file, picture, extension=".png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
