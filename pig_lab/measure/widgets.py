"""The widgets of ``notebooks/measure.ipynb``: pick a clip and a law, cut and crop it, point at the object, measure."""

import time
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from IPython.display import HTML, display

from pig_core.system import PigError, person_watches

from ..images import png_url
from .laws import LAWS
from .look import Appearance
from .measure import Measurement, measure
from .options import AUTO, Options
from .page import clip_player, constants_table, save, unknown, verdict
from .results import DRAWN, PATH, ring
from .video import VIDEOS, Clip, read_clip

# The track while it is looked for: a frame with what is tried drawn on it, replaced every so often.

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


POINTED, CROPPED = (230, 60, 180), 0.35  # colour of the cross; brightness of what is cropped away
HINT = "A click on the picture points at the object, a drag over it crops."
CLICK = 0.02  # of the picture that a pointer may move and still point at one place instead of marking a part
# A click or a drag on the picture goes into a hidden text field, as where it began and ended: x, y, x, y, shares of the
# picture. Widgets bring no other way from a picture to the kernel.
_POINTER = """
const box = this.lastElementChild, area = this.getBoundingClientRect();
const share = e => [(e.clientX - area.left) / area.width, (e.clientY - area.top) / area.height]
  .map(x => Math.min(1, Math.max(0, x)));
const from = share(event);
event.preventDefault();
this.setPointerCapture(event.pointerId);
this.onpointermove = e => {
  const to = share(e);
  const [left, top] = from.map((x, i) => 100 * Math.min(x, to[i]));
  const [width, height] = from.map((x, i) => 100 * Math.abs(x - to[i]));
  box.style.cssText += `; display: block; left: ${left}%; top: ${top}%; width: ${width}%; height: ${height}%`;
};
this.onpointerup = e => {
  box.style.display = 'none';
  this.onpointermove = this.onpointerup = null;
  const field = this.closest('.pig-pointing').querySelector('.pig-told input');
  field.value = [...from, ...share(e)].map(x => x.toFixed(4)).join();
  field.dispatchEvent(new Event('input', {bubbles: true}));
};
"""
_WIDE = {"layout": widgets.Layout(width="auto", margin="2px 0"), "style": {"description_width": "6em"}}


class Pointing:
    """A clip with sliders beside it; ``view`` is the widget to display, ``options`` what would be measured.

    A click on the picture points at the object in that frame, a drag over it crops.

    Args:
        options: what to begin with.
    Raises:
        DataError: if the clip cannot be read.
    """

    def __init__(self, options: Options) -> None:
        self.start, self.found = options, None
        self.clip: Clip | None = None
        folder = Path(options.video).parent
        beside = sorted({Path(options.video), *(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS)})
        self.beside = widgets.Dropdown(
            options=[(path.name, str(path)) for path in beside], value=options.video, description="clip", **_WIDE
        )
        self.video = widgets.Text(value=options.video, continuous_update=False, description="or its path", **_WIDE)
        laws = [name for name, law in LAWS.items() if law.suits(options.objects)]
        self.law = widgets.Dropdown(options=[AUTO, *laws], value=options.law, description="law", **_WIDE)
        self.frame = widgets.IntSlider(description="frame", **_WIDE)
        self.times = widgets.FloatRangeSlider(description="seconds", step=0.01, readout_format=".2f", **_WIDE)
        self.across = widgets.IntRangeSlider(description="crop across", **_WIDE)
        self.down = widgets.IntRangeSlider(description="crop down", **_WIDE)
        self.point, self.pointed = (
            widgets.Checkbox(indent=False, layout=_WIDE["layout"]),
            0,
        )  # whether and in which frame somebody points
        self.x, self.y = (widgets.IntSlider(description=f"object {axis}", **_WIDE) for axis in "xy")
        self.picture, self.says = widgets.HTML(), widgets.HTML()
        self.told = widgets.Text(layout=widgets.Layout(display="none")).add_class("pig-told")
        self.go = widgets.Button(description="measure", button_style="primary")
        self.output = widgets.Output()
        self.open()
        self.beside.observe(lambda change: change.new and setattr(self.video, "value", change.new), "value")
        self.video.observe(lambda _: self.open(), "value")
        self.times.observe(self._show_end, "value")
        for slider in (self.frame, self.across, self.down):
            slider.observe(lambda _: self.draw(), "value")
        for slider in (self.point, self.x, self.y):
            slider.observe(lambda _: self._point(), "value")
        self.told.observe(lambda change: change.new and self._touched(change.new), "value")
        self.go.on_click(lambda _: self.measure())
        controls = [
            self.beside, self.video, self.law, self.frame, self.times, self.across, self.down,
            self.point, self.x, self.y,
        ]  # fmt: skip
        sides = widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(min(24rem, 100%), 1fr))", grid_gap="8px")
        left = widgets.VBox([self.picture, self.told])
        right = widgets.VBox([*controls, self.go, self.says])
        self.view = widgets.VBox([widgets.GridBox([left, right], layout=sides), self.output]).add_class("pig-pointing")

    def open(self) -> None:
        """Read the clip that is named, and let the sliders span it."""
        try:
            clip = read_clip(self.video.value, fps=self.start.fps)
        except PigError as error:
            self.says.value = escape(str(error))
            return
        self.says.value, self.clip, self.point.value = HINT, clip, False
        # What the measurement began with is about its own clip.
        begun = self.start if self.video.value == self.start.video else Options(self.video.value)
        offered = [path for _, path in self.beside.options]
        self.beside.value = self.video.value if self.video.value in offered else None
        width, height = clip.size
        self.times.max = float(clip.times[-1])
        self.times.readout_format = ".2f" if self.times.max < 10 else ".1f"  # there is room for two times four signs
        self.times.value = (begun.start or 0.0, begun.end or self.times.max)
        self.frame.max, self.frame.value = len(clip.frames) - 1, 0
        left, top, wide, high = begun.box("crop") or (0, 0, width, height)
        for slider, side, ends in ((self.across, width, (left, left + wide)), (self.down, height, (top, top + high))):
            slider.max, slider.value = side, ends
        self.x.max, self.y.max = width - 1, height - 1
        time, x, y = (*begun.pointed(), (0.0, width // 2, height // 2))[0]
        self.x.value, self.y.value = round(x), round(y)
        if begun.at:
            self.frame.value, self.point.value = self._nearest(time), True
        self._point()

    def _nearest(self, time: float) -> int:
        return int(np.abs(self.clip.times - time).argmin())

    def _show_end(self, change) -> None:
        """Show the frame at which the end that was dragged is now."""
        begin, end = change.new
        self.frame.value = self._nearest(end if begin == change.old[0] else begin)

    def _point(self) -> None:
        """Whoever points does so in the frame that is shown."""
        self.pointed = self.frame.value
        self.point.description = f"point at the object, in frame {self.pointed}"
        self.draw()

    def _touched(self, told: str) -> None:
        """A click on the picture, or a drag over it; see ``_POINTER``."""
        ends, size = np.array(told.split(","), float).reshape(2, 2), np.array(self.clip.size)
        self.told.value = ""  # the same place may be meant again
        if np.ptp(ends, 0).max() < CLICK:
            self.x.value, self.y.value = np.clip((ends[1] * size).astype(int), 0, size - 1).tolist()
            self.point.value = True
            self._point()
            return
        corners = np.rint(np.sort(ends, 0) * size).astype(int)
        self.across.value, self.down.value = (tuple(side) for side in corners.T.tolist())

    @property
    def options(self) -> Options:
        """What the widgets say; what is left as it was is found or whole."""
        width, height = self.clip.size
        (a, b), (c, d) = self.across.value, self.down.value
        begin, end = self.times.value
        whole = (a, b, c, d) == (0, width, 0, height)
        at = f"{self.clip.times[self.pointed]:.4f},{self.x.value},{self.y.value}" if self.point.value else None
        about = {name: getattr(self.start, name) for name in ("objects", "px_per_m", "known", "fps", "save_dir")}
        return Options(
            self.video.value, law=self.law.value, start=begin or None,
            end=None if end > self.times.max - self.times.step else end,
            crop=None if whole else f"{a},{c},{b - a},{d - c}", at=at, **about,
        )  # fmt: skip

    def draw(self) -> None:
        """The frame, darker where it is cropped away, with a cross where somebody points."""
        if self.clip is None:
            return
        picture = self.clip.frames[self.frame.value].astype(float)
        (left, top), (right, bottom) = (
            np.clip(self.clip.from_file(np.array(corner, float)).round().astype(int), 0, picture.shape[1::-1])
            for corner in zip(self.across.value, self.down.value, strict=True)
        )
        kept = np.zeros(picture.shape[:2], bool)
        kept[top : bottom + 1, left : right + 1] = True
        picture[~kept] *= CROPPED
        if self.point.value and self.frame.value == self.pointed:
            x, y = self.clip.from_file(np.array([self.x.value, self.y.value], float)).round().astype(int)
            picture[max(0, y - 8) : y + 9, x] = picture[y, max(0, x - 8) : x + 9] = POINTED
        image = f'<img src="{png_url(picture.astype(np.uint8))}" alt="frame {self.frame.value}" style="width: 100%">'
        box = f'<div style="display: none; position: absolute; border: 2px dashed rgb{POINTED}"></div>'
        self.picture.value = (
            '<div style="position: relative; max-width: 40rem; cursor: crosshair; touch-action: none" '
            f'onpointerdown="{escape(_POINTER)}">{image}{box}</div>'
        )

    def measure(self) -> Measurement | None:
        """Measure with what the widgets say, keep and show what was found; None after one sentence."""
        self.go.disabled, self.says.value, self.found = True, "measuring ...", None
        self.output.clear_output()
        with self.output:  # it keeps errors to itself in a notebook: none may leave this block
            try:
                options = self.options
                found = measure(options, Watching(lambda text: setattr(self.picture, "value", text)))
                about = save(found, options.folder())
                display(verdict(about), clip_player(found), constants_table(about), unknown(about))
                self.found, said = found, f"kept in {options.folder()}; if the ring leaves the object, point at it"
            except PigError as error:
                said = str(error)
            finally:
                self.go.disabled = False
            self.says.value = escape(said)
        self.draw()
        return self.found
