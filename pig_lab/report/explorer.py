"""The widgets of ``notebooks/explore.ipynb``: change a trained model's physics and see the prediction change."""

import html
from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from pig_core.checkpoint import read_config
from pig_core.evaluate import to_picture
from pig_core.system import PigError, RunError
from pig_core.tasks import Task

from ..images import frame_part, panels, png_url
from ..trained import Trained, finished_runs, open_checkpoint
from .whatif import Answer, WhatIf, ask, loss_along, slider_values

# Image -> the tooltip of its button.
PANELS = {
    "truth": "the video", "prediction": "input frames reconstructed, later ones drawn from physics alone",
    "reconstruction": "the decoder's image of the encoded positions", "difference": "truth minus prediction",
    "masks": "the encoder's mask of each object",
}  # fmt: skip
ENCODED = {"reconstruction": "not reconstructed", "masks": "not encoded"}  # frames later than L+P, drawn black
SLIDERS = {
    "speed": "factor of all velocities at the last input frame",
    "turn": "degrees by which all velocities at the last input frame are turned, clockwise",
}
_STYLE = f"<style>{(Path(__file__).parent / 'browser' / 'panels.css').read_text()}</style>"
_COLUMNS = widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(min(27rem, 100%), 1fr))", grid_gap="8px 24px")
_WIDE = {"layout": widgets.Layout(width="auto", margin="2px 0"), "style": {"description_width": "5.5em"}}


class Explorer:
    """Pick a run and a video, move through time, change the physics; ``view`` is the widget to display.

    Args:
        run: name of the run to begin with; None: the first one.
        tasks: your own, by whose laws their runs are then rolled out.
    Raises:
        RunError: if there is no such run, or none at all.
    """

    def __init__(self, run: str | None = None, tasks: Sequence[Task] = ()) -> None:
        self.runs, self.tasks = finished_runs(), {task.name: task for task in tasks}
        if run is not None and run not in self.runs:
            raise RunError(f"there is no run {run!r}; there are {', '.join(self.runs)}")
        self.ready = False  # False while many widgets change at once
        self.trained: Trained | None = None
        self.answer: Answer | None = None
        self.known: tuple[tuple, list[float]] = ((), [])  # the last curve, after the question that it answers
        self.run = widgets.Dropdown(
            options=list(self.runs), value=run or next(iter(self.runs)), description="run", **_WIDE,
            tooltip="the models that come with the project, and your own finished runs",
        )  # fmt: skip
        self.video = widgets.IntSlider(description="video", min=1, max=1, tooltip="which of the new videos", **_WIDE)
        self.frame = widgets.IntSlider(description="frame", min=1, max=1, tooltip="the frame shown", **_WIDE)
        play = widgets.Play(min=1, interval=150, tooltip="play, pause, stop, repeat")
        widgets.jslink((play, "value"), (self.frame, "value"))
        widgets.jslink((self.frame, "max"), (play, "max"))
        self.panels = {
            name: widgets.ToggleButton(value=name != "masks", description=name, tooltip=says, layout={"width": "auto"})
            for name, says in PANELS.items()
        }
        self.picture, self.curve, self.changes = widgets.HTML(), widgets.HTML(), widgets.VBox()
        self.sliders: dict[str, widgets.SelectionSlider] = {}
        self.reset = widgets.Button(description="as learned", tooltip="put all sliders back to the learned values")
        shown = widgets.HBox(list(self.panels.values()), layout={"flex_flow": "wrap"})
        self.view = widgets.VBox([
            widgets.HTML(_STYLE), widgets.GridBox([self.run, self.video], layout=_COLUMNS), shown, self.picture,
            widgets.GridBox([play, self.frame], layout={"grid_template_columns": "auto 1fr"}),
            widgets.GridBox([widgets.VBox([self.changes, self.reset]), self.curve], layout=_COLUMNS),
        ])  # fmt: skip
        self.view.add_class("pig-explorer")
        self.run.observe(lambda change: self.open(), "value")
        self.video.observe(lambda change: self.ask(), "value")
        for widget in (self.frame, *self.panels.values()):
            widget.observe(lambda change: self.draw(), "value")
        self.reset.on_click(lambda button: self.as_learned())
        self.open()

    def open(self) -> None:
        """Load the chosen run and build sliders for its physics."""
        self.ready = False
        try:
            path = self.runs[self.run.value]
            self.trained = open_checkpoint(path, task=self.tasks.get(read_config(path).task))
            self.video.max, self.frame.max = self.trained.evaluation.video.shape[:2]
        except PigError as error:  # a run of an older version, say: the others can still be explored
            self.trained, self.answer, self.sliders, self.changes.children = None, None, {}, ()
            self.picture.value, self.curve.value = html.escape(str(error)), ""
            return
        self.frame.value = self.trained.model.input_steps + 1
        physics = self.trained.model.physics
        learned = {
            name: f"{name} in {kind.unit or 'its own unit'}; the model learned {physics.values()[name]:.4g}"
            for name, kind in physics.constants.items()
        }
        self.sliders = {
            name: widgets.SelectionSlider(
                options=[(f"{value:.3g}", value) for value in values], value=values[len(values) // 2], description=name,
                tooltip=(learned | SLIDERS)[name], **_WIDE,
            )
            for name, values in slider_values(self.trained).items()
        }  # fmt: skip
        self.active = next(iter(self.sliders))  # the slider moved last: the curve is about it
        for name, slider in self.sliders.items():
            slider.observe(lambda change, name=name: self.moved(name), "value")
        self.changes.children = tuple(self.sliders.values())
        self.ready = True
        self.ask()

    def moved(self, name: str) -> None:
        """A slider was moved."""
        if self.ready:
            self.active = name
            self.ask()

    def as_learned(self) -> None:
        """Put all sliders back."""
        self.ready = False
        for slider in self.sliders.values():
            slider.index = len(slider.options) // 2
        self.ready = self.trained is not None
        self.ask()

    @property
    def question(self) -> WhatIf:
        """The question that the sliders ask."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        motion = {name: values.pop(name) for name in SLIDERS if name in values}
        return WhatIf(values, **motion)

    def ask(self) -> None:
        """Roll out again after a change of the video or of a slider."""
        if not self.ready:
            return
        self.answer = ask(self.trained, self.video.value - 1, self.question)
        self.rows = panels(self.trained.evaluation, self.video.value - 1, self.answer.prediction)
        self.draw()
        values = [value for _, value in self.sliders[self.active].options][::2]
        others = tuple(slider.value for name, slider in self.sliders.items() if name != self.active)
        key = (self.run.value, self.video.value, self.active, others)
        if key != self.known[0]:  # while its own slider moves, a curve stays the same
            losses = loss_along(self.trained, self.video.value - 1, self.active, values, self.question)
            self.known = key, losses
        here = (self.sliders[self.active].value, self.answer.loss)
        self.curve.value = curve_svg(values, self.known[1], here, self.active)

    def draw(self) -> None:
        """Show the current frame in all chosen panels."""
        if not self.ready:
            return
        t = self.frame.value - 1
        figures, encoded = [], self.trained.evaluation.output.recons.shape[1]
        for name in (name for name, chosen in self.panels.items() if chosen.value):
            caption = f"{name}: {ENCODED[name]}" if t >= encoded and name in ENCODED else name
            picture = png_url(to_picture(self.rows[name][t]))
            figures.append(
                f'<figure><figcaption>{caption}</figcaption><img alt="{name}, frame {t + 1}" src="{picture}"></figure>'
            )
        self.picture.value = (
            f'<div class="pig-images">{"".join(figures)}</div>'
            f"frame {t + 1}, {frame_part(self.trained.evaluation, t)}; "
            f"squared error per predicted frame: {self.answer.loss:.3g}"
        )


def curve_svg(values: list[float], losses: list[float], here: tuple[float, float], name: str) -> str:
    """A small line chart as SVG text: drawing it takes no time, so it can follow a slider.

    Args:
        here: the slider's value, and the loss there.
    """
    logs = np.log10(np.maximum([*losses, here[1]], 1e-3))
    low, high = logs.min() - 0.05, logs.max() + 0.05
    x = 56 + 454 * (np.array([*values, here[0]]) - values[0]) / ((values[-1] - values[0]) or 1.0)
    y = 10 + 126 * (high - logs) / (high - low)
    *line, (now_x, now_y) = zip(x, y, strict=True)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    return (
        f'<svg viewBox="0 0 520 180" style="max-width:32rem" role="img" aria-label="loss along {name}: {here[1]:.3g}">'
        '<path d="M56,10 V136 H510" fill="none" stroke="currentColor" opacity=".4"/>'
        f'<polyline points="{points}" fill="none" stroke="#0b63b0" stroke-width="2"/>'
        f'<circle cx="{now_x:.1f}" cy="{now_y:.1f}" r="5" fill="#d55e00"/><g font-size="15" fill="currentColor">'
        f'<text x="56" y="156">{values[0]:.3g}</text><text x="510" y="156" text-anchor="end">{values[-1]:.3g}</text>'
        f'<text x="288" y="174" text-anchor="middle">{name}</text>'
        f'<text x="52" y="22" text-anchor="end">{10**high:.2g}</text>'
        f'<text x="52" y="136" text-anchor="end">{10**low:.2g}</text>'
        '<text x="12" y="88" transform="rotate(-90 12 88)" text-anchor="middle">loss per frame</text></g></svg>'
    )
