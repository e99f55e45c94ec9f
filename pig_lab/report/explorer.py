"""The widgets of ``notebooks/explore.ipynb``: touch a trained model and see what it predicts."""

import html
from pathlib import Path
from string import Template

import ipywidgets as widgets
import numpy as np

from pig_core.evaluate import frame_part, panels, png_url, to_picture
from pig_core.system import PigError, RunError

from ..trained import Trained, finished_runs, open_checkpoint
from .whatif import SPEEDS, TURNS, Answer, WhatIf, ask, loss_along, slider_range

# Picture -> what its button says of it.
PANELS = {
    "truth": "the video", "prediction": "input frames reconstructed, later ones drawn from physics alone",
    "reconstruction": "what the decoder makes of the encoded positions",
    "difference": "where truth and prediction disagree", "masks": "what the encoder takes for each object",
}  # fmt: skip
SLIDERS = {
    "speed": "factor of all velocities at the last input frame",
    "turn": "degrees by which all velocities at the last input frame are turned, clockwise",
}
_STYLE = f"<style>{(Path(__file__).parent / 'explorer.css').read_text()}</style>"
_COLUMNS = widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(min(27rem, 100%), 1fr))", grid_gap="8px 24px")
_WIDE = widgets.Layout(width="auto", margin="2px 0")
_LABEL = {"description_width": "5.5em"}
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
        about = {"layout": _WIDE, "style": _LABEL}
        self.run = widgets.Dropdown(
            options=list(self.runs), value=run or next(iter(self.runs)), description="run", **about,
            tooltip="the models that come with the project, and your own finished runs",
        )  # fmt: skip
        self.video = widgets.IntSlider(description="video", min=1, max=1, tooltip="which of the fresh videos", **about)
        self.frame = widgets.IntSlider(description="frame", min=1, max=1, tooltip="the moment shown", **about)
        play = widgets.Play(min=1, interval=150, tooltip="play, pause, stop, repeat")
        widgets.jslink((play, "value"), (self.frame, "value"))
        widgets.jslink((self.frame, "max"), (play, "max"))
        self.panels = {
            name: widgets.ToggleButton(value=name != "masks", description=name, tooltip=says, layout={"width": "auto"})
            for name, says in PANELS.items()
        }
        self.picture = widgets.HTML()
        self.sliders: dict[str, widgets.SelectionSlider] = {}
        self.changes = widgets.VBox()
        self.curve = widgets.HTML()
        self.curve_of = widgets.Dropdown(description="loss along", tooltip="what the curve is about", **about)
        self.reset = widgets.Button(description="as learned", tooltip="put all sliders back to what the model learned")
        frame, shown = widgets.HBox([play, self.frame]), widgets.HBox(list(self.panels.values()))
        self.view = widgets.VBox([
            widgets.HTML(_STYLE), _grid(self.run, self.video), shown, self.picture, frame,
            _grid(widgets.VBox([self.changes, self.reset]), widgets.VBox([self.curve_of, self.curve])),
        ])  # fmt: skip
        for part, name in ((self.view, "pig-explorer"), (frame, "pig-frame"), (shown, "pig-shown")):
            part.add_class(name)
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
        learned = {
            name: f"{name} in {kind.unit or 'its own unit'}; the model learned {physics.values()[name]:.4g}"
            for name, kind in physics.constants.items()
        }
        self.sliders = {
            name: widgets.SelectionSlider(
                options=[(f"{value:.3g}", value) for value in values], value=values[len(values) // 2], description=name,
                tooltip=(learned | SLIDERS)[name], layout=_WIDE, style=_LABEL,
            )
            for name, values in choices.items()
        }  # fmt: skip
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
            f'<figure><figcaption>{name}</figcaption><img alt="{name}, frame {t + 1}" '
            f'src="{png_url(to_picture(self.rows[name][t]))}"></figure>'
            for name, chosen in self.panels.items()
            if chosen.value
        ]
        self.picture.value = (
            f'<div class="pig-pictures">{"".join(figures)}</div>'
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


def _grid(*parts: widgets.Widget) -> widgets.GridBox:
    """Parts beside one another, or below one another where there is no room."""
    return widgets.GridBox(parts, layout=_COLUMNS)


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
        y=f"{now_y:.1f}", first=f"{values[0]:.3g}", last=f"{values[-1]:.3g}", most=f"{float(f'{10**high:.1e}'):g}",
        least=f"{float(f'{10**low:.1e}'):g}",
    )  # fmt: skip
