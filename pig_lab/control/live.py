"""The widgets of ``notebooks/control.ipynb``: drag the goal and gravity, and watch the pendulum obey."""

import math
import time

import ipywidgets as widgets
import torch
from IPython.display import HTML

from pig_core.model import PAIG
from pig_core.system import person_watches

from ..images import png_url
from .environment import SIZE, TRUE_GRAVITY, Pendulums
from .episodes import WAIT, Pixels
from .planner import Planner

PIXELS = 360  # side of the picture on the screen
PREVIEW = 20  # frames
AROUND = 28.0  # pixels of a frame from the pivot to the dial's scale
_SLIDER = {"style": {"description_width": "9em"}, "layout": {"width": "32em", "max_width": "100%"}}


class Cockpit:
    """One pendulum that is controlled from its frames alone, step by step; ``show`` says what to display.

    Args:
        model: as trained.
        reset: seed of the environment's start.
    """

    def __init__(self, model: PAIG, reset: int = 0):
        self.model, self.reset = model, reset
        self.play = widgets.Play(min=0, max=10**6, interval=60, description="go")
        self.goal = widgets.IntSlider(description="goal, degrees", min=-180, max=180, **_SLIDER)
        self.gravity = widgets.FloatSlider(
            TRUE_GRAVITY, description="gravity, m/s²", min=1, max=20, step=0.5, **_SLIDER
        )
        self.told = widgets.Checkbox(True, description="the model is told the gravity", indent=False)
        self.again = widgets.Button(description="start again")
        self.picture, self.text = widgets.HTML(), widgets.HTML()
        self.view = widgets.VBox([
            widgets.HBox([self.play, self.again, self.told]), self.goal, self.gravity, self.picture, self.text,
        ])  # fmt: skip
        self.play.observe(lambda change: self.step(), "value")
        self.goal.observe(lambda change: self.draw(), "value")
        self.again.on_click(lambda button: self.start())
        self.gravity.observe(lambda change: self.weigh(), "value")
        self.told.observe(lambda change: self.weigh(), "value")
        self.start()

    def show(self) -> widgets.VBox | HTML:
        """The widget; where nobody is there to move it, such as on a page, the picture after a second."""
        if person_watches():
            return self.view
        for _ in range(PREVIEW):
            self.step()
        return HTML(self.picture.value)

    def start(self) -> None:
        """Begin an episode where the environment's reset puts the pendulum."""
        self.pendulums, self.driver = Pendulums(1, self.gravity.value), Pixels(self.model)
        self.pendulums.reset([self.reset])
        self.planning, self.steps = Planner().start([self.reset]), 0
        self.weigh()
        self.step()

    def weigh(self) -> None:
        """Gravity was changed in the environment; in the model it is one number."""
        self.pendulums.environments[0].unwrapped.g = self.gravity.value
        told = self.model.physics.given(g=self.gravity.value)
        self.driver.physics = told if self.told.value else self.model.physics

    def step(self) -> None:
        """See a frame, plan, act, and draw what was seen and what is imagined."""
        started = time.perf_counter()
        self.driver.watch(self.pendulums)
        del self.driver.positions[:-8], self.driver.torques[:-8]
        torque, self.imagined = torch.zeros(1), torch.zeros(0, 2)
        if self.steps >= WAIT:
            goal = torch.tensor([math.radians(self.goal.value)])
            state = self.driver.state()
            plan = self.planning.step(*state, self.driver.physics, goal)
            torque = plan.torques[:, 0, 0]
            with torch.no_grad():
                path, _ = self.driver.physics.rollout(*state, plan.torques.shape[1], plan.torques)
                self.imagined = self.driver.physics.pose(path)[0, :, 0]
        took = 1e3 * (time.perf_counter() - started)
        self.draw()
        self.text.value = f"step {self.steps}, torque {torque.item():+.2f}, seen and planned in {took:.0f} ms"
        self.driver.acted(torque)
        self.pendulums.environments[0].unwrapped.state[0] %= 2 * math.pi  # it may turn for hours
        self.pendulums.step(torque.numpy())
        self.steps += 1

    def draw(self) -> None:
        """The last frame with the dial around it and the imagined positions (H, 2) over it."""
        physics, frame = self.model.physics, self.pendulums.frames()[0]
        (x, y), goal = physics.pivot.tolist(), math.radians(self.goal.value)
        mark = [(x - r * math.sin(goal), y - r * math.cos(goal)) for r in (AROUND - 3, AROUND)]
        line = " ".join(f"{a:.2f},{b:.2f}" for a, b in self.imagined.tolist())
        self.picture.value = (
            f'<svg role="img" aria-label="pendulum, goal and plan" width="{PIXELS}" viewBox="0 0 {SIZE} {SIZE}">'
            f'<image width="{SIZE}" height="{SIZE}" style="image-rendering:pixelated" href="{png_url(frame)}"/>'
            f'<circle cx="{x}" cy="{y}" r="{AROUND}" fill="none" stroke="#999" stroke-width=".3"/>'
            f'<path d="M{mark[0][0]:.2f} {mark[0][1]:.2f}L{mark[1][0]:.2f} {mark[1][1]:.2f}" stroke="#0173b2"/>'
            f'<polyline points="{line}" fill="none" stroke="#0173b2" stroke-width=".6"/></svg>'
        )
