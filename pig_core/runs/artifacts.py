"""The files the authors' users know: example pictures, an animation, templates and arrays (paper-spec, section 6)."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from torch import Tensor

from ..common.files import replacing
from ..evaluation.evaluate import Evaluation
from ..model import PAIG

EXAMPLES = 5
MAGNIFY = 4  # pixels per pixel in the pictures


def to_picture(images: Tensor, magnify: int = MAGNIFY) -> np.ndarray:
    """Images (..., C, S, S) in [0, 1] to uint8 (..., S', S', 3), each pixel repeated ``magnify`` times."""
    images = images.detach().cpu().clamp(0, 1).movedim(-3, -1)
    images = images.expand(*images.shape[:-1], 3) if images.shape[-1] == 1 else images
    large = images.repeat_interleave(magnify, -3).repeat_interleave(magnify, -2)
    return (large * 255).round().byte().numpy()


def comparison(evaluation: Evaluation, index: int) -> dict[str, Tensor]:
    """One sequence three times, (T, C, S, S) each; black where a row has nothing to show."""
    truth, output = evaluation.video[index], evaluation.output
    prediction, recons = torch.zeros_like(truth), torch.zeros_like(truth)
    prediction[-output.prediction.shape[1] :] = output.prediction[index]
    recons[: output.recons.shape[1]] = output.recons[index]
    return {"prediction": prediction, "truth": truth, "reconstruction": recons}


def imagined(evaluation: Evaluation, index: int) -> Tensor:
    """What the model makes of one video, (T, C, S, S): input frames reconstructed, all others predicted."""
    rows = comparison(evaluation, index)
    steps = len(rows["truth"]) - evaluation.output.prediction.shape[1]
    return torch.cat([rows["reconstruction"][:steps], rows["prediction"][steps:]])


@torch.no_grad()
def template_sheet(model: PAIG) -> Tensor:
    """Contents on top, masks below, one column per object and the background last, (C, 2 h, (K + 1) h)."""
    contents, logits, background = model.appearance()  # (K, C, h, h), (K, 1, h, h), (C, 2 h, 2 h)
    background = torch.nn.functional.avg_pool2d(background, 2)
    top = torch.cat([*contents, background], -1)
    below = torch.cat([*logits.sigmoid().expand_as(contents), torch.zeros_like(background)], -1)
    return torch.cat([top, below], -2)


@torch.no_grad()
def write_all(folder: Path, model: PAIG, evaluation: Evaluation) -> None:
    """Write example0..4.jpg, rollout.gif, templates.jpg, outputs.npz and extra_outputs.npz into ``folder``."""
    for i in range(min(EXAMPLES, len(evaluation.video))):
        rows = comparison(evaluation, i).values()
        picture = to_picture(torch.cat([torch.cat([*row], -1) for row in rows], -2))
        with replacing(folder / f"example{i}.jpg") as path:
            imageio.imwrite(path, picture, quality=95)
    with replacing(folder / "templates.jpg") as path:
        imageio.imwrite(path, to_picture(template_sheet(model)), quality=95)
    side_by_side = torch.cat([*comparison(evaluation, 0).values()], -1)  # (T, C, S, 3 S)
    with replacing(folder / "rollout.gif") as path:
        imageio.imwrite(path, to_picture(side_by_side), duration=150, loop=0)
    output = evaluation.output
    _write_npz(
        folder / "outputs.npz",
        input=_pixels(evaluation.video), recons=_pixels(output.recons), prediction=_pixels(output.prediction),
        positions=output.positions.numpy(), rollout=output.rollout.numpy(), rollout_vel=output.rollout_vel.numpy(),
    )  # fmt: skip
    contents, templates, background = (tensor.cpu().numpy() for tensor in model.appearance())
    _write_npz(
        folder / "extra_outputs.npz", templates=templates, contents=contents, background=background,
        masks=output.masks.half().numpy(), all_positions=evaluation.positions, all_rollouts=evaluation.rollout,
    )  # fmt: skip


def _pixels(video: Tensor) -> np.ndarray:
    """Video (B, T, C, S, S) in [0, 1] to uint8 (B, T, S, S, C), the layout of the data files."""
    return (video.clamp(0, 1) * 255).round().byte().movedim(2, -1).numpy()


def _write_npz(path: Path, **arrays: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)
