"""The widgets of ``notebooks/explore.ipynb``: touch a trained model and see what it predicts."""

from __future__ import annotations

import base64
import html
import io

import imageio.v3 as imageio
import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from ..common.errors import PigError, RunError
from ..runs.artifacts import to_picture
from ..runs.trained import Published, finished_runs, open_checkpoint
from .figures import OBJECT_COLORS
from .player import frame_label
from .whatif import Answer, WhatIf, ask, loss_along, slider_range

PANELS = ("truth", "prediction", "reconstruction", "difference", "masks")
SPEEDS, TURNS = [i / 20 for i in range(41)], [float(a) for a in range(-90, 91, 5)]
PIXELS = 190  # width of a panel on the screen


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
        self.published: Published | None = None
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
            widgets.HBox([self.run, self.video]),
            widgets.HBox(list(self.panels.values())),
            self.picture,
            widgets.HBox([play, self.frame]),
            self.changes,
            widgets.HBox([self.curve_of, self.reset]),
            self.curve,
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
            self.published = open_checkpoint(self.runs[self.run.value])
            video = self.published.evaluation.video
        except PigError as error:  # a run of an older version, say: the others can still be looked at
            self.published, self.answer, self.sliders, self.changes.children = None, None, {}, ()
            self.picture.value, self.curve.value = html.escape(str(error)), ""
            return
        self.video.max, self.frame.max = len(video), video.shape[1]
        self.frame.value = self.published.model.input_steps + 1
        choices = {name: slider_range(value) for name, value in self.published.model.physics.values().items()}
        self.sliders = {
            name: widgets.SelectionSlider(
                options=[(f"{value:.3g}", value) for value in values], value=values[len(values) // 2], description=name
            )
            for name, values in {**choices, "speed": SPEEDS, "turn": TURNS}.items()
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
        if self.published is None:
            return
        self.ready = False
        for slider in self.sliders.values():
            slider.index = len(slider.options) // 2
        self.ready = True
        self.ask()

    @property
    def question(self) -> WhatIf:
        """What the sliders ask."""
        values = {name: slider.value for name, slider in self.sliders.items() if name not in ("speed", "turn")}
        return WhatIf(values, self.sliders["speed"].value, self.sliders["turn"].value)

    def ask(self) -> None:
        """Roll out again after a change of the video or of a slider."""
        if not self.ready:
            return
        self.answer = ask(self.published, self.video.value - 1, self.question)
        self.rows = self._rows()
        self.draw()
        self.draw_curve()

    def _rows(self) -> dict[str, Tensor]:
        """What each panel shows, (T, C, S, S); black where there is nothing to show."""
        evaluation, index = self.published.evaluation, self.video.value - 1
        truth, output, steps = evaluation.video[index], evaluation.output, self.published.model.input_steps
        end = output.recons.shape[1]
        colors = torch.tensor(OBJECT_COLORS[: output.masks.shape[2]])  # (K, 3)
        recons, masks = torch.zeros_like(truth), torch.zeros(len(truth), 3, *truth.shape[2:])
        recons[:end] = output.recons[index]
        found = output.masks[index] * truth[:end].amax(1, keepdim=True)  # (L+P, K, S, S)
        masks[:end] = torch.einsum("tkhw,kc->tchw", found, colors)
        prediction = torch.cat([recons[:steps], self.answer.prediction])
        return {
            "truth": truth,
            "prediction": prediction,
            "reconstruction": recons,
            "difference": (prediction - truth).abs(),
            "masks": masks,
        }

    def draw(self) -> None:
        """Show the current frame in all chosen panels."""
        if not self.ready:
            return
        t, model = self.frame.value - 1, self.published.model
        figures = [
            f'<figure style="margin:0 8px 0 0"><img alt="{name}, frame {t + 1}" width="{PIXELS}" '
            f'style="image-rendering:pixelated" src="{_data_url(self.rows[name][t])}">'
            f"<figcaption>{name}</figcaption></figure>"
            for name, chosen in self.panels.items()
            if chosen.value
        ]
        self.picture.value = (
            f'<div style="display:flex;flex-wrap:wrap">{"".join(figures)}</div>'
            f"{frame_label(t, model.input_steps, model.pred_steps)}; "
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
            self.known = key, loss_along(self.published, self.video.value - 1, name, values, self.question)
        losses = self.known[1]
        self.curve.value = curve_svg(values, losses, (self.sliders[name].value, self.answer.loss), name)


def _data_url(image: Tensor) -> str:
    file = io.BytesIO()
    imageio.imwrite(file, to_picture(image, 1), extension=".png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def curve_svg(values: list[float], losses: list[float], here: tuple[float, float], name: str) -> str:
    """A small line chart as SVG text: drawing it takes no time, so it can follow a slider."""
    width, height, left, bottom = 520, 176, 56, 40
    logs = np.log10(np.maximum([*losses, here[1]], 1e-3))
    low, high = logs.min() - 0.05, logs.max() + 0.05
    span = (values[-1] - values[0]) or 1.0

    def place(value: float, log: float) -> tuple[float, float]:
        across = left + (width - left - 10) * (value - values[0]) / span
        return across, 10 + (height - bottom - 10) * (high - log) / (high - low)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(v, g) for v, g in zip(values, logs[:-1], strict=True)))
    x, y = place(here[0], logs[-1])
    text = 'font-size="12" fill="currentColor"'
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="loss along {name}, now {here[1]:.3g}">'
        f'<path d="M{left},10 V{height - bottom} H{width - 10}" fill="none" stroke="currentColor" opacity=".4"/>'
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="2"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#d55e00"/>'
        f'<text x="{left}" y="{height - 22}" {text}>{values[0]:.3g}</text>'
        f'<text x="{width - 10}" y="{height - 22}" text-anchor="end" {text}>{values[-1]:.3g}</text>'
        f'<text x="{(left + width) / 2}" y="{height - 8}" text-anchor="middle" {text}>{name}</text>'
        f'<text x="{left - 4}" y="20" text-anchor="end" {text}>{10**high:.2g}</text>'
        f'<text x="{left - 4}" y="{height - bottom}" text-anchor="end" {text}>{10**low:.2g}</text>'
        f'<text x="12" y="{height / 2}" transform="rotate(-90 12 {height / 2})" text-anchor="middle" {text}>'
        "loss per frame</text></svg>"
    )
