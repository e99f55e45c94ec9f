"""The five tasks of the paper: what moves, how it is filmed, what is true.

A task is facts only; how it is learned lives in :mod:`pig_core.config`, how it is simulated in
:mod:`pig_core.data.simulate`. The true parameters are used to make the data and to judge a run, never to train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Task:
    """One of the paper's data sets. Lengths are in pixels, times in seconds, steps in frames."""

    name: str  # as it is called on the command line and in file names
    title: str  # as figures and tables call it
    n_objects: int
    image_size: int
    physics: str  # key of pig_core.physics.PHYSICS
    truth: Mapping[str, float]  # true physical parameters, e.g. {"k": 4.0, "l": 6.0}
    speed: float  # initial speed of each object
    files: str  # authors' file name; {T} frames and one field per true parameter
    input_steps: int = 4  # L: frames the velocity is estimated from
    pred_steps: int = 6  # P: frames predicted in training
    train_length: int = 12  # T of the training file
    test_length: int = 30  # T of the long test file
    dt: float = 0.3  # time between two frames
    radius: float = 2.0  # of a disc; walls are this far from the centres
    half_pane: bool = False  # training shows the discs in the left half of the image only
    sprite: str = "disc"  # what an object looks like: key of pig_core.render.SPRITES
    pred_threshold: float = 3.0  # the authors' sign that velocities and physics are learned


# The authors' sign that the objects are discovered, the same for every task.
RECONS_THRESHOLD = 1.5


def _truth(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


TASKS: dict[str, Task] = {
    "bouncing_balls": Task(
        name="bouncing_balls", title="bouncing balls",
        n_objects=2, image_size=32, physics="bouncing", truth=_truth(), speed=8.0,
        files="bouncing/color_bounce_vx8_vy8_sl{T}_r2.npz",
    ),
    "spring_color": Task(
        name="spring_color", title="spring",
        n_objects=2, image_size=32, physics="spring", truth=_truth(k=4.0, l=6.0), speed=8.0,
        files="spring_color/color_spring_vx8_vy8_sl{T}_r2_k{k}_e{l}.npz",
    ),
    "spring_color_half": Task(
        name="spring_color_half", title="spring, half",
        n_objects=2, image_size=32, physics="spring", truth=_truth(k=4.0, l=6.0), speed=4.0,
        files="spring_color_half/color_spring_vx4_vy4_sl{T}_r2_k{k}_e{l}_halfpane.npz",
        half_pane=True,
    ),
    "mnist_spring_color": Task(
        name="mnist_spring_color", title="digits",
        n_objects=2, image_size=64, physics="spring", truth=_truth(k=2.0, l=12.0), speed=8.0,
        files="mnist_spring_color/color_mnist_spring_vx8_vy8_sl{T}_r2_k{k}_e{l}.npz",
        input_steps=3, pred_steps=7, sprite="digit", pred_threshold=30.0,
    ),
    "3bp_color": Task(
        name="3bp_color", title="three bodies",
        n_objects=3, image_size=36, physics="gravity", truth=_truth(g=60.0), speed=2.0,
        files="3bp_color/color_3bp_vx2_vy2_sl{T}_r2_g{g}_m1_dt05.npz",
        pred_steps=12, train_length=20, test_length=40, dt=0.5,
    ),
}  # fmt: skip
