"""Panels that work in a page without a kernel: a few scripts of our own beside this file, and what they are told."""

import base64
import html
import json
import re
import uuid
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
from IPython.display import HTML
from torch import Tensor

from pig_core.evaluate import Evaluation, frame_part

_FOLDER = Path(__file__).parent / "browser"
_ONCE = re.compile(r"<(style|script) data-once(?:=\"\")?>.*?</\1>", re.DOTALL)  # an empty value is as good as none


def panel(kind: str, data: dict[str, object], label: str, style: str = "", classes: str = "") -> HTML:
    """A panel of one of the scripts, ``pig.<kind>(element, data)``; it brings all scripts with it.

    Args:
        data: anything that JSON can hold.
        label: what it is, for a screen reader and for who has no scripts.
    """
    name = f"pig-{uuid.uuid4().hex[:8]}"
    told = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # nothing in it can end the script
    label = html.escape(label, quote=True)
    return HTML(
        f"{_library()}<figure class='pig pig-{kind} {classes}' id='{name}' role='group' aria-label='{label}' "
        f"style='{style}'><noscript>{label} (needs JavaScript)</noscript></figure>"
        f"<script>pig.{kind}(document.getElementById('{name}'), {told});</script>"
    )


def _library() -> str:
    scripts = "\n".join(path.read_text() for path in sorted(_FOLDER.glob("*.js")))
    style = "\n".join(path.read_text() for path in sorted(_FOLDER.glob("*.css")))
    # Each panel of a notebook can be run, saved and opened alone; a page keeps the first copy, see `once`.
    return f"<style data-once>{style}</style><script data-once>(() => {{{scripts}}})();</script>"


def once(page: str) -> str:
    """A page without the copies of what only one of its panels has to bring."""
    seen = set()

    def keep(match: re.Match) -> str:
        copy = match[0] in seen
        seen.add(match[0])
        return "" if copy else match[0]

    return _ONCE.sub(keep, page)


def spans(names: Iterable[str]) -> list[dict[str, object]]:
    """Runs of one name: the name, the first place of the run, and the first one after it, from 0."""
    runs = (list(group) for _, group in groupby(enumerate(names), lambda place: place[1]))
    return [{"name": run[0][1], "from": run[0][0], "to": run[-1][0] + 1} for run in runs]


def parts(evaluation: Evaluation) -> list[dict[str, object]]:
    """Which frames are input, predicted and extrapolated; see :func:`spans`."""
    return spans(frame_part(evaluation, t) for t in range(evaluation.video.shape[1]))


def labels(evaluation: Evaluation) -> list[str]:
    """One for each frame, for people."""
    return [f"frame {t + 1}, {frame_part(evaluation, t)}" for t in range(evaluation.video.shape[1])]


def floats(numbers: Tensor) -> str:
    """A tensor's numbers in single precision, as base64."""
    return base64.b64encode(numbers.detach().cpu().numpy().astype("<f4").tobytes()).decode()


def column(frames: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) below one another."""
    return frames.reshape(-1, *frames.shape[2:])
