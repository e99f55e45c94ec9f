"""The pendulum: against gymnasium's steps, rewards and frames, from films to plans, and results on disk."""

import json
import math
import re
import sys

import numpy as np
import pytest
import torch

from pig_core.__main__ import main
from pig_core.build import build_model
from pig_core.state import FittedVelocity
from pig_core.system import ConfigError
from pig_lab.control import experiment, learn
from pig_lab.control.cockpit import Cockpit
from pig_lab.control.episodes import TrueState, estimate_gravity, play
from pig_lab.control.experiment import BlackBoxPendulum, true_model
from pig_lab.control.law import MAX_SPEED, PENDULUM, Pendulums, shrink
from pig_lab.control.planner import Planner

from .conftest import figures_in
from .test_notebooks import ROOT, papermill, read

SMALL = Planner(horizon=5, candidates=20, rounds=2, elites=4)


def circle(law, pivot=(32.0, 32.0), arm=7.3):
    """A law whose circle, pixels, is known."""
    law.pivot, law.arm = torch.tensor(pivot), torch.tensor(arm)
    return law


def test_the_law_is_the_environments_with_its_speed_limit():
    rng, pendulums = np.random.default_rng(0), Pendulums(20)
    pendulums.put(np.stack([rng.uniform(-3, 3, 20), rng.uniform(-8, 8, 20)], 1))
    states, torques = [pendulums.states], rng.uniform(-2, 2, (20, 60)).astype(np.float32)
    for t in range(60):
        pendulums.step(torques[:, t])
        states.append(pendulums.states)
    states = torch.from_numpy(np.stack(states, 1))
    assert states[..., 1].abs().max() == MAX_SPEED
    start, law = states[:, 0, None, None], true_model().double()  # (20, 1, 1, 2)
    path, speeds = law.rollout(start[..., 0], start[..., 1], 60, torch.from_numpy(torques)[..., None].double())
    torch.testing.assert_close(torch.cat([path, speeds], -1)[:, :, 0], states[:, 1:], atol=1e-4, rtol=0)


def test_the_pivot_is_found_wherever_it_is_and_angles_come_back():
    law, other = circle(PENDULUM.physics(1), (20.0, 41.5), 9.0), PENDULUM.physics(1)
    rng, angle = np.random.default_rng(0), torch.rand(200, 14, 1, 1) * 6 - 3
    positions = law.pose(angle)
    noise = torch.from_numpy(0.03 * rng.standard_normal(positions.shape)).float()
    noise[:3] = 12.0  # outliers
    other.settle(positions + noise)
    torch.testing.assert_close(other.pivot, law.pivot, atol=0.01, rtol=0)
    assert other.arm.item() == pytest.approx(9.0, abs=0.01)
    found = law.coordinates(positions)
    assert found.diff(dim=1).abs().max() <= math.pi + 1e-4
    torch.testing.assert_close(found.sin(), angle.sin(), atol=1e-4, rtol=0)
    torch.testing.assert_close(law.placed(positions), torch.cat([positions, found], -1))


def test_frames_are_the_renderers_area_average_and_the_arrow_can_be_left_out():
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    assert np.abs(shrink(noise) - noise.reshape(64, 2, 64, 2, 3).mean((1, 3))).max() <= 0.51
    uneven = np.zeros((500, 500, 3), np.uint8)
    uneven[:125] = 255  # 16 of 64 rows
    assert (shrink(uneven) == np.repeat([255, 0], [16, 48])[:, None, None]).all()
    with_arrow, without = both = Pendulums(2), Pendulums(2, arrow=False)
    for pendulums in both:
        pendulums.put(np.array([[0.5, 0], [2.0, 1.0]]))
    np.testing.assert_array_equal(with_arrow.frames(), without.frames())  # before the first torque
    for pendulums in both:
        pendulums.step(np.array([2.0, -2.0]))
    whole = shrink(with_arrow.environments[0].unwrapped.render())  # no part is assumed to be white
    np.testing.assert_array_equal(with_arrow.frames()[0], whole)
    off = np.argwhere((with_arrow.frames() != without.frames()).any(-1))[:, 1:]
    assert len(off) > 20
    assert np.abs(off - 31.5).max() < 9  # around the axle


def test_the_planner_holds_a_goal_and_does_not_depend_on_other_episodes():
    together = play(Pendulums(2), [0, 6], TrueState(true_model()), Planner(), degrees=20, steps=130)
    assert together.held.all()  # within 5 degrees over the last 50 frames, with 85 % of the torque
    alone = play(Pendulums(1), [6], TrueState(true_model()), Planner(), degrees=20, steps=10)
    np.testing.assert_allclose(alone.torques[0], together.torques[1, :10], atol=1e-4)
    assert (together.torques[:, :3] == 0).all()


def test_rewards_are_the_environments():
    episodes, again = play(Pendulums(2), [3, 4], TrueState(true_model()), SMALL, steps=6), Pendulums(2)
    np.testing.assert_allclose(episodes.states[:, 0], again.reset([3, 4]))
    rewards = [again.step(episodes.torques[:, t]) for t in range(6)]
    np.testing.assert_allclose(episodes.rewards, np.stack(rewards, 1), atol=1e-5)
    assert np.abs(episodes.torques).max() > 0.01


def test_a_later_law_changes_the_plans_from_then_on():
    def torques(first: float, later: float | None = None) -> np.ndarray:
        driver = TrueState(true_model(first), later and true_model(later), after=6)
        return play(Pendulums(2, 15.0), [0, 1], driver, SMALL, steps=8).torques

    late, never, always = torques(10.0, 15.0), torques(10.0), torques(15.0)
    np.testing.assert_array_equal(late[:, :5], never[:, :5])
    assert not np.allclose(late[:, 5:], never[:, 5:])
    assert not np.allclose(late[:, 3:5], always[:, 3:5])


def test_a_state_near_the_speed_limit_is_estimated():
    """The differences of positions lie beyond the limit there, where another guess of the speed changes nothing."""
    law, angles = true_model(15.0), torch.linspace(1.8, 2.6, 50)
    path, speeds = law.rollout(angles[:, None, None], torch.full((50, 1, 1), 6.8), 3)
    assert (speeds.amax(1) > 7.5).all()
    seen = torch.cat([angles[:, None, None, None], path], 1)
    position, velocity = FittedVelocity(4, 1, law.dt, 1)(seen, law, torch.zeros(50, 3, 1))
    torch.testing.assert_close(position, path[:, -1], rtol=0, atol=2e-3)
    torch.testing.assert_close(velocity, speeds[:, -1], rtol=0, atol=2e-2)


@pytest.mark.parametrize("gravity", [5.0, 15.0])
def test_another_gravity_is_estimated_from_twenty_frames(gravity):
    rng, law = np.random.default_rng(0), circle(true_model(gravity))
    start = torch.from_numpy(rng.uniform(-2, 2, (8, 2))).float()
    torques = torch.from_numpy(rng.uniform(-2, 2, (8, 19, 1))).float()
    path, _ = law.given().rollout(start[:, :1, None], start[:, 1:, None], 19, torques)
    positions = law.pose(torch.cat([start[:, None, :1, None], path], 1))
    found = estimate_gravity(law.given(g=10.0), positions, torques)
    torch.testing.assert_close(found, torch.full((8,), gravity), rtol=0.02, atol=0)
    upright = law.pose(torch.zeros(1, 8, 1, 1))  # at rest: no information on gravity
    kept = estimate_gravity(law.given(g=10.0), upright, torch.zeros(1, 7, 1))
    torch.testing.assert_close(kept, torch.tensor([10.0]), rtol=0.02, atol=0)


def test_a_black_box_in_pixels_gives_angles_and_speeds_and_uses_torques():
    law, dt = circle(PENDULUM.physics(1), (30.0, 33.0)), 1e-3
    box = BlackBoxPendulum(law.pivot, law.arm)
    angle, speed = torch.linspace(-3, 3, 9)[:, None, None, None], torch.linspace(-8, 8, 9)[:, None, None, None]
    here = law.pose(angle)
    velocity = (law.pose(angle + speed * dt) - law.pose(angle - speed * dt)) / (2 * dt)
    torch.testing.assert_close(box.angles(here), angle[..., 0, 0])
    torch.testing.assert_close(box.speeds(here, velocity), speed[..., 0, 0], atol=0.01, rtol=0)
    still, pushed = (box.rollout(here[:, 0], velocity[:, 0], 3, torch.full((9, 3, 1), u))[0] for u in (0.0, 1.0))
    assert (pushed - still).abs().amax((1, 2, 3)).min() > 1e-4


def test_interrupted_filming_continues_and_the_first_sequences_stay_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(learn, "PART", 2)
    whole = learn.film(4, 5, "train", folder=tmp_path)
    first, last = sorted(tmp_path.iterdir())
    last.unlink()
    written = first.stat().st_mtime_ns
    again = learn.film(3, 5, "train", folder=tmp_path)
    assert first.stat().st_mtime_ns == written
    for name, array in again.items():
        np.testing.assert_array_equal(array, whole[name][:3])
    assert np.abs(again["actions"]).max() <= 2
    assert not np.array_equal(learn.film(2, 5, "valid", folder=tmp_path)["actions"], whole["actions"][:2])


@pytest.fixture
def model():
    untrained = build_model(learn.pendulum_config(), PENDULUM).eval()
    circle(untrained.physics)
    return untrained


def test_the_cockpit_obeys_its_sliders(model):
    cockpit = Cockpit(model)
    images = [cockpit.image.value]
    cockpit.gravity.value = 5.0
    for tick in range(1, 5):
        cockpit.play.value = tick
    images.append(cockpit.image.value)
    cockpit.goal.value = 90  # its mark moves even while the pendulum stands still
    assert len({*images, cockpit.image.value}) == 3
    assert cockpit.driver.physics.values()["g"] == pytest.approx(5.0)
    assert cockpit.pendulums.environments[0].unwrapped.g == 5.0
    assert 'aria-label="pendulum, goal and plan"' in cockpit.show().data


def test_every_row_is_measured_once_and_an_interruption_loses_nothing(model, tmp_path, monkeypatch):
    names = "seed truth parameter_error recons_loss pred_loss train_seconds steps config device"
    trained = dict.fromkeys(names.split(), 0) | {"learned": {"g": 9.9}, "versions": {}, "commit": "c"}
    played = []

    def short(pendulums, resets, driver, planner, degrees=0.0, steps=0):
        played.append(degrees)
        if len(played) == 6:
            raise KeyboardInterrupt
        return play(pendulums, resets, driver, SMALL, degrees, steps=8)

    def measured(**options):
        given = {"resets": 2, "others": 1, "counts": "5", "boxes": "5", "save_dir": str(tmp_path), **options}
        return json.loads(experiment.run_experiment(experiment.Options(**given)).read_text())

    small = {
        "HOLDABLE": (0,), "TOO_STEEP": (60,), "CHANGED": (5.0,), "WEIGH_AFTER": 6, "HELD_OUT": 2, "STEPS": 2,
        "EVERY": 1, "play": short, "learn": lambda *which: (model, trained), "runs_folder": lambda: tmp_path,
        "film": lambda *which: learn.film(*which, folder=tmp_path / "films"),
    }  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(experiment, name, value)
    with pytest.raises(KeyboardInterrupt):
        measured()
    first = json.loads((tmp_path / "s0.json").read_text())
    result = measured()
    assert (first["episodes"], first["goals"]) == (result["episodes"], {"0": result["goals"]["0"]})
    assert result["goals"].keys() == {"0", "60"}
    assert len(result["gravity"]["5 weighed"]["estimated"]) == 1
    count = len(played)
    assert measured(parts="goals")["gravity"] == result["gravity"]
    oracle = experiment.reference(range(1), 60)
    assert len(played) == count  # every row and every oracle was stored
    row = experiment.compared(oracle, oracle)
    assert row["relative"] == row["missed"] == 0
    assert row["return_true_model"] == pytest.approx(oracle.rewards.sum(1).mean())
    assert "episodes" not in measured(others=2, parts="goals")  # on other episodes nothing is reused


@pytest.mark.parametrize("missing", ["gymnasium", "pygame"])
def test_a_missing_library_is_one_sentence(missing, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["control"]) == 2
    error = capsys.readouterr().err
    assert f"the pendulum needs {missing}, which is not installed: python -m pip install -e '.[control]'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sequences", "3"], "sequences must be a whole number of at least 5, got 3"),
        (["--counts", "50,few"], "counts must be whole numbers of at least 5 with commas between, got '50,few'"),
        (["--parts", "episode"], "there is no part 'episode'; allowed: episodes, "),
    ],
)
def test_wrong_options_are_one_sentence(arguments, says, capsys):
    assert main(["control", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_wrong_goals_gravities_and_horizons_are_refused():
    for goal in (math.nan, "up", True, math.inf):
        with pytest.raises(ConfigError, match="goal must be a number of degrees from upright"):
            play(Pendulums(1), [0], TrueState(true_model()), SMALL, degrees=goal, steps=1)
    for value in (0.0, -3.0, math.nan, math.inf, "heavy"):
        with pytest.raises(ConfigError, match="gravity must be a number above 0"):
            Pendulums(1, value)
    with pytest.raises(ConfigError, match="number of episodes must be a whole number of at least 1, got 0"):
        Pendulums(0)
    with pytest.raises(ConfigError, match="horizon must be a whole number of at least 1, got 0"):
        Planner(horizon=0)
    with pytest.raises(ConfigError, match="elites must be at most candidates, 200, got 300"):
        Planner(elites=300)


def test_committed_results_have_a_commit_and_their_mean():
    for result in experiment.load():
        assert re.fullmatch(r"[0-9a-f]{40}", result["commit"]), "made from a checkout with changes"
        assert result["return_pixels"] == pytest.approx(np.mean(result["episodes"]["returns_pixels"]), abs=0.01)


def test_the_notebook_runs_in_any_folder_and_its_training_is_opened_again(tmp_path, capsys):
    notebook, kept = ROOT / "notebooks" / "control.ipynb", tmp_path / "kept"
    options = {"sequences": 5, "n_eval": 2, "steps": 2, "resets": 1, "frames": 8, "folder": kept}
    arguments = [x for name, value in options.items() for x in ("-p", name, str(value))]
    done = papermill(tmp_path / "out.ipynb", *arguments, cwd=tmp_path, notebook=notebook)
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [o for c in read(tmp_path / "out.ipynb").cells for o in c.get("outputs", [])]
    assert figures_in(outputs) >= 3
    assert any("pig-player" in o.get("data", {}).get("text/html", "") for o in outputs)
    assert not [o for o in outputs if o.output_type == "stream" and "Warning" in o["text"]]
    assert {p.name for p in tmp_path.iterdir()} == {"out.ipynb", "kept"}
    model, metrics = learn.learn(0, 5, folder=kept, n_eval=2)
    assert metrics["steps"]["dynamics"] == 2
    assert "dynamics" not in capsys.readouterr().out  # not trained again
    assert model.physics.arm > 1  # its circle was fitted
