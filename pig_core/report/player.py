"""A small video player for notebooks and static pages: one sprite sheet, play, pause and a slider, no network."""

import html
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
import torch
from IPython.display import HTML

from ..evaluation.evaluate import Evaluation
from ..evaluation.pictures import frame_part, panels, png_url, to_picture

_PAGE = Template((Path(__file__).parent / "player.html").read_text())


def player(frames: np.ndarray, labels: list[str], caption: str, milliseconds: int = 200) -> HTML:
    """A player for frames (T, H, W, 3) uint8, with one label for each frame."""
    sheet = png_url(frames.reshape(-1, *frames.shape[2:]))  # frames below one another
    return HTML(_PAGE.substitute(
        id=f"player-{uuid.uuid4().hex[:8]}", width=frames.shape[2], height=frames.shape[1], last=len(frames) - 1,
        labels=json.dumps(labels), pause=milliseconds, caption=html.escape(caption, quote=True), sheet=sheet,
    ))  # fmt: skip


def rollout_player(evaluation: Evaluation, indices: Sequence[int] = (0, 1, 2)) -> HTML:
    """Prediction (left), truth (middle) and their difference (right) of some test sequences, one below another."""
    videos = []
    for i in indices[: len(evaluation.video)]:
        rows = panels(evaluation, i)
        gap = torch.ones_like(rows["truth"][..., :1])
        videos += [torch.cat([rows["prediction"], gap, rows["truth"], gap, rows["difference"]], -1)]
        videos += [torch.ones_like(videos[-1][..., :1, :])]
    labels = [f"frame {t + 1}, {frame_part(evaluation, t)}" for t in range(len(videos[0]))]
    caption = (
        "Model (left), truth (middle) and difference (right) of test videos. The model sees the input frames only."
    )
    return player(to_picture(torch.cat(videos[:-1], -2), 5), labels, caption)
