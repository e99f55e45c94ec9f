"""The pendulum: against gymnasium's own steps, rewards and pictures, and from pixels to a plan."""

import json
import math
import re
import shutil
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from pig_core.__main__ import main
from pig_core.common.errors import ConfigError, RunError
from pig_core.control import blackbox, collect, experiment, measures
from pig_core.control.blackbox import BlackBoxPendulum
from pig_core.control.environment import MAX_SPEED, Pendulums, gymnasium, shrink
from pig_core.control.episodes import Pixels, TrueState, estimate_gravity, play
from pig_core.control.learn import LIKE_THE_PAPER, learn, pendulum_config
from pig_core.control.live import Cockpit
from pig_core.control.measures import true_model
from pig_core.control.pendulum import PENDULUM
from pig_core.control.planner import Planner
from pig_core.decoder import TemplateDecoder
from pig_core.parts.dynamics import InteractionNetwork
from pig_core.parts.turning import TurningDecoder
from pig_core.state import FittedVelocity
from pig_core.studies import claims

from .conftest import figures_in
from .test_notebooks import ROOT, papermill, read

NOTEBOOK = ROOT / "notebooks" / "control.ipynb"
RESULTS = sorted((ROOT / "reports" / "results" / "control").glob("s*.json"))
SMALL = Planner(horizon=5, candidates=20, rounds=2, elites=4)


@pytest.mark.parametrize("coordinates", ["exact", "released"])
@pytest.mark.parametrize("edge", ["taper", "cut"])
def test_a_template_that_is_not_turned_is_drawn_as_before_and_a_quarter_turn_is_exact(coordinates, edge):
    torch.manual_seed(0)
    turning, plain = (kind(2, 3, 16, coordinates, edge) for kind in (TurningDecoder, TemplateDecoder))
    plain.load_state_dict(turning.state_dict())
    with torch.no_grad():
        places = torch.rand(5, 2, 2) * 16
        straight = torch.cat([places, torch.zeros(5, 2, 1)], -1)
        torch.testing.assert_close(turning(straight), plain(places), atol=1e-6, rtol=0)
        torch.testing.assert_close(turning(places), plain(places))
        middle = torch.tensor([[[8.0, 8.0, 0.0]] * 2])
        quarter = torch.tensor([[[8.0, 8.0, math.pi / 2]] * 2])
        if coordinates == "exact":  # as released the middle of the image is no one's middle
            turned = turning.objects(middle)[1].rot90(1, (-2, -1))
            torch.testing.assert_close(turning.objects(quarter)[1], turned, atol=1e-5, rtol=0)


def test_a_turned_template_moves_with_its_position_pixel_by_pixel():
    torch.manual_seed(0)
    decoder = TurningDecoder(1, 3, 32, "exact", "taper")
    with torch.no_grad():
        here, there = (decoder.objects(torch.tensor([[[x, 14.3, 0.7]]]))[1] for x in (12.6, 17.6))
        torch.testing.assert_close(there[..., 5:], here[..., :-5], atol=1e-4, rtol=0)


def test_the_law_is_the_environments_with_its_limit_of_speed():
    rng, pendulums = np.random.default_rng(0), Pendulums(20)
    pendulums.put(np.stack([rng.uniform(-3, 3, 20), rng.uniform(-8, 8, 20)], 1))
    states, torques = [pendulums.states], rng.uniform(-2, 2, (20, 60)).astype(np.float32)
    for t in range(60):
        pendulums.step(torques[:, t])
        states.append(pendulums.states)
    states = np.stack(states, 1)
    assert np.abs(states[..., 1]).max() == MAX_SPEED
    start = torch.from_numpy(states[:, 0])
    with torch.no_grad():
        law = true_model().double()
        path, speeds = law.rollout(
            start[:, :1, None], start[:, 1:, None], 60, torch.from_numpy(torques)[..., None].double()
        )
    np.testing.assert_allclose(path[..., 0, 0], states[:, 1:, 0], atol=1e-4)
    np.testing.assert_allclose(speeds[..., 0, 0], states[:, 1:, 1], atol=1e-4)


def test_the_pivot_is_found_wherever_it_is_and_angles_come_back():
    law = PENDULUM.physics(1)
    rng, angle = np.random.default_rng(0), torch.rand(200, 14, 1, 1) * 6 - 3
    law.pivot.copy_(torch.tensor([20.0, 41.5]))
    law.arm.fill_(9.0)
    positions = law.pose(angle)
    other = PENDULUM.physics(1)
    noise = torch.from_numpy(0.03 * rng.standard_normal(positions.shape)).float()
    noise[:3] = 12.0  # the encoder was wrong there
    other.settle(positions + noise)
    torch.testing.assert_close(other.pivot, law.pivot, atol=0.01, rtol=0)
    assert other.arm.item() == pytest.approx(9.0, abs=0.01)
    found = law.coordinates(positions)
    assert found.diff(dim=1).abs().max() <= math.pi + 1e-4
    torch.testing.assert_close(found.sin(), angle.sin(), atol=1e-4, rtol=0)
    torch.testing.assert_close(law.placed(positions), torch.cat([positions, found], -1))


def test_the_picture_is_the_renderers_area_average_and_the_arrow_can_be_left_out():
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    exact = noise.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(shrink(noise) - exact).max() <= 0.51
    uneven = np.zeros((500, 500, 3), np.uint8)
    uneven[:125] = 255  # 16 of 64 rows
    assert (shrink(uneven)[:16] == 255).all()
    assert (shrink(uneven)[16:] == 0).all()
    with_arrow, without = Pendulums(2), Pendulums(2, arrow=False)
    for pendulums in (with_arrow, without):
        pendulums.put(np.array([[0.5, 0], [2.0, 1.0]]))
    np.testing.assert_array_equal(with_arrow.frames(), without.frames())  # before the first torque
    for pendulums in (with_arrow, without):
        pendulums.step(np.array([2.0, -2.0]))
    whole = shrink(with_arrow.environments[0].unwrapped.render())  # with nothing taken for white
    np.testing.assert_array_equal(with_arrow.frames()[0], whole)
    fresh = gymnasium().make("Pendulum-v1", render_mode="rgb_array")  # with the renderer as it comes
    fresh.reset()
    fresh.unwrapped.state, fresh.unwrapped.last_u = with_arrow.states[0], 2.0
    np.testing.assert_array_equal(whole, shrink(fresh.render()))
    off = np.argwhere((with_arrow.frames() != without.frames()).any(-1))[:, 1:]
    assert len(off) > 20
    assert np.abs(off - 31.5).max() < 9  # around the axle


def test_the_planner_holds_a_goal_beside_the_top_whoever_is_planned_for_beside():
    together = play(Pendulums(2), [0, 6], TrueState(true_model()), Planner(), degrees=20, steps=130)
    assert together.held.all()  # within 5 degrees over the last 50 frames, with 85 % of the torque
    alone = play(Pendulums(1), [6], TrueState(true_model()), Planner(), degrees=20, steps=10)
    np.testing.assert_allclose(alone.torques[0], together.torques[1, :10], atol=1e-4)
    assert (together.torques[:, :3] == 0).all()
    random = play(Pendulums(1), [6], TrueState(true_model()), None, degrees=20, steps=130)
    assert random.returns[0] < 5 * together.returns[1]


def test_rewards_are_the_environments():
    pendulums = Pendulums(2)
    states = pendulums.reset([3, 4])
    wanted = [pendulums.step(torque) for torque in np.array([[1.5, -2.0], [0.1, 0.2]], np.float32)]
    episodes = play(pendulums, [3, 4], TrueState(true_model()), None, steps=2)
    np.testing.assert_allclose(episodes.states[:, 0], states)
    again = Pendulums(2)
    again.reset([3, 4])
    got = [again.step(episodes.torques[:, t]) for t in range(2)]
    np.testing.assert_allclose(episodes.rewards, np.stack(got, 1), atol=1e-5)
    assert not np.allclose(got, wanted)


def test_what_is_told_late_changes_the_plans_from_then_on():
    def torques(first: float, later: float | None) -> np.ndarray:
        driver = TrueState(true_model(first), later=later and true_model(later), after=6)
        return play(Pendulums(2, 15.0), [0, 1], driver, SMALL, steps=8).torques

    late, never, always = torques(10.0, 15.0), torques(10.0, None), torques(15.0, None)
    np.testing.assert_array_equal(late[:, :5], never[:, :5])
    assert not np.allclose(late[:, 5:], never[:, 5:])
    assert not np.allclose(late[:, 3:5], always[:, 3:5])


def test_a_state_beside_the_limit_of_the_speed_is_estimated():
    """The differences of positions lie beyond the limit there, where another guess of the speed changes nothing."""
    law, angles = true_model(15.0), torch.linspace(1.8, 2.6, 50)
    path, speeds = law.rollout(angles[:, None, None], torch.full((50, 1, 1), 6.8), 3)
    assert (speeds.amax(1) > 7.5).all()
    seen = torch.cat([angles[:, None, None, None], path], 1)
    position, velocity = FittedVelocity(4, 1, law.dt, 1)(seen, law, torch.zeros(50, 3, 1))
    torch.testing.assert_close(position, path[:, -1], rtol=0, atol=2e-3)
    torch.testing.assert_close(velocity, speeds[:, -1], rtol=0, atol=2e-2)


@pytest.mark.parametrize("gravity", [5.0, 15.0])
def test_another_gravity_is_weighed_from_twenty_frames(gravity):
    rng, law = np.random.default_rng(0), true_model(gravity)
    law.pivot.fill_(32.0)
    law.arm.fill_(8.0)
    start = torch.from_numpy(rng.uniform(-2, 2, (8, 2))).float()
    torques = torch.from_numpy(rng.uniform(-2, 2, (8, 19, 1))).float()
    with torch.no_grad():
        path, _ = law.rollout(start[:, :1, None], start[:, 1:, None], 19, torques)
    positions = law.pose(torch.cat([start[:, None, :1, None], path], 1))
    found = estimate_gravity(law.given(g=10.0), positions, torques)
    torch.testing.assert_close(found, torch.full((8,), gravity), rtol=0.02, atol=0)
    upright = law.pose(torch.zeros(1, 8, 1, 1))  # at rest: nothing speaks against what was believed
    kept = estimate_gravity(law.given(g=10.0), upright, torch.zeros(1, 7, 1))
    torch.testing.assert_close(kept, torch.tensor([10.0]), rtol=0.02, atol=0)
    each = law.given(g=found[:, None, None])
    plan = SMALL.start(range(8)).step(path[:, -1], path[:, -1], each, torch.zeros(8))
    assert plan.torques.shape == (8, 5, 1)


def test_a_black_box_in_pixels_tells_angles_and_speeds_and_knows_torques():
    law = PENDULUM.physics(1)
    law.pivot.copy_(torch.tensor([30.0, 33.0]))
    law.arm.fill_(7.0)
    box, dt = BlackBoxPendulum(law.pivot, law.arm), 1e-3
    angle, speed = torch.linspace(-3, 3, 9)[:, None, None, None], torch.linspace(-8, 8, 9)[:, None, None, None]
    here = law.pose(angle)
    velocity = (law.pose(angle + speed * dt) - law.pose(angle - speed * dt)) / (2 * dt)
    torch.testing.assert_close(box.angles(here), angle[..., 0, 0])
    torch.testing.assert_close(box.speeds(here, velocity), speed[..., 0, 0], atol=0.01, rtol=0)
    torques = torch.zeros(9, 3, 1)
    path, velocities = box.rollout(here[:, 0], velocity[:, 0], 3, torques)
    assert path.shape == velocities.shape == (9, 3, 1, 2)
    pushed, _ = box.rollout(here[:, 0], velocity[:, 0], 3, torques + 1)
    assert (pushed - path).abs().amax((1, 2, 3)).min() > 1e-4
    two = InteractionNetwork(2, 8, 1, 2.0, dt, 1)
    assert two.rollout(torch.rand(4, 2, 2), torch.rand(4, 2, 2), 2, torch.ones(4, 2, 1))[0].shape == (4, 2, 2, 2)


@pytest.fixture
def small_films(tmp_path, monkeypatch):
    """Films of two sequences in a folder of their own."""
    monkeypatch.setattr(collect, "PART", 2)
    monkeypatch.setattr(collect, "data_folder", lambda: tmp_path)
    return tmp_path / "pendulum" / "filmed"


def test_an_interrupted_collection_goes_on_where_it_was(small_films, monkeypatch):
    whole = collect.film(4, 5, "train")
    files = sorted(small_films.iterdir())
    assert len(files) == 2
    files[1].unlink()
    made, film_part = [], collect._film_part
    monkeypatch.setattr(collect, "_film_part", lambda *a: made.append(a) or film_part(*a))
    again = collect.film(3, 5, "train")
    assert [arguments[2:4] for arguments in made] == [(1, 1)]
    for name, array in again.items():
        np.testing.assert_array_equal(array, whole[name][:3])
    assert np.abs(again["actions"]).max() <= 2
    assert not np.array_equal(collect.film(2, 5, "valid")["actions"], whole["actions"][:2])


def test_from_pixels_to_a_plan(tmp_path, capsys, monkeypatch):
    film = collect.film
    tiny = {"n_eval": 2, "decoder_steps": 2, "vision_steps": 2, "dynamics_steps": 2, "folder": tmp_path}
    model, metrics = learn(0, 5, **tiny)
    assert metrics["learned"].keys() == {"g", "a"}
    assert model.physics.arm > 1  # it has looked for its circle
    capsys.readouterr()
    again, _ = learn(0, 5, **tiny)
    assert "dynamics" not in capsys.readouterr().out  # opened, not trained
    torch.testing.assert_close(again.physics.pivot, model.physics.pivot)
    episodes = play(Pendulums(2), [0, 1], Pixels(model, weigh_after=6), SMALL, degrees=20, steps=8, keep_plans=True)
    assert len(episodes.plans) == 5
    assert np.isfinite(episodes.rewards).all()
    assert episodes.gravity.shape == (2,)
    monkeypatch.setattr(blackbox, "STEPS", 100)
    monkeypatch.setattr(blackbox, "film", lambda n, length, split: film(n, length, split, folder=tmp_path / "filmed"))
    monkeypatch.setattr(blackbox, "HELD_OUT", 2)
    box, errors = blackbox.train_black_box(model, 5, seed=0)
    assert errors["error"] < 50
    seen = blackbox.PixelsOfBlackBox(model, box)
    assert np.isfinite(play(Pendulums(1), [0], seen, SMALL, steps=6).rewards).all()
    cockpit = Cockpit(model)
    before = cockpit.picture.value
    cockpit.gravity.value = 5.0
    for tick in range(1, 5):
        cockpit.play.value = tick
    assert cockpit.picture.value != before
    assert cockpit.driver.physics.values()["g"] == pytest.approx(5.0)
    assert "polyline" in cockpit.picture.value
    before = cockpit.picture.value
    cockpit.goal.value = 90
    assert cockpit.picture.value != before  # the mark moves at once, while the pendulum stands still, too
    assert 'aria-label="pendulum, goal and plan"' in Cockpit(model).show().data


def test_the_papers_joint_training_is_one_set_of_options(tmp_path):
    joint = {**LIKE_THE_PAPER, "epochs": 1, "batch_size": 5}
    model, metrics = learn(0, 5, folder=tmp_path, n_eval=2, **joint)
    assert metrics["steps"] == {"joint": 1}
    assert math.isfinite(metrics["pred_loss"])
    assert model.physics.arm > 1


def test_an_interrupted_measurement_goes_on_and_loses_nothing(tmp_path, monkeypatch):
    """Rows that were done are not measured again; parts of an earlier command stay in the result."""
    monkeypatch.setattr(experiment, "run_folder", lambda *which: tmp_path / "run")
    names = "seed truth parameter_error recons_loss pred_loss train_seconds steps config device"
    trained = dict.fromkeys(names.split(), 0)
    trained |= {"learned": {"g": 9.9}, "versions": {}, "commit": "c"}
    monkeypatch.setattr(experiment, "learn", lambda *which: (None, trained))
    monkeypatch.setattr(experiment.measures, "shown", lambda *which, **more: {"pixels": np.zeros(1)})
    done, power = [], {"cut": True}

    def row(name):
        if name == "goal 20" and power["cut"]:
            raise KeyboardInterrupt
        return done.append(name) or {"value of": name}

    def goals(model, options, keep):
        for degrees in ("0", "20"):
            yield degrees, keep(f"goal {degrees}", partial(row, f"goal {degrees}"))

    def one(name, model, options, keep):
        return keep(name, partial(row, name))

    parts = {"arrow": partial(one, "arrow"), "goals": goals, "gravity": partial(one, "gravity")}
    monkeypatch.setattr(experiment, "PARTS", parts)
    with pytest.raises(KeyboardInterrupt):
        experiment.run_experiment(experiment.Options(save_dir=str(tmp_path)))
    result = json.loads((tmp_path / "s0.json").read_text())
    assert result["arrow"] == {"value of": "arrow"}
    assert result["goals"] == {"0": {"value of": "goal 0"}}
    power["cut"] = False
    experiment.run_experiment(experiment.Options(save_dir=str(tmp_path)))
    assert done == ["arrow", "goal 0", "goal 20", "gravity"]
    shutil.rmtree(tmp_path / "run")
    path = experiment.run_experiment(experiment.Options(save_dir=str(tmp_path), parts="goals"))
    result = json.loads(path.read_text())
    assert done == ["arrow", "goal 0", "goal 20", "gravity", "goal 0", "goal 20"]
    assert result["gravity"] == {"value of": "gravity"}
    assert result["goals"]["20"] == {"value of": "goal 20"}


def test_the_reference_is_played_once_for_all_trainings(tmp_path, monkeypatch):
    monkeypatch.setattr(measures, "from_truth", lambda *which: played.append(which) or episodes)
    episodes, played, rows = play(Pendulums(2), [0, 1], TrueState(true_model()), None, steps=60), [], {}

    def keep(name, measure, shared=False):
        assert shared
        if name not in rows:
            rows[name] = json.dumps(measure())
        return json.loads(rows[name])

    for _ in range(2):
        outcome = measures.reference(keep, range(2), 20)
    assert len(played) == 1
    row = measures.compared(episodes, outcome)
    assert row["relative"] == row["missed"] == 0
    assert row["return_true_model"] == pytest.approx(episodes.returns.mean())
    assert row["off_true_model"] == pytest.approx(episodes.off[:, -50:].mean())


def test_fewer_sequences_are_claimed_only_where_the_black_box_fails_on_as_many():
    def run(physics, box):
        parts = {"efficiency": physics, "black_box": box}
        return {"sequences": 500} | {
            name: {str(n): {"relative": off} for n, off in rows.items()} for name, rows in parts.items()
        }

    assert claims.fewer([run({50: 0.01, 500: 0.01}, {50: 0.2, 500: 0.02})])[1] == claims.REPRODUCED
    assert claims.fewer([run({50: 0.01, 500: 0.01}, {50: 0.02, 500: 0.02})])[1] == claims.DIFFERS
    assert claims.fewer([run({50: 0.01, 500: 0.01}, {}), run({50: 0.2, 500: 0.3}, {50: 0.3})])[1] == claims.DIFFERS
    assert claims.fewer([run({50: 0.01}, {})])[1] == claims.OPEN
    some = [run({5: 0.01, 50: 0.01}, {50: 0.2}), run({50: 0.01}, {})]  # 5 on one of two seeds says nothing yet
    assert "from 50 on, on 2 seeds" in claims.fewer(some)[0]


@pytest.mark.parametrize("missing", ["gymnasium", "pygame"])
def test_a_missing_library_is_one_sentence(missing, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["control"]) == 2
    error = capsys.readouterr().err
    assert f"the pendulum needs {missing}, which is not installed: python -m pip install -e '.[control]'" in error
    assert error.count("\n") == 1
    with pytest.raises(RunError, match=missing):
        gymnasium()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sequences", "3"], "sequences must be a whole number of at least 5, got 3"),
        (["--resets", "0"], "resets must be a whole number of at least 1, got 0"),
        (["--seed", "-1"], "seed must be a whole number of at least 0"),
        (["--counts", "50,few"], "counts must be whole numbers of at least 5 with commas between, got '50,few'"),
        (["--boxes", "3"], "boxes must be whole numbers of at least 5 with commas between, got '3'"),
        (["--parts", "episode"], "there is no part 'episode'; allowed: episodes, "),
    ],
)
def test_wrong_numbers_on_the_command_line_are_refused_at_once(arguments, says, capsys):
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
    with pytest.raises(ConfigError, match="sequences must be a whole number of at least 5, got 2"):
        pendulum_config(sequences=2)
    assert pendulum_config(sequences=50).n_train == 50
    assert replace(PENDULUM, name="other").law is PENDULUM.law


def test_the_notebook_runs_in_any_folder(tmp_path):
    options = {"sequences": 5, "n_eval": 2, "steps": 2, "resets": 1, "frames": 8, "folder": str(tmp_path / "kept")}
    arguments = [x for name, value in options.items() for x in ("-p", name, str(value))]
    done = papermill(tmp_path / "out.ipynb", *arguments, cwd=tmp_path, notebook=NOTEBOOK)
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [o for c in read(tmp_path / "out.ipynb").cells for o in c.get("outputs", [])]
    assert figures_in(outputs) >= 3
    assert any("pig-player" in o.get("data", {}).get("text/html", "") for o in outputs)
    assert not [o for o in outputs if o.output_type == "stream" and "Warning" in o["text"]]
    assert {p.name for p in tmp_path.iterdir()} == {"out.ipynb", "kept"}


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_committed_results_say_what_they_are(path):
    result = json.loads(path.read_text())
    assert path.stem == f"s{result['seed']}"
    assert re.fullmatch(r"[0-9a-f]{40}", result["commit"]), "made from a checkout with changes"
    for key in ("learned", "truth", "train_seconds", "sequences", "versions"):
        assert result[key] is not None
    if "episodes" not in result:
        pytest.skip("trained, but no episode was played yet")
    main_row = result["episodes"]
    assert len(main_row["returns_pixels"]) == main_row["resets"]
    assert result["return_pixels"] == pytest.approx(np.mean(main_row["returns_pixels"]), abs=0.01)
