"""A video player for notebooks and static pages: frames in one picture, no network; see ``browser/player.js``."""

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import HTML

from pig_core.evaluate import Evaluation, panels, png_url, to_picture

from .browser import column, labels, panel, parts


def player(frames: np.ndarray, labels: list[str], caption: str, milliseconds: int = 200) -> HTML:
    """A player for frames (T, H, W, 3) uint8, with one label for each frame."""
    data = {
        "videos": [{"name": "", "pictures": [png_url(column(frames))]}], "headings": [""], "labels": labels,
        "height": frames.shape[1], "width": frames.shape[2], "pause": milliseconds, "caption": caption,
    }  # fmt: skip
    return panel("player", data, caption, f"max-width:max({frames.shape[2]}px,22em)", "pig-alone")


def rollout_player(
    evaluation: Evaluation, videos: Mapping[str, int] | Sequence[int] = (0, 1, 2), group: str = ""
) -> HTML:
    """Prediction, truth and their difference of some test sequences, one of them at a time.

    Args:
        videos: which ones to choose from, by the names that they are called.
        group: panels of one group show the same frame.
    """
    named = videos if isinstance(videos, Mapping) else {f"test video {i + 1}": i for i in videos}
    shown = ("truth", "prediction")
    pictures = {name: panels(evaluation, i) for name, i in named.items() if i < len(evaluation.video)}
    data = {
        "videos": [
            {"name": name, "pictures": [png_url(column(to_picture(rows[which]))) for which in shown]}
            for name, rows in pictures.items()
        ],
        "headings": shown, "compares": True, "labels": labels(evaluation), "parts": parts(evaluation),
        "height": evaluation.video.shape[-2], "width": evaluation.video.shape[-1], "group": group,
        "caption": "Truth, prediction and their difference. The model sees the input frames only.",
    }  # fmt: skip
    return panel("player", data, data["caption"])
