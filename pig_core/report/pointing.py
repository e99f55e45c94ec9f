"""The widgets of ``notebooks/measure.ipynb``: pick a clip and a law, cut and crop it, point at the object, measure."""

from pathlib import Path

import ipywidgets as widgets
import numpy as np
from IPython.display import display

from ..common.errors import PigError
from ..evaluation.pictures import png_url
from ..measure import results
from ..measure.law import LAWS
from ..measure.measure import Measurement, measure
from ..measure.options import AUTO, Options
from ..measure.video import Clip, read_clip
from . import measured
from .watching import Watching

POINTED, CROPPED = (230, 60, 180), 0.35  # colour of the cross; brightness of what is cropped away
_WIDE = {"layout": widgets.Layout(width="auto", margin="2px 0"), "style": {"description_width": "6em"}}


class Pointing:
    """A clip with sliders on it; ``view`` is the widget to display, ``options`` what would be measured.

    Args:
        options: what to begin with.
    Raises:
        DataError: if the clip cannot be read.
    """

    def __init__(self, options: Options) -> None:
        self.start, self.found = options, None
        self.clip: Clip | None = None
        folder = Path(options.video).parent
        beside = sorted(str(path) for path in folder.iterdir() if path.suffix == Path(options.video).suffix)
        self.video = widgets.Combobox(value=options.video, options=beside, description="clip", **_WIDE)
        self.law = widgets.Dropdown(options=[AUTO, *LAWS], value=options.law, description="law", **_WIDE)
        self.frame = widgets.IntSlider(description="frame", **_WIDE)
        self.times = widgets.FloatRangeSlider(description="seconds", step=0.01, readout_format=".2f", **_WIDE)
        self.across = widgets.IntRangeSlider(description="crop across", **_WIDE)
        self.down = widgets.IntRangeSlider(description="crop down", **_WIDE)
        self.point = widgets.Checkbox(description="point at the object", indent=False)
        self.x, self.y = (widgets.IntSlider(description=f"object {axis}", **_WIDE) for axis in "xy")
        self.picture, self.says = widgets.HTML(), widgets.HTML()
        self.go = widgets.Button(description="measure", button_style="primary")
        self.output = widgets.Output()
        self.open()
        self.video.observe(lambda _: self.open(), "value")
        for slider in (self.frame, self.across, self.down, self.point, self.x, self.y):
            slider.observe(lambda _: self.draw(), "value")
        self.go.on_click(lambda _: self.measure())
        controls = [self.video, self.law, self.frame, self.times, self.across, self.down, self.point, self.x, self.y]
        sides = widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(min(24rem, 100%), 1fr))", grid_gap="8px")
        left = widgets.VBox([self.picture])
        right = widgets.VBox([*controls, widgets.HBox([self.go, self.says])])
        self.view = widgets.VBox([widgets.GridBox([left, right], layout=sides), self.output])

    def open(self) -> None:
        """Read the clip that is named, and let the sliders span it."""
        try:
            clip = read_clip(self.video.value, fps=self.start.fps)
        except PigError as error:
            self.says.value = str(error)
            return
        self.says.value, self.clip = "", clip
        width, height = clip.size
        self.frame.max, self.frame.value = len(clip.frames) - 1, 0
        self.times.max = float(clip.times[-1])
        self.times.value = (self.start.start or 0.0, self.start.end or self.times.max)
        left, top, wide, high = self.start.crop_box() or (0, 0, width, height)
        for slider, side, ends in ((self.across, width, (left, left + wide)), (self.down, height, (top, top + high))):
            slider.max, slider.value = side, ends
        self.x.max, self.y.max = width - 1, height - 1
        self.x.value, self.y.value = width // 2, height // 2
        self.draw()

    @property
    def options(self) -> Options:
        """What the widgets say; what is left as it was is found or whole."""
        width, height = self.clip.size
        (a, b), (c, d) = self.across.value, self.down.value
        begin, end = self.times.value
        whole = (a, b, c, d) == (0, width, 0, height)
        at = f"{self.clip.times[self.frame.value]:.4f},{self.x.value},{self.y.value}" if self.point.value else None
        about = {
            name: getattr(self.start, name) for name in ("objects", "px_per_m", "known", "fps", "save_dir", "seed")
        }
        return Options(
            self.video.value, law=self.law.value, start=begin or None, end=None if end >= self.times.max else end,
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
        if self.point.value:
            x, y = self.clip.from_file(np.array([self.x.value, self.y.value], float)).round().astype(int)
            picture[max(0, y - 8) : y + 9, x] = picture[y, max(0, x - 8) : x + 9] = POINTED
        url = png_url(picture.astype(np.uint8))
        self.picture.value = f'<img src="{url}" alt="frame {self.frame.value}" style="width: 100%; max-width: 40rem">'

    def measure(self) -> Measurement | None:
        """Measure with what the widgets say, keep and show what was found; None after one sentence."""
        self.go.disabled, self.says.value = True, "measuring ..."
        self.output.clear_output()
        try:
            with self.output:
                self.found = measure(self.options, Watching(lambda text: setattr(self.picture, "value", text)))
                about = results.save(self.found, self.options.folder())
                display(measured.clip_player(self.found), measured.constants_table(about))
            self.says.value = "if the ring does not stay on the object, point at it"
        except PigError as error:
            self.found, self.says.value = None, str(error)
        finally:
            self.go.disabled = False
            self.draw()
        return self.found
