"""Promises of the project's own files: versions stated once, results that say where they come from."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from pig_core.__main__ import main
from pig_core.tasks import TASKS
from pig_lab.report.results import constants_of, load_results

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [*PROJECT["dependencies"], *(pin for extra in PROJECT["optional-dependencies"].values() for pin in extra)]


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


def test_the_readmes_claim_is_what_the_worst_seed_gave():
    results = load_results().query("recipe == 'improved'")
    worst = constants_of(results)["error"].abs().max(skipna=False)
    claim = float(re.search(r"within ([\d.]+) % of the truth", (ROOT / "README.md").read_text()).group(1))
    assert claim - 0.1 < 100 * worst < claim
    assert results["predicted"].all()
    assert set(zip(results["task"], results["seed"], strict=True)) == {
        (task, seed) for task in TASKS for seed in range(5)
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["publish", "nowhere.safetensors"], "RunError: there is no checkpoint nowhere.safetensors"),
        (["publish"], "RunError: write: python -m pig_core publish CHECKPOINT ..."),
        (["page", "only.ipynb"], "RunError: write: python -m pig_core page EXECUTED.ipynb PAGE.html"),
        (["page", "nowhere.ipynb", "page.html"], "RunError: there is no notebook nowhere.ipynb"),
        (["wall"], "RunError: write: python -m pig_core wall WALL.gif"),
        (["wall", "--help"], "RunError: write: python -m pig_core wall WALL.gif"),
        (["walk"], "ConfigError: there is no verb 'walk'; did you mean 'wall'?; allowed: train, publish"),
    ],
)
def test_every_verb_ends_in_one_sentence(arguments, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
