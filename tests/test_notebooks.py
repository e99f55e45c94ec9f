"""Notebooks as users run them: every one executed on the committed results, train.ipynb also by papermill."""

import ast
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import nbformat
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib import pyplot as plt
from papermill import inspect_notebook

from pig_core.config import AUTHORS_NAMES, Config, ConfigError, make_config
from pig_core.run import Run
from pig_core.system import fields_of
from pig_lab.report.notebook import config_from_cells, parameters_source, verdict
from pig_lab.report.page import render

from .conftest import TINY

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAIN = ROOT / "notebooks" / "train.ipynb"
# Parameters of any notebook that make it cheap; each applies where a notebook has a parameter of that name.
SMALL = {**TINY, "n_examples": 3, "n_videos": 20, "seeds": 1, "steps": 2, "law": "pendulum"}
SMALL |= {"sequences": 10, "resets": 1, "frames": 8}
FOLDERS = ("folder", "save_dir", "data_dir")  # parameters that say where a notebook writes


def read(path):
    return nbformat.read(path, as_version=4)


def parameters_of(notebook):
    """The source of the parameters cell; empty if there is none."""
    return next((c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])), "")


def small_parameters(notebook, folder):
    names = {node.targets[0].id for node in ast.parse(parameters_of(notebook)).body}
    writes = {name: str(folder / name) for name in FOLDERS if name in names and notebook.metadata.trains}
    return {**{name: value for name, value in SMALL.items() if name in names}, **writes}


@pytest.fixture
def run_cells(tmp_path, monkeypatch):
    """A function that runs a notebook's cells in one IPython shell of this process, which has loaded all libraries."""
    monkeypatch.chdir(tmp_path)
    backend = matplotlib.get_backend()
    shell = InteractiveShell.instance()

    def run(cells):
        for cell in cells:
            with capture_output():
                result = shell.run_cell(cell.source, store_history=True)
            assert result.success, f"{result.error_in_exec or result.error_before_exec!r} in\n{cell.source}"
            plt.close("all")

    yield run
    shell.reset()
    InteractiveShell.clear_instance()
    matplotlib.use(backend)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_on_the_committed_results(path, run_cells, tmp_path):
    """Assertions next to conclusions are part of its cells; so are the folded solutions of its exercises."""
    notebook = read(path)
    notebook.metadata.trains = path.stem in ("train", "new_law", "control")  # others read committed results
    run_cells(cells_of(notebook, small_parameters(notebook, tmp_path)))


def cells_of(notebook, given):
    """All cells with code, with parameters as papermill gives them, and folded solutions where their exercises are."""
    cells = []
    for cell in notebook.cells:
        solutions = re.findall(r"<details>.*?```python\n(.*?)```.*?</details>", cell.source, re.DOTALL)
        assert len(solutions) == cell.source.count("**Exercise"), cell.source
        assert all("assert " in solution for solution in solutions)
        cells += [cell] if cell.cell_type == "code" else map(nbformat.v4.new_code_cell, solutions)
        if "parameters" in cell.metadata.get("tags", []):
            lines = [f"{name} = {value!r}" for name, value in given.items()]
            cells.append(nbformat.v4.new_code_cell("\n".join(["# Parameters", *lines])))
    return cells


def test_a_test_of_a_checkpoint_runs_and_its_page_speaks_of_the_test(run_cells, tmp_path, tiny):
    run = Run.start(tiny(save_dir=str(tmp_path / "run")))
    run.train(), run.evaluate(), run.save()
    folders = {"data_dir": run.config.data_dir, "save_dir": str(tmp_path / "test"), "ckpt_dir": str(run.folder)}
    given = {**TINY, **folders, "test_mode": "true", "use_ckpt": "true"}
    notebook = read(TRAIN)
    run_cells(cells_of(notebook, given))
    assert {path.name for path in tmp_path.glob("*/*metrics.json")} == {"metrics.json", "test_metrics.json"}
    metrics = json.loads((tmp_path / "test" / "test_metrics.json").read_text())
    assert "Tested on" in verdict(metrics | {"discovered": True}).data
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
            if "test_mode:" in cell.source:
                title = {"text/markdown": "# A trained model on new videos"}
                cell.outputs = [nbformat.v4.new_output("display_data", title)]
    nbformat.write(notebook, tmp_path / "run.ipynb")
    render(tmp_path / "run.ipynb", tmp_path / "page.html")
    text = BeautifulSoup((tmp_path / "page.html").read_text(), "html.parser").main.get_text()
    assert text.strip().startswith("A trained model on new videos")
    assert "The result on new videos" in text
    assert not re.search("stage by stage|Locality|one complete run", text)


def test_an_executed_notebook_is_no_change_for_git(tmp_path):
    """With the filter that ``make lab`` sets up."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    setup = re.search(r"git config filter.*", (ROOT / "Makefile").read_text())[0]

    def shell(command):
        return subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    shell("git init -q && git add .")  # as committed, without the filter
    shell(setup)
    for path in (tmp_path / "notebooks").glob("*.ipynb"):
        notebook = read(path)
        notebook.metadata.language_info.version = "3.11"
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
            cell.metadata.execution = {"iopub.execute_input": "now"}
            cell.execution_count, cell.outputs = 1, [nbformat.v4.new_output("stream", text="a result")]
        nbformat.write(notebook, path)
    assert shell("git diff") == ""
    notebook.cells[0].source += " changed"
    nbformat.write(notebook, path)
    assert shell("git diff").count("changed") == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_in_git_are_clean_and_hold_no_code_of_their_own(path):
    """Functions live in the package. Two exceptions have a tag: a reader's law, and a step of the walkthrough."""
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert not cell.outputs
        assert cell.execution_count is None
        tags = cell.metadata.get("tags", [])
        own = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        assert not own or {"law", "by-hand"} & set(tags), cell.source


def test_the_parameters_cell_has_every_option_and_no_defaults_of_its_own():
    """Papermill calls a parameter unknown that it does not find in this cell."""
    source, values = parameters_of(read(TRAIN)), {}
    exec(source, {}, values)
    assert inspect_notebook(str(TRAIN)).keys() == values.keys() == {*fields_of(Config), *AUTHORS_NAMES}
    given = {name: value for name, value in values.items() if value is not None}
    assert given == {"task": "spring_color", "recipe": "improved", "seed": 0}
    assert config_from_cells([source], values) == make_config()
    assert parameters_source() == source, "print(pig_lab.report.notebook.parameters_source()) is the cell"


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
    branch = [own, "if True:\n    epochs = 2", "other = f(seed)\nother"]
    assert config_from_cells(branch, {"seed": 0, "epochs": 2}).epochs == 2
    assert config_from_cells([own, "seed = = 9", "seeds = 7; print(seeds)"], {"seed": 0, "seeds": 7}) == make_config()
    for misspelt, value in (("# My settings.\nsead = 3", 3), ("sead: int = 3", 3), ("sead = None", None)):
        with pytest.raises(ConfigError, match="unknown option 'sead'; did you mean 'seed'"):
            config_from_cells([own, misspelt], {"seed": 0, "sead": value})
    # Once the options were read, a cell of expressions is the reader's own; one of plain values still is not.
    done = [own, "config = notebook_config()"]
    assert config_from_cells([*done, "picture = draw(3)"], {"seed": 0, "picture": 1}) == make_config()
    with pytest.raises(ConfigError, match="unknown option 'sead'"):
        config_from_cells([*done, "# My settings\nsead = 3"], {"seed": 0, "sead": 3})


def papermill(out, *arguments, cwd=ROOT, notebook=TRAIN):
    command = [str(Path(sys.executable).with_name("papermill")), str(notebook), str(out), "-k", "python3", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd)


def test_train_runs_from_another_folder_with_papermills_parameters(tmp_path, data_dir):
    options = {**TINY, "data_dir": data_dir, "save_dir": "run", "seed": 3, "alt_vel": False}
    done = papermill(tmp_path / "out.ipynb", *(x for n, v in options.items() for x in ("-p", n, str(v))), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "unknown parameter" not in done.stderr
    assert (tmp_path / "run" / "metrics.json").is_file()
    outputs = [o for c in read(tmp_path / "out.ipynb").cells for o in c.get("outputs", [])]
    assert sum('class="pig-figure"' in o.get("data", {}).get("text/html", "") for o in outputs) >= 6
    text = "".join(o["text"] for o in outputs if o.output_type == "stream")
    assert "dynamics  step     2/2" in text


def test_a_misspelt_option_is_refused_in_the_first_seconds(tmp_path):
    started = time.monotonic()
    done = papermill(tmp_path / "out.ipynb", "-p", "sead", "1", cwd=tmp_path)
    assert done.returncode != 0
    assert "ConfigError: unknown option 'sead'; did you mean 'seed'" in done.stderr
    assert time.monotonic() - started < 60  # far from the minutes of a training, however busy the machine
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"]
