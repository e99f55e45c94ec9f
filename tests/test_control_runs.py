"""Control from films to results: collected, learned, played, measured, and gone on with after an interruption."""

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
from pig_core.system import ConfigError, RunError
from pig_lab.control import blackbox, experiment, film
from pig_lab.control.episodes import Pixels, TrueState, play
from pig_lab.control.experiment import true_model
from pig_lab.control.law import PENDULUM, Pendulums, gymnasium
from pig_lab.control.learn import LIKE_THE_PAPER, learn, pendulum_config
from pig_lab.control.planner import Planner
from pig_lab.control.view import Cockpit
from pig_lab.studies.claims import NOT, PARTLY, UNTESTED, fewer

from .conftest import figures_in
from .test_notebooks import ROOT, papermill, read

NOTEBOOK = ROOT / "notebooks" / "control.ipynb"
RESULTS = sorted((ROOT / "reports" / "results" / "control").glob("s*.json"))
SMALL = Planner(horizon=5, candidates=20, rounds=2, elites=4)


@pytest.fixture
def small_films(tmp_path, monkeypatch):
    """Films of two sequences in a folder of their own."""
    monkeypatch.setattr(film, "PART", 2)
    monkeypatch.setattr(film, "data_folder", lambda: tmp_path)
    return tmp_path / "pendulum" / "filmed"


def test_an_interrupted_collection_goes_on_where_it_was(small_films, monkeypatch):
    whole = film.film(4, 5, "train")
    files = sorted(small_films.iterdir())
    assert len(files) == 2
    files[1].unlink()
    made, film_part = [], film._film_part
    monkeypatch.setattr(film, "_film_part", lambda *a: made.append(a) or film_part(*a))
    again = film.film(3, 5, "train")
    assert [arguments[2:4] for arguments in made] == [(1, 1)]
    for name, array in again.items():
        np.testing.assert_array_equal(array, whole[name][:3])
    assert np.abs(again["actions"]).max() <= 2
    assert not np.array_equal(film.film(2, 5, "valid")["actions"], whole["actions"][:2])


def test_from_pixels_to_a_plan(tmp_path, capsys, monkeypatch):
    filmed = film.film
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
    monkeypatch.setattr(blackbox, "film", lambda n, length, split: filmed(n, length, split, folder=tmp_path / "filmed"))
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
    monkeypatch.setattr(experiment, "shown", lambda *which, **more: {"pixels": np.zeros(1)})
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
    monkeypatch.setattr(experiment, "from_truth", lambda *which: played.append(which) or episodes)
    episodes, played, rows = play(Pendulums(2), [0, 1], TrueState(true_model()), None, steps=60), [], {}

    def keep(name, measure, shared=False):
        assert shared
        if name not in rows:
            rows[name] = json.dumps(measure())
        return json.loads(rows[name])

    for _ in range(2):
        outcome = experiment.reference(keep, range(2), 20)
    assert len(played) == 1
    row = experiment.compared(episodes, outcome)
    assert row["relative"] == row["missed"] == 0
    assert row["return_true_model"] == pytest.approx(episodes.returns.mean())
    assert row["off_true_model"] == pytest.approx(episodes.off[:, -50:].mean())


def test_fewer_sequences_are_claimed_only_where_the_black_box_fails_on_as_many():
    def run(physics, box):
        parts = {"efficiency": physics, "black_box": box}
        return {"sequences": 500} | {
            name: {str(n): {"relative": off} for n, off in rows.items()} for name, rows in parts.items()
        }

    assert (
        fewer([run({50: 0.01, 500: 0.01}, {50: 0.2, 500: 0.02})]).verdict == PARTLY
    )  # the paper's own baseline was not run
    assert fewer([run({50: 0.01, 500: 0.01}, {50: 0.02, 500: 0.02})]).verdict == NOT
    assert fewer([run({50: 0.01, 500: 0.01}, {}), run({50: 0.2, 500: 0.3}, {50: 0.3})]).verdict == NOT
    assert fewer([run({50: 0.01}, {})]).verdict == UNTESTED
    some = [run({5: 0.01, 50: 0.01}, {50: 0.2}), run({50: 0.01}, {})]  # 5 on one of two seeds says nothing yet
    assert "physics from 50 sequences on" in fewer(some).found
    assert fewer(some).who == "improved, 2 seeds"


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
