"""The prior of the scenes' starts: learned from positions alone, it must find a rule that nobody told it."""

import numpy as np
import pytest
import torch

from pig_core.corrections import StartPrior
from pig_core.data import simulate
from pig_core.physics import Gravity
from pig_core.state import fit_state
from pig_core.tasks import TASKS

TASK = TASKS["3bp_color"]
L, P = TASK.input_steps, TASK.pred_steps


@pytest.fixture(scope="module")
def scenes():
    """Noisy positions of three bodies as the encoder sees them, exact states at frame L, and the physics."""
    rng = np.random.default_rng(0)
    pos, vel, _ = simulate(TASK, 1500, L + P, rng)
    noisy = torch.tensor(pos + rng.uniform(-0.05, 0.05, pos.shape), dtype=torch.float32)
    truth = torch.tensor(np.stack([pos[:, L - 1], vel[:, L - 1] * TASK.dt], 1), dtype=torch.float32)
    return noisy, truth, Gravity(TASK.dt, 10, TASK.image_size, TASK.radius, {"g": 60.0})


@torch.no_grad()
def estimate(positions, physics):
    guess = positions[:, L - 1], (positions[:, L - 1] - positions[:, L - 2]) / TASK.dt
    return fit_state(positions[:, :L], L - 1, guess, physics)


def rms(state, truth):
    return (torch.stack([state[0], state[1] * TASK.dt], 1) - truth).square().mean().sqrt().item()


def test_it_sharpens_states_of_scenes_it_has_not_seen(scenes):
    noisy, truth, physics = scenes
    prior = StartPrior(L, TASK.n_objects)
    seen, new = noisy[:1200], noisy[1200:]
    before = estimate(new, physics)
    torch.testing.assert_close(prior(*before, physics), before, atol=2e-3, rtol=0)  # untrained, it changes nothing
    prior.learn(seen, *estimate(seen, physics), physics)
    assert rms(prior(*before, physics), truth[1200:]) < 0.8 * rms(before, truth[1200:])


def test_starts_without_a_rule_are_left_alone(scenes):
    """Scenes that begin anywhere have nothing in common: the regression must find that no correction is best."""
    physics = scenes[2]
    generator = torch.Generator().manual_seed(1)
    angle = torch.rand(400, 3, generator=generator) + torch.arange(3) * 2 * torch.pi / 3
    start = 18 + torch.stack([angle.cos(), angle.sin()], -1) * (8 + 3 * torch.rand(400, 3, 1, generator=generator))
    speed = 2 * torch.randn(400, 3, 2, generator=generator)
    with torch.no_grad():
        path, speeds = physics.rollout(start, speed, L + P)
        noisy = path + 0.1 * torch.rand(path.shape, generator=generator) - 0.05
        truth = torch.stack([path[:, L - 1], speeds[:, L - 1] * TASK.dt], 1)
        prior = StartPrior(L, TASK.n_objects)
        prior.learn(noisy[:300], *estimate(noisy[:300], physics), physics)
        before = estimate(noisy[300:], physics)
        assert rms(prior(*before, physics), truth[300:]) < 1.05 * rms(before, truth[300:])


def test_hopeless_positions_teach_nothing(scenes):
    physics = scenes[2]
    prior = StartPrior(L, TASK.n_objects)
    broken = torch.full((5, L + P, 3, 2), torch.nan)
    prior.learn(broken, broken[:, 0], broken[:, 0], physics)
    assert not prior.weight.any()


def test_far_from_all_training_scenes_the_correction_stays_bounded(scenes):
    noisy, _, physics = scenes
    prior = StartPrior(L, TASK.n_objects)
    prior.learn(noisy[:600], *estimate(noisy[:600], physics), physics)
    far = torch.tensor([[[100.0, 0], [0, 100], [-100, 0]]]), torch.zeros(1, 3, 2)
    moved = prior(*far, physics)
    assert (moved[0] - far[0]).abs().max() < 5
