"""Sweeps and studies run the runs that their tables lack, and only those; a stub stands in the place of training."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pig_lab.report.results import load_curves, load_results, table_path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
STUB = """#!{python}
import json, sys
from pathlib import Path
given = dict(zip(sys.argv[sys.argv.index("-p") + 1 :: 3], sys.argv[sys.argv.index("-p") + 2 :: 3]))
row = json.loads(Path({rows!r}).read_text().splitlines()[0])
row |= {{"task": given["task"], "recipe": given["recipe"], "seed": int(given["seed"])}}
folder = Path(given["save_dir"])
(folder / "metrics.json").write_text(json.dumps(row))
(folder / "curves.json").write_text('[{{"stage": "decoder", "step": 0, "recons_loss": 0.5}}]')
with open("trained", "a") as log:
    print(folder.name, file=log)
"""


def snakemake(folder, *arguments):
    path = os.pathsep.join([str(folder / "bin"), str(BIN), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}
    command = [str(BIN / "snakemake"), "-c2", "--rerun-triggers", "input", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture
def checkout(tmp_path):
    """The files of the project, without any result, and a program in the place of papermill."""
    for name in ("pig_core", "pig_lab", "Snakefile", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    stub = tmp_path / "bin" / "papermill"
    stub.parent.mkdir()
    stub.write_text(STUB.format(python=sys.executable, rows=str(table_path("sweep"))))
    stub.chmod(0o755)
    return tmp_path


def test_a_sweep_runs_what_its_table_lacks_and_adds_it(checkout):
    folder = checkout / "elsewhere"
    chosen = ["--config", "tasks=spring_color", "seeds=0,1", "options=vision_steps=2", "results=elsewhere"]
    done = snakemake(checkout, *chosen)
    assert done.returncode == 0, done.stderr[-3000:]
    added = load_results("sweep", folder)
    assert list(zip(added["task"], added["seed"], strict=True)) == [("spring_color", 0), ("spring_color", 1)]
    assert load_curves("sweep", folder)["recons_loss"].tolist() == [0.5, 0.5]
    path = table_path("sweep", folder)
    first, second = path.read_text().splitlines(keepends=True)
    path.write_text(first)  # seed 1 is to be run again, although its folder holds a finished run
    assert snakemake(checkout, *chosen).returncode == 0
    assert path.read_text() == first + second
    assert sorted(Path(checkout / "trained").read_text().split()) == [
        "sweep-elsewhere-improved-s0",
        "sweep-elsewhere-improved-s1",
        "sweep-elsewhere-improved-s1",
    ]


def test_plans(checkout):
    def planned(*config):
        plan = snakemake(checkout, "--dry-run", *config)
        return plan.returncode, plan.stdout + plan.stderr

    code, text = planned()
    assert (code, text.count("rule run:")) == (0, 25)  # every task and five seeds
    code, text = planned("--config", "study=decodr")
    assert code != 0
    assert "there is no study 'decodr'; allowed: without" in text
