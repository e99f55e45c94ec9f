"""A small video player for notebooks and static pages: one sprite sheet, play, pause and a slider, no network."""

from __future__ import annotations

import base64
import html
import io
import json
import uuid
from pathlib import Path
from string import Template

import imageio.v3 as imageio
import numpy as np
import torch
from IPython.display import HTML

from ..evaluation.evaluate import Evaluation
from ..runs.artifacts import imagined, to_picture

_PAGE = Template((Path(__file__).parent / "player.html").read_text())


def player(frames: np.ndarray, labels: list[str], caption: str, milliseconds: int = 200) -> HTML:
    """A player for frames (T, H, W, 3) uint8, with one label for each frame."""
    sheet = frames.reshape(-1, *frames.shape[2:])  # frames below one another
    file = io.BytesIO()
    imageio.imwrite(file, sheet, extension=".png")
    return HTML(
        _PAGE.substitute(
            id=f"player-{uuid.uuid4().hex[:8]}",
            width=frames.shape[2],
            height=frames.shape[1],
            last=len(frames) - 1,
            labels=json.dumps(labels),
            pause=milliseconds,
            caption=html.escape(caption, quote=True),
            sheet="data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
        )
    )


def frame_label(t: int, input_steps: int, pred_steps: int) -> str:
    """What the frame with index ``t`` is to the model, e.g. "frame 5, predicted"."""
    part = "input" if t < input_steps else "predicted" if t < input_steps + pred_steps else "extrapolated"
    return f"frame {t + 1}, {part}"


def rollout_player(evaluation: Evaluation, input_steps: int, pred_steps: int, count: int = 3) -> HTML:
    """Prediction (left), truth (middle) and their difference (right) of the first test sequences, one below another."""
    rows = []
    for i in range(min(count, len(evaluation.video))):
        prediction, truth = imagined(evaluation, i), evaluation.video[i]
        gap = torch.ones_like(truth[..., :1])
        rows.append(torch.cat([prediction, gap, truth, gap, (prediction - truth).abs()], -1))
    labels = [frame_label(t, input_steps, pred_steps) for t in range(len(rows[0]))]
    caption = (
        "Model (left), truth (middle) and difference (right) of test videos. The model sees the input frames only."
    )
    return player(to_picture(torch.cat(rows, -2), 5), labels, caption)
