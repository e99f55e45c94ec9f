"""A training to be watched: live, while it goes on, and afterwards as a replay to be scrubbed through."""

import html
import uuid
from collections.abc import Callable, Mapping

import numpy as np
import torch
from IPython.display import HTML, Markdown, display
from matplotlib.colors import to_hex

from pig_core.evaluate import own_colors, png_url, tinted, to_picture
from pig_core.system import replays_folder
from pig_core.training import describe
from pig_lab.replay import PICTURES, Moment, Replay

from .browser import column, panel, spans
from .style import PALETTE

_CHANGES = {
    "masks": "masks", "drawn": "frame 1, drawn", "predicted": "last, predicted", "templates": "templates",
}  # fmt: skip


def committed_replay(task: str, recipe: str = "improved", seed: int = 0) -> Replay | None:
    """The replay that comes with the project for one of its results; None if there is none.

    Raises:
        RunError: if it is damaged.
    """
    path = replays_folder() / f"{task}-{recipe}-s{seed}.npz"
    return Replay.load(path) if path.is_file() else None


def when(moment: Moment) -> str:
    """Which moment it is, in words."""
    if moment.stage == "start":
        return "before training"
    return f"{moment.stage}, update {moment.step} of {moment.steps}"


def pictures_of(replay: Replay) -> dict[str, list[np.ndarray]]:
    """What changes, by name: pictures, uint8 (., ., 3), of all moments; masks in the colours of their objects."""
    shown = {name: [getattr(moment, name) for moment in replay.moments] for name in PICTURES}
    frames = torch.from_numpy(np.stack([replay.first, replay.last])).movedim(-1, 1) / 255  # (2, 3, S, S)
    masks = [torch.from_numpy(m)[None] / 255 for m in shown["masks"]]  # (1, K, S, S) each
    # Where the last frame's masks are not known, they are empty; the frame itself tells what is background.
    colors = own_colors(frames[None], torch.cat([masks[-1], torch.zeros_like(masks[-1])])[None])
    shown["masks"] = [to_picture(tinted(m, frames[:1], 0.25, colors)[0]) for m in masks]
    return shown


def live() -> Callable[[Replay], None]:
    """What :meth:`pig_core.run.Run.train` shows a training with: the model before and now, side by side.

    One picture that changes; what it shows last stays in the notebook, so that each stage leaves behind what it did.
    """
    handle, began = None, 0

    def show(replay: Replay) -> None:
        nonlocal handle, began
        if handle is None:
            began = max(0, len(replay.moments) - 2)  # the last moment before
            handle = display(HTML(""), display_id=uuid.uuid4().hex)
        handle.update(before_and_after(replay, began))

    return show


def before_and_after(replay: Replay, began: int = 0) -> HTML:
    """Two moments, a column each: the one with index ``began``, and the last."""
    part = Replay(replay.first, replay.last, replay.about, [replay.moments[began], replay.moments[-1]])
    pictures = pictures_of(part)
    heads = ["", "frame 1", "last frame", *_CHANGES.values(), "constants"]
    cells = ["<tr>", *(f'<th scope="col">{head}</th>' for head in heads), "</tr>"]
    given = [_image(picture, "a frame of a training video") for picture in (replay.first, replay.last)]
    for i, moment in enumerate(part.moments):
        cells += [f'<tr><th scope="row">{when(moment)}</th>', *(f"<td>{frame}</td>" for frame in given)]
        cells += [
            f"<td>{_image(pictures[name][i], f'{about}, {when(moment)}')}</td>" for name, about in _CHANGES.items()
        ]
        cells += [f"<td>{describe(moment.constants).replace('  ', '<br>') or 'none'}</td></tr>"]
    return HTML(f'<table class="pig-before-after" style="font-size:13px">{"".join(cells)}</table>')


def _image(picture: np.ndarray, alt: str) -> str:
    style = "image-rendering:pixelated;height:80px;max-width:none;margin:0 2px 2px 0"
    return f'<img alt="{html.escape(alt)}" src="{png_url(picture)}" style="{style}">'


def replay_player(replay: Replay | None, truth: Mapping[str, float]) -> HTML | Markdown:
    """The whole training, scrubbed by one slider: masks separate, templates appear, constants climb.

    Args:
        replay: None, if the run kept nothing; then a sentence says so.
        truth: true constants, for comparison.
    """
    if replay is None or not replay.moments:
        return Markdown("*This run has kept no moments of its training.*")
    panels = []
    for name, pictures in pictures_of(replay).items():
        kept, at = Replay.distinct(pictures)
        panels.append({**_sheet(_CHANGES[name], np.stack(kept)), "at": at.tolist()})
    constants = [
        {
            "name": name, "truth": truth.get(name), "color": to_hex(color),
            "values": np.nan_to_num([moment.constants[name] for moment in replay.moments]).tolist(),
        }
        for color, name in zip(PALETTE, replay.moments[0].constants, strict=False)
    ]  # fmt: skip
    given = {"frame 1": replay.first, "last frame": replay.last}
    data = {
        "given": [_sheet(title, picture[None]) for title, picture in given.items()], "panels": panels,
        "constants": constants, "labels": [when(moment) for moment in replay.moments], "parts": _stages(replay),
        "caption": "A training from the first update to the last; in each stage moments are close where most happens. "
        "Masks are in the colours of their objects; of a template, its colours are above and its mask is below. Drag "
        "the slider, or use the arrow keys.",
    }  # fmt: skip
    return panel("replay", data, "Replay of a training: masks separate, templates appear, constants climb")


def _sheet(title: str, pictures: np.ndarray) -> dict[str, object]:
    """Pictures (n, H, W, 3) below one another, with a title."""
    height, width = pictures.shape[1:3]
    return {"title": title, "sheet": png_url(column(pictures)), "width": width, "height": height}


def _stages(replay: Replay) -> list[dict[str, object]]:
    """Where each stage's moments are; a single moment has no room for a name."""
    found = spans(moment.stage for moment in replay.moments)
    return [{**span, "name": span["name"] if span["to"] - span["from"] > 1 else ""} for span in found]
