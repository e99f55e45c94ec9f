"""The widgets of ``notebooks/explore.ipynb``: touch a trained model and see what it predicts."""

import html
from pathlib import Path
from string import Template

import ipywidgets as widgets
import numpy as np

from ..common.errors import PigError, RunError
from ..evaluation.pictures import frame_part, panels, png_url, to_picture
from ..runs.trained import Trained, finished_runs, open_checkpoint
from .whatif import SPEEDS, TURNS, Answer, WhatIf, ask, loss_along, slider_range

PANELS = ("truth", "prediction", "reconstruction", "difference", "masks")
PIXELS = 190  # width of a panel on the screen
_CURVE = Template((Path(__file__).parent / "curve.svg").read_text())


class Explorer:
    """Pick a run and a video, scrub through time, change the physics; ``view`` is the widget to display.

    Args:
        run: name of the run to begin with; None: the first one.
    Raises:
        RunError: if there is no such run, or none at all.
    """

    def __init__(self, run: str | None = None) -> None:
        self.runs = finished_runs()
        if run is not None and run not in self.runs:
            raise RunError(f"there is no run {run!r}; there are {', '.join(self.runs)}")
        self.ready = False  # False while many widgets change at once
        self.trained: Trained | None = None
        self.answer: Answer | None = None
        self.known: tuple[tuple, list[float]] = ((), [])  # the curve that was computed last, with what it is of
        self.run = widgets.Dropdown(options=list(self.runs), value=run or next(iter(self.runs)), description="run")
        self.video = widgets.IntSlider(description="video", min=1, max=1)
        self.frame = widgets.IntSlider(description="frame", min=1, max=1)
        play = widgets.Play(min=1, interval=150)
        widgets.jslink((play, "value"), (self.frame, "value"))
        widgets.jslink((self.frame, "max"), (play, "max"))
        self.panels = {name: widgets.ToggleButton(value=name != "masks", description=name) for name in PANELS}
        self.picture = widgets.HTML()
        self.sliders: dict[str, widgets.SelectionSlider] = {}
        self.changes = widgets.VBox()
        self.curve = widgets.HTML()
        self.curve_of = widgets.ToggleButtons(description="loss along")
        self.reset = widgets.Button(description="as learned")
        self.view = widgets.VBox([
            widgets.HBox([self.run, self.video]), widgets.HBox(list(self.panels.values())), self.picture,
            widgets.HBox([play, self.frame]), self.changes, widgets.HBox([self.curve_of, self.reset]), self.curve,
        ])  # fmt: skip
        self.run.observe(lambda change: self.open(), "value")
        self.video.observe(lambda change: self.ask(), "value")
        self.curve_of.observe(lambda change: self.draw_curve(), "value")
        for widget in (self.frame, *self.panels.values()):
            widget.observe(lambda change: self.draw(), "value")
        self.reset.on_click(lambda button: self.as_learned())
        self.open()

    def open(self) -> None:
        """Load the chosen run and build sliders for its physics."""
        self.ready = False
        try:
            self.trained = open_checkpoint(self.runs[self.run.value])
            self.video.max, self.frame.max = self.trained.evaluation.video.shape[:2]
        except PigError as error:  # a run of an older version, say: the others can still be looked at
            self.trained, self.answer, self.sliders, self.changes.children = None, None, {}, ()
            self.picture.value, self.curve.value = html.escape(str(error)), ""
            return
        self.frame.value = self.trained.model.input_steps + 1
        physics = self.trained.model.physics
        choices = {name: slider_range(value) for name, value in physics.values().items()} | {"speed": SPEEDS}
        choices |= {"turn": TURNS} if physics.dimensions == 2 else {}  # of an angle, say: there is nothing to turn
        self.sliders = {
            name: widgets.SelectionSlider(
                options=[(f"{value:.3g}", value) for value in values], value=values[len(values) // 2], description=name
            )
            for name, values in choices.items()
        }
        for name, slider in self.sliders.items():
            slider.observe(lambda change, name=name: self.moved(name), "value")
        self.changes.children = tuple(self.sliders.values())
        self.curve_of.options = list(self.sliders)
        self.curve_of.value = self.curve_of.options[0]
        self.ready = True
        self.ask()

    def moved(self, name: str) -> None:
        """A slider was moved: the curve is about this one from now on."""
        if self.ready:
            self.ready = False
            self.curve_of.value = name  # its curve is drawn below, after the picture
            self.ready = True
            self.ask()

    def as_learned(self) -> None:
        """Put all sliders back."""
        if self.trained is None:
            return
        self.ready = False
        for slider in self.sliders.values():
            slider.index = len(slider.options) // 2
        self.ready = True
        self.ask()

    @property
    def question(self) -> WhatIf:
        """What the sliders ask."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        motion = {name: values.pop(name) for name in ("speed", "turn") if name in values}
        return WhatIf(values, **motion)

    def ask(self) -> None:
        """Roll out again after a change of the video or of a slider."""
        if not self.ready:
            return
        self.answer = ask(self.trained, self.video.value - 1, self.question)
        self.rows = panels(self.trained.evaluation, self.video.value - 1, self.answer.prediction)
        self.draw()
        self.draw_curve()

    def draw(self) -> None:
        """Show the current frame in all chosen panels."""
        if not self.ready:
            return
        t = self.frame.value - 1
        figures = [
            f'<figure style="margin:0 8px 0 0"><img alt="{name}, frame {t + 1}" width="{PIXELS}" '
            f'style="image-rendering:pixelated" src="{png_url(to_picture(self.rows[name][t]))}">'
            f"<figcaption>{name}</figcaption></figure>"
            for name, chosen in self.panels.items()
            if chosen.value
        ]
        self.picture.value = (
            f'<div style="display:flex;flex-wrap:wrap">{"".join(figures)}</div>'
            f"frame {t + 1}, {frame_part(self.trained.evaluation, t)}; "
            f"squared error per predicted frame: {self.answer.loss:.3g}"
        )

    def draw_curve(self) -> None:
        """The loss along one slider, all others as they are, with the slider's value marked."""
        if not self.ready:
            return
        name = self.curve_of.value
        values = [value for _, value in self.sliders[name].options][::2]
        others = tuple(slider.value for other, slider in self.sliders.items() if other != name)
        key = (self.run.value, self.video.value, name, others)
        if key != self.known[0]:  # while its own slider moves, a curve stays the same
            self.known = key, loss_along(self.trained, self.video.value - 1, name, values, self.question)
        losses = self.known[1]
        self.curve.value = curve_svg(values, losses, (self.sliders[name].value, self.answer.loss), name)


def curve_svg(values: list[float], losses: list[float], here: tuple[float, float], name: str) -> str:
    """A small line chart as SVG text: drawing it takes no time, so it can follow a slider.

    Args:
        here: the slider's value, and the loss there.
    """
    logs = np.log10(np.maximum([*losses, here[1]], 1e-3))
    low, high = logs.min() - 0.05, logs.max() + 0.05
    left, right, top, bottom = 56, 510, 10, 136  # the box of the axes in curve.svg
    x = left + (right - left) * (np.array([*values, here[0]]) - values[0]) / ((values[-1] - values[0]) or 1.0)
    y = top + (bottom - top) * (high - logs) / (high - low)
    *line, (now_x, now_y) = zip(x, y, strict=True)
    return _CURVE.substitute(
        name=name, loss=f"{here[1]:.3g}", line=" ".join(f"{x:.1f},{y:.1f}" for x, y in line), x=f"{now_x:.1f}",
        y=f"{now_y:.1f}", first=f"{values[0]:.3g}", last=f"{values[-1]:.3g}", most=f"{10**high:.2g}",
        least=f"{10**low:.2g}",
    )  # fmt: skip
