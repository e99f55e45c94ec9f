"""Why the learned velocity is late: networks that are trained side by side, and how the delay of one is judged."""

import numpy as np
import pytest
import torch

from pig_core.config import make_config
from pig_core.data import simulate
from pig_core.physics import Law
from pig_core.tasks import TASKS
from pig_core.training import OPTIMIZERS
from pig_lab.studies import late, stencils

SPRING = TASKS["spring_color"]


@pytest.mark.parametrize("way", ["constants known", "together"])
def test_networks_that_train_side_by_side_become_what_each_becomes_alone(way):
    """Against a plain loop with the recipe's optimiser."""
    how, first = late.WAYS[way], SPRING.input_steps
    exact = torch.from_numpy(simulate(SPRING, 40, SPRING.seen_steps, np.random.default_rng(0)).positions).float()
    positions = torch.stack([exact, exact + 0.1 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))])
    start, config = {"k": 3.0, "l": 5.0} if how.constants_known else None, make_config("spring_color", "paper")
    pupils = [late.Pupil(SPRING, config, start, seed) for _ in positions for seed in (1, 2)]
    late._train(pupils, how, config, positions, positions[:, :, first - 1], 8, way)
    alone, generator = late.Pupil(SPRING, config, start, seed=2), torch.Generator().manual_seed(2)
    wanted = [p for p in alone.parameters() if p.requires_grad]
    optimizer = OPTIMIZERS["rmsprop"]([{"params": wanted}], 6e-4)
    for step in range(8):
        optimizer.param_groups[0]["lr"] = 6e-4 if step < 6 else 1.2e-4
        seen = positions[1, torch.randint(40, (20,), generator=generator)]
        rollout, _ = alone.law.rollout(*alone.state(seen), SPRING.pred_steps)
        optimizer.zero_grad()
        (4 * (rollout - seen[:, first:]).square().mean()).backward()  # two discs, two coordinates
        torch.nn.utils.clip_grad_value_(wanted, 1.0)
        optimizer.step()
    for ours, theirs in zip(pupils[3].parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    before = late.Pupil(SPRING, config, start, seed=2)
    assert (pupils[3].law.values() == before.law.values()) == how.constants_known
    assert not torch.equal(pupils[3].velocity.mlp[0].weight, before.velocity.mlp[0].weight)


def test_a_network_that_is_told_velocities_learns_them(monkeypatch):
    monkeypatch.setattr(late, "WAYS", {"taught": late.WAYS["taught"]})
    monkeypatch.setattr(late, "SCENES", 400)
    monkeypatch.setattr(late, "FRESH", 100)
    short, longer = (late.late_velocity(SPRING, steps, noise=(0.0,), seeds=(0,))[0] for steps in (10, 1500))
    assert longer["error_rms"] < 0.4 * short["error_rms"]
    assert abs(longer["with_network"]["k"] / 4 - 1) < 0.2


def test_a_velocity_moves_what_it_predicts_as_free_motion_says():
    state = torch.rand(3, 2, 2), torch.rand(3, 2, 2)
    change = stencils.response(state, 3, Law(0.5, substeps=2)).unflatten(1, (3, 4))
    torch.testing.assert_close(
        change, (0.5 * torch.arange(1, 4)).view(3, 1, 1) * torch.eye(4).expand(3, 3, 4, 4).double()
    )


def test_linear_estimators_are_best_at_what_they_were_made_for(monkeypatch):
    """On fresh scenes: one has the smaller error of the velocity, the other predicts better, and is late."""
    monkeypatch.setattr(late, "SCENES", 1500)
    predicted = {}

    def judged(states, later, truth, task, law):
        rollout = law.rollout(*states, later.shape[1])[0]
        predicted[len(predicted)] = (rollout - later).square().mean().item()
        return late.judged(states, later, truth, task, law)

    monkeypatch.setattr(stencils, "judged", judged)
    found = stencils.stencils(SPRING, noise=(0.06,))
    taught, predicting = found["rows"]
    assert taught["error_rms"] < predicting["error_rms"]
    assert predicted[1] < predicted[0]
    assert predicting["lag"] > 2 * taught["lag"]
    assert found["cost"]["common"] == pytest.approx(2 * SPRING.dt**2 * sum(t * t for t in range(1, 7)) / 6, rel=1e-3)
