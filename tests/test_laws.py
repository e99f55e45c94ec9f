"""Laws beyond the paper's, written here in a few lines: simulated, fitted, learned and asked like the others."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pig_core import TASKS, Constant, Law, Run, Task, example_videos, make_config, simulate
from pig_core.build import build_model
from pig_core.config import task_of
from pig_core.data import data_path
from pig_core.physics import LAWS, Spring, directions
from pig_core.stages import dynamics_stage
from pig_core.state import ahead, fit_state
from pig_core.system import ConfigError, RunError, SimulationError
from pig_core.training import Session, run_stage
from pig_lab import best_possible
from pig_lab.estimate import estimate
from pig_lab.report import figures
from pig_lab.report.notebook import constants_table
from pig_lab.report.whatif import WhatIf, ask
from pig_lab.trained import Trained


class PushedSpring(Spring):
    """A damped spring, pushed from outside to the right: the velocity counts, an action counts, nothing goes back."""

    constants = {**Spring.constants, "c": Constant(unit="1/s"), "a": Constant(start=0.0, positive=False)}
    reversible = False
    n_actions = 1

    def acceleration(self, pos, vel, action=None):
        push = 0 if action is None else self.value("a") * action[:, None] * torch.tensor([1.0, 0.0], dtype=pos.dtype)
        return super().acceleration(pos, vel) - self.value("c") * vel + push


class Slippery(PushedSpring):
    """The same with half the friction."""

    def acceleration(self, pos, vel, action=None):
        return super().acceleration(pos, 0.5 * vel, action)


class Pendulum(Law):
    """A pendulum about the middle of the image: one inner coordinate, the angle from straight down."""

    constants = {"w": Constant(unit="1/s²")}
    dimensions = 1
    length = 9.0  # pixels

    def acceleration(self, pos, vel, action=None):
        return -self.value("w") * pos.sin()

    def pose(self, coordinates):
        return self.image_size / 2 + self.length * torch.cat([coordinates.sin(), coordinates.cos()], -1)

    def coordinates(self, positions):
        x, y = (positions - self.image_size / 2).split(1, -1)
        angle = torch.atan2(x, y)
        turns = torch.round(angle.diff(dim=1) / (2 * math.pi)).cumsum(1)  # whole turns between frames are none
        return torch.cat([angle[:, :1], angle[:, 1:] - 2 * math.pi * turns], 1)

    @classmethod
    def start(cls, task, rng, n):
        return rng.uniform(-2.5, 2.5, (n, 1, 1)), rng.uniform(-2, 2, (n, 1, 1))


PUSHED = replace(
    TASKS["spring_color"], name="pushed_spring", law=PushedSpring, truth={"k": 4.0, "l": 6.0, "c": 0.2, "a": -1.5}
)
PENDULUM = Task(
    name="pendulum", title="pendulum", law=Pendulum, truth={"w": 6.0}, n_objects=1, image_size=32, speed=0.0, dt=0.1
)
OWN = {"pushed": PUSHED, "pendulum": PENDULUM}
WORLDS = {**{name: next(t for t in TASKS.values() if t.law is law) for name, law in LAWS.items()}, **OWN}


def scenes_of(task, n=40, frames=10, substeps=5):
    """Positions, states and actions of the model's own physics with the true constants, float64."""
    scenes = simulate(task, n, frames, np.random.default_rng(0))
    physics = task.physics(substeps, task.truth).double()
    pos, vel = (torch.from_numpy(x[:, 0]) for x in scenes[:2])
    actions = None if scenes.actions is None else torch.from_numpy(scenes.actions)
    start = physics.coordinates(torch.from_numpy(scenes.positions))[:, 0] if task.law.dimensions != 2 else pos
    with torch.no_grad():
        path, speeds = physics.rollout(start, vel, frames - 1, actions)
    return torch.cat([start[:, None], path], 1), torch.cat([vel[:, None], speeds], 1), actions, physics


@pytest.mark.parametrize("name", WORLDS)
def test_a_law_is_simulated_inside_the_image_and_solves_its_equation(name):
    """Against fifty times finer steps from the same starts with the same actions."""
    task = WORLDS[name]
    positions, velocities, actions = simulate(task, 30, task.train_length, np.random.default_rng(1))
    assert positions.shape == (30, task.train_length, task.n_objects, 2)
    assert positions.min() >= 0
    assert positions.max() <= task.image_size
    assert (actions is None) == (task.law.n_actions == 0)
    fine = task.law(task.dt, 500, task.image_size, task.radius, task.truth).double()
    start = fine.coordinates(torch.from_numpy(positions))[:, 0]
    pushed = None if actions is None else torch.from_numpy(actions)
    with torch.no_grad():
        exact, _ = fine.rollout(start, torch.from_numpy(velocities[:, 0]), 6, pushed)
    assert (fine.pose(exact) - torch.from_numpy(positions[:, 1:7])).abs().max() < 0.5


@pytest.mark.parametrize("name", WORLDS)
def test_the_state_is_fitted_where_the_law_allows(name):
    """At frame L of a law that runs both ways, at frame 1 of one that does not; both give the state at frame L."""
    positions, velocities, actions, physics = scenes_of(WORLDS[name])
    at = 3 if physics.reversible else 0
    first = None if actions is None else actions[:, :3]
    step = positions[:, max(at, 1)] - positions[:, max(at, 1) - 1]
    with torch.no_grad():
        state = fit_state(positions[:, :4], at, (positions[:, at], step / physics.dt), physics, 6, first)
        state = state if physics.reversible else ahead(*state, 3, physics, first)
    good = (velocities.diff(dim=1)[:, :3].abs() < 6).flatten(1).all(1)  # a wall hit within four frames is ambiguous
    assert (state[0] - positions[:, 3])[good].abs().max() < 1e-3
    assert (state[1] - velocities[:, 3])[good].abs().max() < 1e-2
    if not physics.reversible:
        with pytest.raises(ValueError, match="cannot run backwards in time"):
            physics.rollout(*state, 1, backwards=True)


@pytest.mark.parametrize("name", ["spring", "gravity", *OWN])
def test_constants_of_every_law_are_measured_from_positions(name):
    positions, _, actions, physics = scenes_of(WORLDS[name], n=60)
    noise = 0.02 * torch.from_numpy(np.random.default_rng(2).standard_normal((60, 10, WORLDS[name].n_objects, 2)))
    start = {name: 0.8 * value for name, value in WORLDS[name].truth.items()}
    with torch.no_grad():
        found = estimate(physics.pose(positions) + noise, WORLDS[name], start, actions=actions)
    for constant, true in WORLDS[name].truth.items():
        assert found[constant].value == pytest.approx(true, abs=5 * found[constant].bootstrap)
        assert found[constant].laplace < 0.05 * abs(true)


@pytest.mark.parametrize("name", OWN)
def test_the_dynamics_stage_learns_a_law_of_ones_own(name, monkeypatch):
    """Only the encoder is left out: it is told the positions that it would have seen."""
    task = OWN[name]
    positions, _, actions, physics = scenes_of(task, n=300)
    seen = physics.pose(positions).float().detach()
    monkeypatch.setattr("pig_core.stages.encode_all", lambda model, color, frames: seen[: len(frames)])
    monkeypatch.setattr("pig_core.stages.DYNAMICS_BATCH", 48)
    config = make_config(task, dynamics_steps=150, physics_lr_scale=30.0)
    model = build_model(config, task)
    frames = torch.zeros(300, 10, 32, 32, 3, dtype=torch.uint8)
    stage = dynamics_stage(model, config, frames, None if actions is None else actions.float())
    run_stage(model, config, stage, Session())
    for constant, value in model.physics.values().items():
        assert value == pytest.approx(task.truth[constant], rel=0.02)


def test_a_law_with_velocity_and_action_runs_from_pixels_to_the_report(tiny, tmp_path):
    config = tiny(PUSHED, save_dir=str(tmp_path / "run"), epochs=1, batch_size=30)
    run = Run.start(config, PUSHED)
    run.train()
    metrics = run.evaluate()
    assert metrics["learned"].keys() == metrics["truth"].keys() == {"k", "l", "c", "a"}
    assert metrics["learned"]["a"] != 0  # it has begun to move from where it starts
    run.save()
    assert "<td>c</td>" in constants_table(metrics, PUSHED).data
    figures.curves(run.session.curves, PUSHED.truth)
    trained = Trained(config, PUSHED, run.model, 2)
    plain, calm = ask(trained, 0, WhatIf()), ask(trained, 0, WhatIf({"a": 0.0, "c": 0.5}))
    torch.testing.assert_close(plain.prediction, trained.evaluation.output.prediction[0], atol=1e-4, rtol=0)
    assert not torch.allclose(plain.rollout, calm.rollout)
    figures.loss_along_sliders(trained)


def test_an_inner_coordinate_runs_from_pixels_to_the_what_if(tiny, tmp_path):
    config = tiny(PENDULUM, save_dir=str(tmp_path / "run"))
    run = Run.start(config, PENDULUM)
    run.train()
    assert run.evaluate()["learned"].keys() == {"w"}
    positions = torch.from_numpy(run.evaluation.rollout)  # whatever was seen, physics puts it on its circle
    torch.testing.assert_close((positions - 16).norm(dim=-1), torch.full(positions.shape[:-1], 9.0), atol=1e-3, rtol=0)
    trained = Trained(config, PENDULUM, run.model, 2)
    assert ask(trained, 0, WhatIf({"w": 3.0}, speed=0.5)).prediction.shape == (26, 3, 32, 32)
    with pytest.raises(RunError, match="pendulum has inner coordinates: its velocities cannot be turned"):
        ask(trained, 0, WhatIf(turn=10.0))
    assert len(figures.loss_along_sliders(trained).axes) == 2


def test_the_best_possible_names_the_bias_of_few_substeps_for_any_law():
    biased, exact = (best_possible(PUSHED, substeps, n=60) for substeps in (5, 10))
    assert exact == pytest.approx(PUSHED.truth, rel=1e-3)
    assert abs(biased["c"] / 0.2 - 1) > 1e-3


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ConfigError, match="PushedSpring cannot run backwards in time: set velocity_type to fit"):
        make_config(PUSHED, velocity_type="mlp")
    with pytest.raises(ConfigError, match="cell_type lstm takes no actions, which pushed_spring has"):
        make_config(PUSHED, cell_type="lstm", velocity_type="mlp", backward_loss=0.0, start_prior=False)
    with pytest.raises(ConfigError, match=r"truth has 'c=-1'; pushed_spring allows .*c=<positive number>, a=<number>"):
        make_config(PUSHED, truth="c=-1")
    assert make_config(PUSHED, truth="a=-2").truth == "a=-2"
    with pytest.raises(ConfigError, match=r"lost needs true values of \['k', 'l'\], got \['k'\]"):
        replace(TASKS["spring_color"], name="lost", truth={"k": 4.0})
    with pytest.raises(ConfigError, match="lost needs an object or more and k above 0"):
        replace(TASKS["spring_color"], name="lost", truth={"k": -4.0, "l": 6.0})
    with pytest.raises(ConfigError, match="the task spring_color handed in is not spring_color: a task of your own"):
        make_config(replace(TASKS["spring_color"], dt=0.2))
    with pytest.raises(SimulationError, match="at most 4 objects, got 5"):
        example_videos(replace(TASKS["spring_color"], name="five", n_objects=5, image_size=64), 1)
    with pytest.raises(ConfigError, match="pushed_spring is not in the catalogue"):
        Run.start(make_config(PUSHED))


@pytest.mark.parametrize("truth", ["k=1e308", "k=1e-300", "l=1e308"])
def test_an_absurd_truth_ends_in_a_sentence_or_in_videos_within_seconds(truth):
    task = TASKS["spring_color"].with_truth(truth)
    try:
        assert np.isfinite(simulate(task, 100, task.test_length, np.random.default_rng(0)).positions).all()
    except SimulationError as error:
        assert "inside the image" in str(error) or "does not fit" in str(error)  # noqa: PT017


def test_every_form_of_a_task_has_a_data_file_of_its_own():
    spring = TASKS["spring_color"]
    own = replace(spring, name="own")
    forms = [spring, own, replace(own, n_objects=3), replace(own, speed=4.0), PUSHED, replace(PUSHED, law=Slippery)]
    names = [data_path(make_config(task), task, 12) for task in forms]
    assert len(set(names)) == len(forms)
    assert names[0].name == "color_spring_vx8_vy8_sl12_r2_k4_e6.npz"
    assert data_path(make_config(own), replace(own, title="Another title"), 12) == names[1]
    config = make_config("spring_color", truth="k=3")
    assert data_path(config, task_of(config), 12).name == "color_spring_vx8_vy8_sl12_r2_k3_e6.npz"


def test_a_law_written_in_a_notebook_and_changed_there_gets_videos_of_its_own():
    """Python finds no text of a class that was typed in: its code is what tells the laws apart."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    cell = """from dataclasses import replace
from pig_core import *
from pig_core.physics import Spring
from pig_core.data import data_path
class Own(Spring):
    reversible = False
    def acceleration(self, pos, vel, action=None):
        return super().acceleration(pos, vel) - {} * vel
task = replace(TASKS["spring_color"], name="own", law=Own)
path = data_path(make_config(task), task, 12)"""
    paths = []
    for friction in ("0.1", "0.2", "vel.norm(dim=-1, keepdim=True)", "0.1"):
        shell.run_cell(cell.format(friction)).raise_error()
        paths.append(shell.user_ns["path"])
    assert paths[0] == paths[3]
    assert len(set(paths)) == 3


def test_constants_keep_the_order_of_their_law():
    task = replace(TASKS["spring_color"], name="own", truth={"l": 6, "k": 4})
    assert list(task.truth) == ["k", "l"]
    assert best_possible(task, n=20) == best_possible(TASKS["spring_color"], n=20)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_springs_start_evenly_around_their_middle(k):
    task = replace(TASKS["spring_color"], n_objects=k, image_size=48)
    pos, vel = task.law.start(task, np.random.default_rng(0), 50)
    arms = pos - pos.mean(1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(arms, axis=-1).std(1), 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(vel, axis=-1), task.speed)
    assert directions(np.random.default_rng(0), 3, k).shape == (3, k, 2)
