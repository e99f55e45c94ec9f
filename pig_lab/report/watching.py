"""The track while it is looked for: a frame with what is tried drawn on it, replaced every so often."""

import time
from collections.abc import Callable

import numpy as np
from IPython.display import HTML, display

from pig_core.system import person_watches
from pig_lab.images import png_url

from ..measure.appearance import Appearance
from ..measure.results import DRAWN, PATH, ring

PAUSE = 0.3  # seconds between two pictures


class Watching:
    """Draws what a search tries; an instance is the ``watch`` of :func:`pig_lab.measure.measure.measure`.

    Args:
        show: what a picture is given to, as HTML.
    """

    def __init__(self, show: Callable[[str], None]):
        self.show, self.last, self.count = show, -np.inf, 0

    def __call__(self, frames: np.ndarray, look: Appearance, index: np.ndarray, where: np.ndarray) -> None:
        """Show one frame, another one each time, with the object's ring in it and its places in the others.

        Args:
            frames: (T, h, w, 3) uint8.
            index: (n,) numbers of the frames in which it was found, at ``where`` (n, 2) pixels.
        """
        if time.monotonic() - self.last < PAUSE:
            return
        self.last, self.count = time.monotonic(), self.count + 1
        shown = self.count * 7 % len(index)  # a step that comes by all of them
        picture = frames[index[shown]].copy()
        inside = ((where >= 0) & (where < picture.shape[1::-1])).all(1)
        columns, rows = where[inside].astype(int).T
        picture[rows, columns] = PATH
        ring(picture, where[shown], max(look.diameter, 4) / 2, DRAWN)
        text = f"the search, frame {index[shown]}: a ring around what was found, dots where it was in other frames"
        self.show(f'<img src="{png_url(picture)}" alt="{text}" style="width: 100%; max-width: 40rem"><br>{text}')


def watch() -> Watching | None:
    """Shows the search below a cell of a live notebook; None where no person watches."""
    if not person_watches():
        return None
    handle = display(HTML(""), display_id=True)
    return Watching(lambda text: handle.update(HTML(text))) if handle is not None else None
