"""Panels that work in a page without a kernel: players of videos, and the replay of a training; see ``browser/``.

:func:`show_training` is the one that needs a kernel: it shows a training while it goes on.
"""

import base64
import html
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from IPython.display import HTML, Markdown, display
from matplotlib.colors import to_hex
from torch import Tensor

from pig_core.evaluate import Evaluation, to_picture
from pig_core.system import replays_folder
from pig_core.training import describe

from ..images import frame_part, own_colors, png_url, tinted
from ..images import panels as rows_of
from ..replay import PICTURES, Moment, Replay
from .style import PALETTE

FIRST = {f"test video {i + 1}": i for i in range(3)}  # names of example videos, with their indices
_FOLDER = Path(__file__).parent / "browser"
_ONCE = re.compile(r"<(style|script) data-once(?:=\"\")?>.*?</\1>", re.DOTALL)
_CHANGES = {
    "masks": "masks", "drawn": "frame 1, drawn", "predicted": "last, predicted", "templates": "templates",
}  # fmt: skip


def panel(kind: str, data: dict[str, object], label: str, style: str = "", scripts: Sequence[Path] = ()) -> HTML:
    """A panel of one of the scripts, ``pig.<kind>(element, data)``; it brings all scripts with it.

    Args:
        data: anything that JSON can hold.
        label: a description for screen readers, and for readers without scripts.
        scripts: more files with scripts than those in ``browser/``.
    """
    name = f"pig-{uuid.uuid4().hex[:8]}"
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # nothing in it can end the script
    label = html.escape(label, quote=True)
    # Each panel of a notebook can be run, saved and opened alone; a page keeps the first copy, see `once`.
    css = "\n".join(path.read_text() for path in sorted(_FOLDER.glob("*.css")))
    code = "\n".join(path.read_text() for path in [*sorted(_FOLDER.glob("*.js")), *scripts])
    return HTML(
        f"<style data-once>{css}</style>"
        f"<script data-once>(() => {{'use strict'; window.pig ??= {{}};\n{code}}})();</script>"
        f"<figure class='pig pig-{kind}' id='{name}' role='group' aria-label='{label}' style='{style}'>"
        f"<noscript>{label} (needs JavaScript)</noscript></figure>"
        f"<script>pig.{kind}(document.getElementById('{name}'), {text});</script>"
    )


def once(page: str) -> str:
    """A page with one copy of the scripts and styles that each of its panels brings."""
    seen = set()

    def first(match: re.Match) -> str:
        copy = match[0] in seen
        seen.add(match[0])
        return "" if copy else match[0]

    return _ONCE.sub(first, page)


def spans(names: Iterable[str]) -> list[dict[str, object]]:
    """Runs of one name: the name, the first index of the run, and the index after its last one."""
    runs = (list(group) for _, group in groupby(enumerate(names), lambda place: place[1]))
    return [{"name": run[0][1], "from": run[0][0], "to": run[-1][0] + 1} for run in runs]


def frames_of(evaluation: Evaluation) -> dict[str, object]:
    """How a panel names the frames: a label for each, and which are input, predicted and extrapolated."""
    parts = [frame_part(evaluation, t) for t in range(evaluation.video.shape[1])]
    return {"labels": [f"frame {t + 1}, {part}" for t, part in enumerate(parts)], "parts": spans(parts)}


def floats(numbers: Tensor) -> str:
    """A tensor's numbers in single precision, as base64."""
    return base64.b64encode(numbers.detach().cpu().numpy().astype("<f4").tobytes()).decode()


def column(frames: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) below one another, (T H, W, 3)."""
    return frames.reshape(-1, *frames.shape[2:])


def player(frames: np.ndarray, labels: list[str], caption: str, milliseconds: int = 200) -> HTML:
    """A player for frames (T, H, W, 3) uint8, with one label for each frame."""
    data = {
        "videos": [{"name": "", "sheets": [png_url(column(frames))]}], "headings": [""], "labels": labels,
        "height": frames.shape[1], "width": frames.shape[2], "pause": milliseconds, "caption": caption,
    }  # fmt: skip
    return panel("player", data, caption, f"max-width:max({frames.shape[2]}px,22em)")


def rollout_player(evaluation: Evaluation, videos: Mapping[str, int] = FIRST) -> HTML:
    """Prediction, truth and their difference of some test sequences, one of them at a time.

    Args:
        videos: indices to choose from, with their names; left out are those that do not exist.
    """
    shown = ("truth", "prediction")
    rows = {name: rows_of(evaluation, i) for name, i in videos.items() if i < len(evaluation.video)}
    data = {
        "videos": [
            {"name": name, "sheets": [png_url(column(to_picture(each[which]))) for which in shown]}
            for name, each in rows.items()
        ],
        "headings": shown, "compares": True, **frames_of(evaluation),
        "height": evaluation.video.shape[-2], "width": evaluation.video.shape[-1],
        "caption": "Truth, prediction and their difference. The model gets the input frames only.",
    }  # fmt: skip
    return panel("player", data, data["caption"])


def committed_replay(task: str, recipe: str = "improved", seed: int = 0) -> Replay:
    """The replay that comes with the project for one of its results.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    return Replay.load(replays_folder() / f"{task}-{recipe}-s{seed}.npz")


def show_training() -> Callable[[Replay], None]:
    """Shows what a :class:`pig_lab.replay.Watcher` records, in one output: the model before a stage, and now."""
    handle, began = None, 0

    def show(replay: Replay) -> None:
        nonlocal handle, began
        if handle is None:
            began = max(0, len(replay.moments) - 2)  # the last moment before
            handle = display(HTML(""), display_id=uuid.uuid4().hex)
        handle.update(before_and_after(replay, began))

    return show


def before_and_after(replay: Replay, began: int = 0) -> HTML:
    """Two moments, a row each: the one with index ``began``, and the last."""
    part = Replay(replay.first, replay.last, replay.about, [replay.moments[began], replay.moments[-1]])
    images = _images(part)
    heads = ["", "frame 1", "last frame", *_CHANGES.values(), "constants"]
    cells = ["<tr>", *(f'<th scope="col">{head}</th>' for head in heads), "</tr>"]
    for i, moment in enumerate(part.moments):
        shown = {"frame 1": part.first, "last frame": part.last, **{_CHANGES[n]: each[i] for n, each in images.items()}}
        cells += [f'<tr><th scope="row">{html.escape(_when(moment))}</th>']
        cells += [_image_cell(image, f"{title}, {_when(moment)}") for title, image in shown.items()]
        cells += [f"<td>{html.escape(describe(moment.constants)).replace('  ', '<br>') or 'none'}</td></tr>"]
    return HTML(f'<table class="pig-before-after" style="font-size:13px">{"".join(cells)}</table>')


def _image_cell(image: np.ndarray, alt: str) -> str:
    style = "image-rendering:pixelated;height:80px;max-width:none;margin:0 2px 2px 0"
    return f'<td><img alt="{html.escape(alt)}" src="{png_url(image)}" style="{style}"></td>'


def _when(moment: Moment) -> str:
    return "before training" if moment.stage == "start" else f"{moment.stage}, update {moment.step} of {moment.steps}"


def _images(replay: Replay) -> dict[str, list[np.ndarray]]:
    """Images that change, by name: uint8 (., ., 3), of all moments; masks in the colours of their objects."""
    shown = {name: [getattr(moment, name) for moment in replay.moments] for name in PICTURES}
    frames = torch.from_numpy(np.stack([replay.first, replay.last])).movedim(-1, 1) / 255  # (2, 3, S, S)
    masks = [torch.from_numpy(m)[None] / 255 for m in shown["masks"]]  # (1, K, S, S) each
    # The last frame's masks are not known, so they are empty; the frame itself shows the background.
    colors = own_colors(frames[None], torch.cat([masks[-1], torch.zeros_like(masks[-1])])[None])
    shown["masks"] = [to_picture(tinted(m, frames[:1], 0.25, colors)[0]) for m in masks]
    return shown


def replay_player(replay: Replay, truth: Mapping[str, float]) -> HTML | Markdown:
    """The whole training with one slider: masks separate, templates appear, constants climb; or a sentence.

    Args:
        truth: true constants, for comparison.
    """
    if not replay.moments:
        return Markdown("*There are no recorded moments of this training.*")
    count = len(replay.moments)
    panels = [_sheet("frame 1", [replay.first] * count), _sheet("last frame", [replay.last] * count)]
    panels += [_sheet(_CHANGES[name], images) for name, images in _images(replay).items()]
    constants = [
        {
            "name": name, "truth": truth.get(name), "color": to_hex(color),
            "values": np.nan_to_num([moment.constants[name] for moment in replay.moments]).tolist(),
        }
        for color, name in zip(PALETTE, replay.moments[0].constants, strict=False)
    ]  # fmt: skip
    stages = spans(moment.stage for moment in replay.moments)
    data = {
        "panels": panels, "constants": constants, "labels": [_when(moment) for moment in replay.moments],
        # A single moment has no room for a name.
        "parts": [{**span, "name": span["name"] if span["to"] - span["from"] > 1 else ""} for span in stages],
        "caption": "A training from the first update to the last. Moments are closer together at the beginning of each "
        "stage, where most changes. Masks have the colours of their objects; of a template, its colours are above and "
        "its mask is below. Drag the slider, or use the arrow keys.",
    }  # fmt: skip
    return panel("replay", data, "Replay of a training: masks separate, templates appear, constants climb")


def _sheet(title: str, images: Sequence[np.ndarray]) -> dict[str, object]:
    """Images (H, W, 3) of all moments, each different one once, below one another."""
    distinct, at = Replay.distinct(images)
    height, width = distinct[0].shape[:2]
    return {"title": title, "sheet": png_url(column(np.stack(distinct))), "at": at.tolist(), "width": width,
            "height": height}  # fmt: skip
