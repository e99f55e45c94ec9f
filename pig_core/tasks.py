"""The five tasks of the paper: what moves, how it is filmed, what is true.

A task is a value of facts only, handed to whoever needs it; how it is learned lives in :mod:`pig_core.config`, how its
scenes start in its law. The true constants are used to make the data and to judge a run, never to train.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from .physics import Bouncing, Gravity, Law, Scene, Spring
from .system import ConfigError

RECONS_THRESHOLD = 1.5  # the authors' sign that the objects are found, the same for every task
LARGE_IMAGE = 40  # pixels; from this side on, images hold detailed objects and the authors' encoder is larger


@dataclass(frozen=True, kw_only=True)
class Task(Scene):
    """One kind of video. Lengths are in pixels, times in seconds, steps in frames."""

    name: str
    title: str  # for people
    law: type[Law]
    files: str = ""  # the authors' file name; {T} frames and one field per true constant
    input_steps: int = 4  # L: frames the velocity is estimated from
    pred_steps: int = 6  # P: frames predicted in training
    train_length: int = 12  # T of the training file
    test_length: int = 30  # T of the long test file
    dt: float = 0.3  # time between two frames
    half_pane: bool = False  # training shows the discs in the left half of the image only
    sprite: str = "disc"  # what an object looks like: key of pig_core.draw.SPRITES
    pred_threshold: float = 3.0  # the authors' sign that velocities and physics are learned

    def __post_init__(self) -> None:
        kinds = self.law.constants
        if self.truth.keys() != kinds.keys():
            raise ConfigError(f"{self.name} needs true values of {list(kinds)}, got {list(self.truth)}")
        object.__setattr__(self, "truth", {name: float(self.truth[name]) for name in kinds})  # in the law's order
        wrong = [n for n, v in self.truth.items() if not math.isfinite(v) or (kinds[n].positive and v <= 0)]
        if wrong or self.n_objects < 1:
            raise ConfigError(f"{self.name} needs an object or more and {', '.join(wrong) or 'constants'} above 0")

    @property
    def seen_steps(self) -> int:
        """Frames of a sequence that training looks at: L + P."""
        return self.input_steps + self.pred_steps

    def physics(self, substeps: int, values: Mapping[str, float] | None = None) -> Law:
        """The task's law between its frames, with ``substeps`` Euler steps each."""
        return self.law(self.dt, substeps, self.image_size, self.radius, values)

    def with_truth(self, text: str) -> Self:
        """The same task with other true constants, e.g. "k=2.5,l=7"; what is not named stays.

        Raises:
            ConfigError: for a constant that the law does not have, or a value that it cannot have.
        """
        truth, kinds = dict(self.truth), self.law.constants
        allowed = ", ".join(f"{name}=<{'positive ' * kind.positive}number>" for name, kind in kinds.items())
        for part in filter(None, text.replace(" ", "").split(",")):
            name, _, number = part.partition("=")
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if name not in kinds or not math.isfinite(value) or (kinds[name].positive and value <= 0):
                allowed = allowed or "nothing: the task has no parameters"
                raise ConfigError(f"truth has {part!r}; {self.name} allows {allowed}")
            truth[name] = value
        return replace(self, truth=truth)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="bouncing_balls", title="bouncing balls", law=Bouncing, truth={}, n_objects=2, image_size=32,
            speed=8.0, files="bouncing/color_bounce_vx8_vy8_sl{T}_r2.npz",
        ),
        Task(
            name="spring_color", title="spring", law=Spring, truth={"k": 4.0, "l": 6.0}, n_objects=2, image_size=32,
            speed=8.0, files="spring_color/color_spring_vx8_vy8_sl{T}_r2_k{k}_e{l}.npz",
        ),
        Task(
            name="spring_color_half", title="spring (half)", law=Spring, truth={"k": 4.0, "l": 6.0}, n_objects=2,
            image_size=32, speed=4.0, files="spring_color_half/color_spring_vx4_vy4_sl{T}_r2_k{k}_e{l}_halfpane.npz",
            half_pane=True,
        ),
        Task(
            name="mnist_spring_color", title="digits", law=Spring, truth={"k": 2.0, "l": 12.0}, n_objects=2,
            image_size=64, speed=8.0, files="mnist_spring_color/color_mnist_spring_vx8_vy8_sl{T}_r2_k{k}_e{l}.npz",
            input_steps=3, pred_steps=7, sprite="digit", reach=11.0, pred_threshold=30.0,
        ),
        Task(
            name="3bp_color", title="three bodies", law=Gravity, truth={"g": 60.0}, n_objects=3, image_size=36,
            speed=2.0, files="3bp_color/color_3bp_vx2_vy2_sl{T}_r2_g{g}_m1_dt05.npz",
            pred_steps=12, train_length=20, test_length=40, dt=0.5,
        ),
    )
}  # fmt: skip
