"""Promises of the project's own files: versions stated once, results that say where they come from."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
import yaml

import pig_core
from pig_core.__main__ import main
from pig_core.system import RunError
from pig_core.tasks import TASKS
from pig_lab.report.results import COLUMNS, constants_of, curves_of, load_results, per_frame, summary_table

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [*PROJECT["dependencies"], *(pin for extra in PROJECT["optional-dependencies"].values() for pin in extra)]
RESULTS = sorted((ROOT / "reports" / "results").glob("*.json"))


def test_every_dependency_is_pinned_and_installed_so():
    for pin in PINS:
        name, _, wanted = pin.partition("==")
        assert re.fullmatch(r"\d+(\.\d+)+", wanted), f"{pin} is not an exact version"
        assert version(name).split("+")[0] == wanted
    assert "torch==2.13.0" in PINS


def test_conda_installs_from_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, from_pip = environment["dependencies"]
    assert (pip, from_pip) == ("pip", {"pip": ["-e ."]})  # versions are stated once, in pyproject.toml
    minimum = re.search(r">=3\.(\d+)", PROJECT["requires-python"]).group(1)
    assert int(re.fullmatch(r"python=3\.(\d+)", python).group(1)) >= int(minimum)


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_committed_results_say_what_they_are(path):
    result = json.loads(path.read_text())
    assert path.stem == f"{result['task']}-{result['recipe']}-s{result['seed']}"
    assert re.fullmatch(r"[0-9a-f]{40}", result["commit"]), "made from a checkout with changes"
    for key in (
        "config",
        "learned",
        "truth",
        "recons_loss",
        "pred_loss",
        "extrap_loss",
        "train_seconds",
        "device",
        "versions",
    ):
        assert key in result


def test_the_readme_shows_exactly_the_committed_results():
    table = summary_table(load_results())
    assert f"<!-- results -->\n{table}<!-- /results -->" in (ROOT / "README.md").read_text(), "run: make results"


def test_the_readmes_links_and_pictures_are_there():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []


def test_the_readmes_claim_is_what_the_worst_seed_gave():
    results = load_results().query("recipe == 'improved'")
    worst = constants_of(results)["error"].abs().max(skipna=False)
    claim = float(re.search(r"within ([\d.]+) % of the truth", (ROOT / "README.md").read_text()).group(1))
    assert claim - 0.1 < 100 * worst < claim
    assert results["predicted"].all()
    assert set(zip(results["task"], results["seed"], strict=True)) == {
        (task, seed) for task in TASKS for seed in range(5)
    }


def test_the_table_of_results_tells_the_median_and_the_worst_seed():
    runs = [
        {
            "task": "spring_color", "recipe": "improved", "seed": seed, "epochs": 0, "train_sequences": 5000,
            "discovered": seed != 2, "predicted": True,
            "learned": {"k": 4.0}, "truth": {"k": 4.0},
            "error": {"k": error}, "recons_loss": 0.1, "pred_loss": 1.0, "extrap_loss": 3.0,
            "train_seconds": 30.0, "steps": 610.0, "config": {"batch_size": 100},
        }
        for seed, error in enumerate([0.001, -0.004, 0.5])
    ]  # fmt: skip
    whole = {**runs[0], "recipe": "paper", "epochs": 500, "steps": 25000.0}
    short = {**whole, "epochs": 100, "config": {"batch_size": 20}}
    fewer = {**whole, "epochs": 30, "steps": 1500.0, "train_sequences": 80}
    assert "| paper |" in summary_table(pd.DataFrame([whole]))
    assert "| paper, batch 20, 25,000 updates |" in summary_table(pd.DataFrame([short]))
    assert "| paper, batch 100, 1,500 updates, 80 of 5000 sequences |" in summary_table(pd.DataFrame([fewer]))
    line = summary_table(pd.DataFrame(runs)).splitlines()[-1]
    assert "recons 2, pred 3 of 3 seeds" in line
    assert "| 0.4 (50) |" in line  # k


def test_what_was_not_finite_is_nan_and_counts_as_the_worst(tmp_path):
    result = json.loads(RESULTS[-1].read_text())
    (name,) = list(result["learned"])[:1]
    result["learned"][name] = result["parameter_error"][name] = result["pred_loss"] = None
    result["pred_loss_per_step"][-1] = None
    (tmp_path / RESULTS[-1].name).write_text(json.dumps(result))
    runs = load_results(tmp_path)
    assert tuple(runs.columns) == COLUMNS
    assert runs["pred_loss"].isna().all()
    assert constants_of(runs).set_index("name").loc[name, ["learned", "error"]].isna().all()
    assert f"error of {name}, %" in summary_table(runs)
    assert "| inf (inf) |" in summary_table(runs)
    frames = per_frame(runs, "pred_loss_per_step")
    assert frames["frame"].iloc[0] == TASKS[result["task"]].input_steps + 1
    assert frames["value"].isna().tolist() == [False] * (len(frames) - 1) + [True]
    assert curves_of(runs.iloc[0]).empty  # they were not kept here


def test_curves_are_found_beside_their_result():
    run = load_results().iloc[0]
    points = curves_of(run)
    assert list(points["stage"].unique()) == ["locality", "decoder", "vision", "dynamics"][: points["stage"].nunique()]
    assert points["seconds"].is_monotonic_increasing
    assert run.steps == points.groupby("stage")["step"].max().add(1).sum()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"task": "spring_color"}'])
def test_a_file_that_is_no_result_is_refused_in_a_sentence(content, tmp_path):
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(RunError, match=r"odd\.json is not the result of a run"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["results", "nowhere.md"], "RunError: there is no file nowhere.md"),
        (["results", __file__], "has no lines <!-- results --> and <!-- /results --> to write between"),
        (["publish", "nowhere.safetensors"], "RunError: there is no checkpoint nowhere.safetensors"),
        (["publish"], "RunError: write: python -m pig_core publish CHECKPOINT ..."),
        (["page", "only.ipynb"], "RunError: write: python -m pig_core page EXECUTED.ipynb PAGE.html"),
        (["page", "nowhere.ipynb", "page.html"], "RunError: there is no notebook nowhere.ipynb"),
        (["wall"], "RunError: write: python -m pig_core wall WALL.gif"),
        (["wall", "--help"], "RunError: write: python -m pig_core wall WALL.gif"),
        (["results", "--help"], "RunError: write: python -m pig_core results README.md"),
        (["walk"], "ConfigError: there is no verb 'walk'; did you mean 'wall'?; allowed: train, data, publish"),
    ],
)
def test_every_verb_ends_in_one_sentence(arguments, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_in_the_docstring_and_there():
    assert len(pig_core.__all__) <= 12
    for name in pig_core.__all__:
        assert name in pig_core.__doc__
        assert getattr(pig_core, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Rum'"):
        pig_core.Rum  # noqa: B018
