"""A widget for notebooks: move the goal and gravity while a pendulum is controlled from its frames."""

import math

import ipywidgets as widgets
import torch
from IPython.display import HTML

from pig_core.model import PAIG
from pig_core.system import person_watches

from ..images import png_url
from .episodes import WAIT, Pixels
from .law import SIZE, TRUE_GRAVITY, Pendulums
from .planner import Planner

SIDE = 360  # of the image on the screen, pixels
PREVIEW = 20  # frames
DIAL = 28.0  # pixels of a frame from the pivot to the dial
_SLIDER = {"style": {"description_width": "9em"}, "layout": {"width": "32em", "max_width": "100%"}}


class Cockpit:
    """One pendulum controlled from its frames alone, step by step; ``show`` returns what to display.

    Args:
        model: as trained.
        reset: seed of the environment's start.
    """

    def __init__(self, model: PAIG, reset: int = 0):
        self.model, self.driver, self.pendulums = model, Pixels(model), Pendulums(1)
        self.planning, self.steps, self.planned = Planner().start([reset]), 0, torch.zeros(0, 2)
        self.pendulums.reset([reset])
        self.play = widgets.Play(min=0, max=10**6, interval=60, description="go")
        self.goal = widgets.IntSlider(description="goal, degrees", min=-180, max=180, **_SLIDER)
        self.gravity = widgets.FloatSlider(TRUE_GRAVITY, description="gravity, m/s²", min=1, max=20, **_SLIDER)
        self.told = widgets.Checkbox(True, description="the model is given the new gravity", indent=False)
        self.image = widgets.HTML()
        self.view = widgets.VBox([self.play, self.goal, self.gravity, self.told, self.image])
        self.play.observe(lambda change: self.step(), "value")
        self.goal.observe(lambda change: self.draw(), "value")
        for control in (self.gravity, self.told):
            control.observe(lambda change: self.change_gravity(), "value")
        self.step()

    def show(self) -> widgets.VBox | HTML:
        """The widget; on a page, where nobody can move it, the image after a second."""
        if person_watches():
            return self.view
        for _ in range(PREVIEW):
            self.step()
        return HTML(self.image.value)

    def change_gravity(self) -> None:
        """Set the environment's gravity, and the model's where it is given."""
        self.pendulums.environments[0].unwrapped.g = self.gravity.value
        given = self.model.physics.given(g=self.gravity.value)
        self.driver.physics = given if self.told.value else self.model.physics

    def step(self) -> None:
        """Encode a frame, plan, draw, and let the first torque of the plan act."""
        self.driver.watch(self.pendulums)
        del self.driver.positions[:-8], self.driver.torques[:-8]
        torque = torch.zeros(1)
        if self.steps >= WAIT:
            state, goal = self.driver.state(), torch.tensor([math.radians(self.goal.value)])
            plan = self.planning.step(*state, self.driver.physics, goal)  # (1, H, 1)
            torque = plan[:, 0, 0]
            with torch.no_grad():
                path, _ = self.driver.physics.rollout(*state, plan.shape[1], plan)
                self.planned = self.driver.physics.pose(path)[0, :, 0]  # (H, 2)
        self.draw()
        self.driver.acted(torque)
        self.pendulums.environments[0].unwrapped.state[0] %= 2 * math.pi  # it may turn for hours
        self.pendulums.step(torque.numpy())
        self.steps += 1

    def draw(self) -> None:
        """The present frame with the goal on a dial and the planned path of the rod's middle."""
        (x, y), goal = self.model.physics.pivot.tolist(), math.radians(self.goal.value)
        mark = " ".join(f"{x - r * math.sin(goal):.2f},{y - r * math.cos(goal):.2f}" for r in (DIAL - 3, DIAL))
        path = " ".join(f"{a:.2f},{b:.2f}" for a, b in self.planned.tolist())
        self.image.value = (
            f'<svg role="img" aria-label="pendulum, goal and plan" width="{SIDE}" viewBox="0 0 {SIZE} {SIZE}">'
            f'<image width="{SIZE}" height="{SIZE}" style="image-rendering:pixelated"'
            f' href="{png_url(self.pendulums.frames()[0])}"/><g fill="none" stroke="#0173b2">'
            f'<circle cx="{x}" cy="{y}" r="{DIAL}" stroke="#999" stroke-width=".3"/>'
            f'<polyline points="{mark}"/><polyline points="{path}" stroke-width=".6"/></g></svg>'
        )
