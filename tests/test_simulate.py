"""Simulated data keeps the rules of each task, and the simulator's truth is what was asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pig_core.data import simulate
from pig_core.physics import Gravity, Spring
from pig_core.system import SimulationError
from pig_core.tasks import TASKS


def paths(name, n=40, length=None, crossing=False, **truth):
    task = replace(TASKS[name], truth={**TASKS[name].truth, **truth})
    pos, vel, _ = simulate(task, n, length or task.test_length, np.random.default_rng(1), crossing)
    return task, pos, vel


@pytest.mark.parametrize("name", TASKS)
def test_objects_stay_inside_and_start_with_the_right_speed(name):
    task, pos, vel = paths(name)
    assert pos.shape == vel.shape == (40, task.test_length, task.n_objects, 2)
    assert pos.min() >= task.radius
    assert pos.max() <= task.image_size - task.radius
    if task.law is not Gravity:
        np.testing.assert_allclose(np.linalg.norm(vel[:, 0], axis=-1), task.speed)


def test_springs_start_between_half_and_one_and_a_half_rest_lengths():
    _, pos, _ = paths("spring_color", n=300, length=2)
    distance = np.linalg.norm(pos[:, 0, 0] - pos[:, 0, 1], axis=-1)
    assert distance.min() >= 6.0
    assert distance.max() <= 18.0
    assert distance.max() - distance.min() > 8


def test_three_bodies_turn_the_same_way_and_never_meet():
    task, pos, vel = paths("3bp_color", n=200, length=20)
    away = pos[:, 0] - task.image_size / 2
    turning = away[..., 0] * vel[:, 0, :, 1] - away[..., 1] * vel[:, 0, :, 0]
    sense = np.sign(turning.sum(1))
    assert 0.3 < (sense > 0).mean() < 0.7
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(pos[:, :, i] - pos[:, :, j], axis=-1).min() > 3.0


def test_half_pane_training_never_shows_the_right_half_but_the_test_does():
    task, pos, _ = paths("spring_color_half", length=task_length("spring_color_half"))
    seen = task.input_steps + task.pred_steps
    assert (pos[:, :seen, :, 0] + task.radius).max() <= 16.0
    _, pos, _ = paths("spring_color_half", n=20, crossing=True)
    assert (pos[:, :seen, :, 0] + task.radius).max() <= 16.0
    assert (pos[..., 0].max(axis=(1, 2)) - task.radius > 16.0).all()


def task_length(name):
    return TASKS[name].train_length


def test_the_path_solves_the_equation_of_motion_of_the_truth_asked_for():
    """Against a rollout with a hundred times finer steps, with another k and l than the task's."""
    task, pos, vel = paths("spring_color", n=10, length=12, k=2.5, l=7.0)
    fine = Spring(task.dt, 1000, values={"k": 2.5, "l": 7.0}).double()
    with torch.no_grad():
        exact, _ = fine.rollout(torch.from_numpy(pos[:, 0]), torch.from_numpy(vel[:, 0]), 11)
    # Ten Euler substeps of 0.03 s are close to, not equal to, the exact solution.
    assert np.abs(exact.numpy() - pos[:, 1:]).max() < 0.5
    wrong = Spring(task.dt, 1000, values={"k": 4.0, "l": 6.0}).double()
    with torch.no_grad():
        other, _ = wrong.rollout(torch.from_numpy(pos[:, 0]), torch.from_numpy(vel[:, 0]), 11)
    assert np.abs(other.numpy() - pos[:, 1:]).max() > 3


def test_a_spring_that_does_not_fit_is_refused():
    with pytest.raises(SimulationError, match="does not fit into an image of 32 pixels: l must be below 14"):
        paths("spring_color", l=20.0)
