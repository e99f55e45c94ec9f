"""Notebooks as users run them: by papermill, in a folder of their own, with right and wrong options."""

import ast
import inspect
import re
import subprocess
import sys
import time
import typing
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure

from pig_core.build import build_model
from pig_core.config import ConfigError, make_config
from pig_lab.report import figures
from pig_lab.report.notebook import config_from_cells, parameters_source

from .conftest import TINY, figures_in

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAIN = ROOT / "notebooks" / "train.ipynb"
WALKTHROUGH = ROOT / "notebooks" / "walkthrough.ipynb"
# The options of the authors' command line, all of which are parameters here under the same names.
AUTHORS_OPTIONS = {
    "task", "epochs", "batch_size", "save_dir", "use_ckpt", "ckpt_dir", "base_lr", "anneal_lr", "optimizer",
    "save_every_n_epochs", "eval_every_n_epochs", "print_interval", "debug", "test_mode", "recurrent_units",
    "lstm_layers", "cell_type", "encoder_type", "decoder_type", "autoencoder_loss", "alt_vel", "color", "datapoints",
}  # fmt: skip


def read(path):
    return nbformat.read(path, as_version=4)


def parameters_of(notebook):
    [cell] = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    return cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebooks_in_git_are_clean(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert not [c for c in code if c.outputs or c.execution_count]
    assert len(code) <= len([c for c in notebook.cells if c.cell_type == "markdown"]) + 3
    for cell in code:
        lines, tags = len(cell.source.splitlines()), cell.metadata.get("tags", [])
        body = ast.parse(cell.source).body
        if "law" in tags:  # the one thing that a reader is meant to write: a law, one class, in a cell of its own
            [law] = [n for n in body if not isinstance(n, ast.Import | ast.ImportFrom)]
            assert isinstance(law, ast.ClassDef)
            assert law.end_lineno - law.lineno < 30
            continue
        if "by-hand" in tags:  # the walkthrough does by hand what the package does: there a step may be a function
            assert path == WALKTHROUGH
            assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.ClassDef)]
            assert len([n for n in body if isinstance(n, ast.FunctionDef)]) == 1
            assert len([line for line in cell.source.splitlines() if line]) <= 15
            continue
        assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        assert lines <= 12 or "parameters" in tags


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p != WALKTHROUGH], ids=lambda p: p.name)
def test_every_figure_of_a_notebook_is_one_call_that_returns_it(path):
    """So that it can be made in a line anywhere, and saved: ``figures.masks(evaluation).savefig("masks.svg")``."""
    cells, names = [c for c in read(path).cells if c.cell_type == "code"], {}
    for cell in cells:
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("pig_core"):
                exec(ast.unparse(node), names)
    for cell in (c for c in cells if "alt" in c.metadata):
        last = ast.parse(cell.source).body[-1]
        for part in last.body if isinstance(last, ast.For) else [last]:
            returned = inspect.signature(eval(ast.unparse(part.value.func), names)).return_annotation
            assert Figure in (returned, *typing.get_args(returned)), cell.source  # or words instead


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_figure_is_saved_as_drawing_and_as_picture(suffix, tmp_path):
    figures.templates(build_model(make_config())).savefig(tmp_path / f"templates.{suffix}")
    start = (tmp_path / f"templates.{suffix}").read_bytes()[:200]
    assert (b"<svg" in start or b"<?xml" in start) if suffix == "svg" else start.startswith(b"\x89PNG")


def test_the_parameters_cell_has_the_authors_options_and_no_defaults_of_its_own():
    source = parameters_of(read(TRAIN))
    values = {}
    exec(source, values)
    values.pop("__builtins__")
    assert values.keys() >= AUTHORS_OPTIONS
    assert {n: v for n, v in values.items() if v is not None} == {
        "task": "spring_color",
        "recipe": "improved",
        "seed": 0,
    }
    assert config_from_cells([source], values) == make_config()
    for line in source.splitlines()[1:]:
        assert "  # " in line, f"no comment: {line}"
    assert parameters_source(values) == source, "choices and meanings are those of the options"


def test_misspelt_names_are_refused_in_whichever_parameter_cell():
    with pytest.raises(ConfigError, match="unknown option 'sead'; did you mean 'seed'"):
        config_from_cells(["# Parameters. Own\ntask = 'x'", "# Parameters\nsead = 3"], {"task": "x", "sead": 3})
    # Corrected in JupyterLab and run again: what the cell said before does not count.
    again = ["# Parameters. Own\nsead = 3", "sead = 4", "# Parameters. Own\nseed = 5"]
    assert config_from_cells(again, {"seed": 5, "sead": 4}).seed == 5


def test_what_an_edited_comment_introduces_is_obeyed_or_refused():
    own = "# Parameters. Own\nseed = 0"
    assert config_from_cells(["# My settings.\nseed = 3"], {"seed": 3}).seed == 3
    assert config_from_cells([own, "import math\nseed = 4\nprint(seed)"], {"seed": 4}).seed == 4
    assert (
        config_from_cells([own, "if True:\n    epochs = 2", "other = f(seed)\nother"], {"seed": 0, "epochs": 2}).epochs
        == 2
    )
    assert config_from_cells([own, "seed = = 9", "seeds = 7; print(seeds)"], {"seed": 0, "seeds": 7}) == make_config()
    for misspelt, value in (("# My settings.\nsead = 3", 3), ("sead: int = 3", 3), ("sead = None", None)):
        with pytest.raises(ConfigError, match="unknown option 'sead'; did you mean 'seed'"):
            config_from_cells([own, misspelt], {"seed": 0, "sead": value})
    # Once the options were read, a cell of expressions is the reader's own; one of plain values still is not.
    done = [own, "config = notebook_config()"]
    assert config_from_cells([*done, "picture = draw(3)"], {"seed": 0, "picture": 1}) == make_config()
    with pytest.raises(ConfigError, match="unknown option 'sead'"):
        config_from_cells([*done, "# My settings\nsead = 3"], {"seed": 0, "sead": 3})
    # The first cell run again, after a correction, is what counts.
    assert config_from_cells(["# My settings.\nsead = 3", own], {"seed": 0, "sead": 3}).seed == 0


def papermill(out, *arguments, cwd=ROOT, notebook=TRAIN):
    command = [str(Path(sys.executable).with_name("papermill")), str(notebook), str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd)


def test_train_runs_from_another_folder_with_papermills_parameters(tmp_path, data_dir):
    options = {**TINY, "data_dir": data_dir, "save_dir": "run", "seed": 3}
    done = papermill(tmp_path / "out.ipynb", *(x for n, v in options.items() for x in ("-p", n, str(v))), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "metrics.json").is_file()
    outputs = [o for c in read(tmp_path / "out.ipynb").cells for o in c.get("outputs", [])]
    assert figures_in(outputs) >= 7
    text = "".join(o["text"] for o in outputs if o.output_type == "stream")
    assert "dynamics  step     2/2" in text


@pytest.mark.parametrize(
    ("name", "pictures", "arguments"),
    [
        ("report", 5, ["-p", "n_examples", "1"]),
        ("task", 10, ["-p", "task", "bouncing_balls", "-p", "n_examples", "3"]),
        ("data", 6, ["-p", "n_videos", "20"]),
        ("ablations", 7, ["-p", "n_videos", "25"]),
        ("explore", 0, []),
        ("new_law", 4, ["-p", "seeds", "1", "-p", "n_train", "60", "-p", "n_eval", "12", "-p", "steps", "5"]),
    ],
)
def test_the_other_notebooks_run_in_any_folder(name, pictures, arguments, tmp_path, data_dir):
    if name == "new_law":  # it trains: its data and runs must not become the user's
        arguments = [*arguments, "-p", "folder", str(data_dir / "new_law")]
    done = papermill(tmp_path / "out.ipynb", *arguments, cwd=tmp_path, notebook=ROOT / "notebooks" / f"{name}.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [o for c in read(tmp_path / "out.ipynb").cells for o in c.get("outputs", [])]
    assert figures_in(outputs) >= pictures
    assert not [o for o in outputs if o.output_type == "stream" and "Warning" in o["text"]]
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"]


def test_the_walkthrough_and_the_folded_solutions_of_its_exercises_hold(tmp_path):
    """Every step is compared with the package's by an assertion; a solution runs where its exercise stands."""
    notebook, cells, solutions = read(WALKTHROUGH), [], []
    for cell in notebook.cells:
        folded = re.findall(r"<details>.*?```python\n(.*?)```.*?</details>", cell.source, re.DOTALL)
        solutions += folded
        cells += [cell, *map(nbformat.v4.new_code_cell, folded)]
    assert len(solutions) == sum("**Exercise" in cell.source for cell in notebook.cells) >= 5
    assert all("assert " in solution for solution in solutions)
    notebook.cells = cells
    nbformat.write(notebook, tmp_path / "walkthrough.ipynb")
    done = papermill(tmp_path / "out.ipynb", cwd=tmp_path, notebook=tmp_path / "walkthrough.ipynb")
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [o for c in read(tmp_path / "out.ipynb").cells for o in c.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-p", "task", "spring_colour"], "did you mean 'spring_color'"),
        (["-p", "color", "false"], "color must be True or False, got 'false'"),
        (["-p", "sead", "1"], "unknown option 'sead'; did you mean 'seed'"),
        (["-p", "batch_size", "-3"], "batch_size must be a whole number of at least 1, got -3"),
    ],
)
def test_wrong_options_are_refused_in_the_first_seconds(arguments, says, tmp_path):
    started = time.monotonic()
    done = papermill(tmp_path / "out.ipynb", *arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert says in done.stderr
    assert "ConfigError" in done.stderr
    assert time.monotonic() - started < 60  # far from the minutes of a training, however busy the machine
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"]
