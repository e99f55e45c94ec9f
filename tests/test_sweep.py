"""The sweep runs what is missing, and only that."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import TINY

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def snakemake(folder, *arguments):
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    return subprocess.run(
        [str(BIN / "snakemake"), "-c2", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture
def checkout(tmp_path):
    """The files of the project, without any result."""
    for name in ("pig_core", "notebooks", "Snakefile", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_sweep_runs_what_is_missing_once(checkout, data_dir):
    finished = checkout / "reports" / "results" / "spring_color-improved-s0.json"
    curves = finished.parent / "curves" / finished.name
    curves.parent.mkdir(parents=True)
    finished.write_text("{}")
    curves.write_text("[]")
    options = ",".join(f"{name}={value}" for name, value in {**TINY, "data_dir": data_dir}.items())
    chosen = ["--config", "tasks=spring_color", "seeds=0,1", f"options={options}", "results=reports/results"]
    done = snakemake(checkout, *chosen)
    assert done.returncode == 0, done.stderr[-3000:]
    assert finished.read_text() == "{}"  # a finished run is not run again
    result = json.loads(finished.with_name("spring_color-improved-s1.json").read_text())
    assert (result["task"], result["seed"]) == ("spring_color", 1)
    points = json.loads(curves.with_name("spring_color-improved-s1.json").read_text())
    assert {point["stage"] for point in points} == {"locality", "decoder", "vision", "dynamics"}
    again = snakemake(checkout, *chosen)
    assert "Nothing to be done" in again.stderr + again.stdout


def test_the_default_sweep_is_every_task_and_five_seeds(checkout):
    plan = snakemake(checkout, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert (plan.stdout + plan.stderr).count("rule run:") == 25


def test_an_option_without_a_value_is_refused(checkout):
    refused = snakemake(checkout, "--dry-run", "--config", "options=refine_steps=4,start_prior", "results=elsewhere")
    assert refused.returncode != 0
    assert "options are written name=value,name=value: start_prior has no value" in refused.stdout + refused.stderr
