"""Images of what a model found: panels of a sequence, masks in colours, typical and worst videos, PNG for pages."""

import base64
import io
from collections.abc import Sequence

import imageio.v3 as imageio
import numpy as np
import torch
from torch import Tensor

from pig_core.evaluate import Evaluation, input_steps
from pig_core.evaluate import panels as plain_panels
from pig_core.model import frame_errors

# Object j is drawn in these colours, blue, green, red and yellow that a colour-blind reader can tell apart, and again.
OBJECT_COLORS = 4 * [
    (1 / 255, 115 / 255, 178 / 255), (2 / 255, 158 / 255, 115 / 255), (213 / 255, 94 / 255, 0.0), (0.93, 0.88, 0.2)
]  # fmt: skip


def panels(evaluation: Evaluation, index: int, prediction: Tensor | None = None) -> dict[str, Tensor]:
    """Rows of frames of one sequence, (T, C, S, S) each; black where a row has nothing to show.

    Args:
        prediction: (T-L, C, S, S) to show in place of the model's own.
    Returns:
        those of :func:`pig_core.evaluate.panels`, then "difference" of truth and prediction, and "masks", the encoder's
        mask of each object in L+P frames, (T, 3, S, S).
    """
    rows = plain_panels(evaluation, index)
    truth, encoded = rows["truth"], evaluation.output.masks[index]
    if prediction is not None:
        rows["prediction"] = torch.cat([rows["prediction"][: len(truth) - len(prediction)], prediction])
    masks = torch.zeros(len(truth), 3, *truth.shape[-2:])
    colors = own_colors(evaluation.video, evaluation.output.masks)
    masks[: len(encoded)] = tinted(encoded, truth[: len(encoded)], colors=colors)
    return {**rows, "difference": (rows["prediction"] - truth).abs(), "masks": masks}


def tinted(masks: Tensor, frames: Tensor, floor: float = 0.0, colors: Sequence = OBJECT_COLORS) -> Tensor:
    """Masks (T, K, S, S) in the objects' colours, (T, 3, S, S), as bright as the frames (T, C, S, S) plus ``floor``."""
    palette = torch.tensor([tuple(color) for color in colors])[: masks.shape[1]]  # (K, 3)
    return torch.einsum("tkhw,kc->tchw", masks * (frames.amax(1, keepdim=True) + floor), palette)


def own_colors(video: Tensor, masks: Tensor) -> Sequence[tuple[float, float, float]]:
    """For each object, in the model's order, the one of ``OBJECT_COLORS`` that is nearest to the object's own colour.

    Args:
        video: (n, T, C, S, S); masks: (n, T', K, S, S) of its first T' frames.
    """
    frames = video[:, : masks.shape[1]]
    if frames.shape[2] != 3 or not masks.shape[2]:
        return OBJECT_COLORS
    excess = (frames - frames.flatten(0, 1).median(0).values).clamp_min(0)
    red, green, blue = torch.einsum("ntkhw,ntchw->ck", masks, excess).tolist()
    indices = [
        3 if min(r, g) > 0.5 * max(r, g) > b else (2, 1, 0)[int(np.argmax([r, g, b]))]
        for r, g, b in zip(red, green, blue, strict=True)
    ]
    distinct = len(set(indices)) == len(indices)
    return [OBJECT_COLORS[i] for i in indices] if distinct else OBJECT_COLORS


def last_errors(evaluation: Evaluation) -> np.ndarray:
    """How far the prediction is off at the last frame of each video, (n,): pixels, rms over the objects.

    Where positions are not known it is the image error, which orders videos as well.
    """
    n = len(evaluation.video)
    if evaluation.truth is None or not evaluation.rollout.shape[2]:
        return frame_errors(evaluation.output.prediction[:n, -1], evaluation.video[:, -1]).numpy()
    ahead = evaluation.rollout[:n, -1] - np.array(evaluation.metrics["position_offset"]) - evaluation.truth[:n, -1]
    return np.sqrt(np.square(ahead).mean((1, 2)))


def typical_and_worst(evaluation: Evaluation) -> tuple[int, int]:
    """Index of the video with the median error at its last frame, and of the one with the largest."""
    order = np.argsort(last_errors(evaluation))
    return int(order[len(order) // 2]), int(order[-1])


def frame_part(evaluation: Evaluation, t: int) -> str:
    """What the frame with index ``t`` is to the model: "input", "predicted" (in training, too) or "extrapolated"."""
    end = evaluation.output.recons.shape[1]
    return "input" if t < input_steps(evaluation) else "predicted" if t < end else "extrapolated"


def png_url(picture: np.ndarray) -> str:
    """A picture, uint8 (H, W, 3), as a PNG file that stands in a page itself."""
    file = io.BytesIO()
    imageio.imwrite(file, picture, extension=".png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
