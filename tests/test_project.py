"""Promises of the project's own files: versions stated once, results that say where they come from."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
RESULTS = sorted((ROOT / "reports" / "results").glob("*.json"))


def test_every_dependency_is_pinned_and_installed_so():
    for pin in PINS:
        name, _, wanted = pin.partition("==")
        assert re.fullmatch(r"\d+(\.\d+)+", wanted), f"{pin} is not an exact version"
        assert version(name).split("+")[0] == wanted
    assert "torch==2.13.0" in PINS


def test_conda_installs_from_the_same_pins():
    lines = [
        line.strip("- \t") for line in (ROOT / "environment.yml").read_text().splitlines() if not line.startswith("#")
    ]
    assert "-e .[dev]".strip("- ") in lines
    assert "pip" in lines
    assert "==" not in "".join(lines)  # versions are stated once, in pyproject.toml
    [python] = [line for line in lines if line.startswith("python=")]
    minimum = re.search(r">=3\.(\d+)", PROJECT["requires-python"]).group(1)
    assert int(python.split(".")[1]) >= int(minimum)


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
