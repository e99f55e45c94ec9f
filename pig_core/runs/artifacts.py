"""The files the authors' users know: example pictures, an animation, templates and arrays."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from torch import Tensor

from ..common.files import replacing
from ..evaluation.evaluate import Evaluation
from ..evaluation.pictures import input_steps, panels, template_sheet, to_bytes, to_picture
from ..model import PAIG

EXAMPLES = 5
MAGNIFY = 4  # pixels per pixel in the pictures


def comparison(evaluation: Evaluation, index: int) -> list[Tensor]:
    """Prediction, truth and reconstruction of one sequence, (T, C, S, S) each; no prediction of the input frames."""
    rows = panels(evaluation, index)
    rows["prediction"][: input_steps(evaluation)] = 0.0
    return [rows[name] for name in ("prediction", "truth", "reconstruction")]


@torch.no_grad()
def write_all(folder: Path, model: PAIG, evaluation: Evaluation) -> None:
    """Write example0..4.jpg, rollout.gif, templates.jpg, outputs.npz and extra_outputs.npz into ``folder``."""
    for i in range(min(EXAMPLES, len(evaluation.video))):
        strips = [torch.cat([*row], -1) for row in comparison(evaluation, i)]
        with replacing(folder / f"example{i}.jpg") as path:
            imageio.imwrite(path, to_picture(torch.cat(strips, -2), MAGNIFY), quality=95)
    with replacing(folder / "templates.jpg") as path:
        imageio.imwrite(path, to_picture(template_sheet(model), MAGNIFY), quality=95)
    side_by_side = torch.cat(comparison(evaluation, 0), -1)  # (T, C, S, 3 S)
    with replacing(folder / "rollout.gif") as path:
        imageio.imwrite(path, to_picture(side_by_side, MAGNIFY), duration=150, loop=0)
    output = evaluation.output
    _write_npz(
        folder / "outputs.npz",
        input=to_bytes(evaluation.video), recons=to_bytes(output.recons), prediction=to_bytes(output.prediction),
        positions=output.positions.numpy(), rollout=output.rollout.numpy(), rollout_vel=output.rollout_vel.numpy(),
    )  # fmt: skip
    contents, templates, background = (tensor.cpu().numpy() for tensor in model.appearance())
    _write_npz(
        folder / "extra_outputs.npz", templates=templates, contents=contents, background=background,
        masks=output.masks.half().numpy(), all_positions=evaluation.positions, all_rollouts=evaluation.rollout,
    )  # fmt: skip


def _write_npz(path: Path, **arrays: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)
