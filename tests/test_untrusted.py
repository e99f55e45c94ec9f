"""Files that the project did not write: a table of another shape is refused, and nothing in a text runs on a page."""

import dataclasses
import json

import nbformat
import numpy as np
import pytest
from IPython.display import HTML, Markdown
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pig_core.__main__ import main
from pig_core.config import make_config
from pig_core.system import RunError
from pig_core.tasks import TASKS
from pig_lab.measure.page import _write_page, write_table
from pig_lab.report import notebook, results
from pig_lab.report.page import render
from pig_lab.report.panels import player
from pig_lab.report.results import benchmark, load_curves, load_images, load_results
from pig_lab.studies import studies

from .browser import browser_tab, needs_chromium

ROW = results.read_table(results.table_path("sweep"))[-1]
FAILED = new_output("error", ename="ZeroDivisionError", evalue="division by zero")
FIELDS = results.Result.model_fields


def written(path, *rows):
    path.write_text("".join(json.dumps(results.nan_to_null(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{**ROW, "seed": 1.5}], "line 1 of .* is not the result of a run .*seed is 1.5; allowed: whole numbers"),
        ([{**ROW, "task": "own"}], "task is 'own'; allowed: bouncing_balls"),
        ([ROW, {**ROW, "seed": 7}, ROW], "line 3 of .*an earlier line is the same run, batch 20 3bp_color"),
        ([{**ROW, "learned": {"<b>": 3.0}}], "learned is of <b>; allowed: g"),
        *(([{**ROW, name: 3 if name in ("config", "explained") else {"x": []}}], name) for name in FIELDS),
        *(([{n: v for n, v in ROW.items() if n != name}], name) for name, f in FIELDS.items() if f.is_required()),
    ],
)
def test_a_table_of_another_shape_is_refused_in_a_sentence(rows, says, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "results_folder", lambda: tmp_path)
    written(tmp_path / "sweep.jsonl", *rows)
    with pytest.raises(RunError, match=says) as refused:
        load_results()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("row", [{}, {"part": []}, {**ROW, "curves": 3}, {**ROW, "curves": {"step": [1], "stage": []}}])
def test_curves_and_benchmarks_of_another_shape_are_refused_in_a_sentence(row, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "results_folder", lambda: tmp_path)
    written(tmp_path / "sweep.curves.jsonl", row)
    written(tmp_path / "benchmarks.jsonl", row)
    written(tmp_path / "images.npz", row)
    with pytest.raises(RunError, match=r"images\.npz is damaged or holds no images"):
        load_images("full")
    with pytest.raises(RunError, match="is not a table of training curves"):
        load_curves()
    with pytest.raises(RunError, match="has no training"):
        benchmark("training")


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (new_code_cell("1 + 1"), r"run.ipynb was not executed \(cell 2\): run all of its cells, or use papermill"),
        (
            new_code_cell("1 / 0", execution_count=2, outputs=[FAILED]),
            "run.ipynb stopped in cell 2 with ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_notebook_that_did_not_run_to_its_end_gets_no_page(cell, says, tmp_path, capsys):
    nbformat.write(new_notebook(cells=[new_code_cell("", id="a"), cell]), tmp_path / "run.ipynb")
    with pytest.raises(RunError, match=says):
        render(tmp_path / "run.ipynb", tmp_path / "page.html")
    assert main(["page", str(tmp_path / "run.ipynb"), str(tmp_path / "page.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


HOSTILE = "<img src=x onerror=document.title='ran'>`*a*`</script>"


@needs_chromium
def test_text_from_a_file_shows_as_it_is_and_never_runs(tmp_path, monkeypatch):
    """In each place of a page where a name, a path or a device can stand that somebody else wrote."""
    monkeypatch.setattr(results, "results_folder", lambda: tmp_path)
    written(tmp_path / "sweep.jsonl", {**ROW, "device": HOSTILE, "commit": HOSTILE[:8]})
    metrics = results.as_row({**ROW, "device": HOSTILE})
    task = dataclasses.replace(TASKS["3bp_color"], name=HOSTILE, title=HOSTILE)
    clip = tmp_path / "clips" / HOSTILE.replace("/", "")
    clip.mkdir(parents=True)
    (clip / "failed.txt").write_text(f"RunError: {HOSTILE}")
    shown = {
        "options": notebook.changed_options(make_config(save_dir=HOSTILE)),
        "own task": notebook.changed_options(make_config(task)),
        "verdict": notebook.verdict(metrics),
        "source of a study": Markdown(studies.source("sweep")),
        "player": player(np.zeros((2, 8, 8, 3), np.uint8), [HOSTILE] * 2, HOSTILE),
    }
    cells = []
    for name, each in shown.items():
        kind = "text/markdown" if isinstance(each, Markdown) else "text/html"
        output = new_output("display_data", data={kind: each.data})
        cells.append(new_code_cell(name, execution_count=1, outputs=[output]))
    cells.append(new_code_cell("ls", execution_count=1, outputs=[new_output("stream", name="stdout", text=HOSTILE)]))
    run = new_notebook(cells=cells)
    run.metadata["papermill"] = {"parameters": {"task": HOSTILE, "save_dir": HOSTILE}}
    nbformat.write(run, tmp_path / "run.ipynb")
    render(tmp_path / "run.ipynb", tmp_path / "run.html")
    write_table(tmp_path / "clips.html", [clip])
    _write_page(tmp_path / "clip.html", HOSTILE, [("", HTML(""))])
    wanted = {"run": len(shown) + 1, "clips": 2, "clip": 1}
    with browser_tab(offline=True) as (tab, problems, _):
        for name, times in wanted.items():
            tab.goto((tmp_path / f"{name}.html").as_uri())
            tab.wait_for_timeout(200)
            assert tab.title() != "ran"
            assert tab.locator("img[src=x]").count() == 0
            assert tab.locator("main").inner_text().count("<img src=x onerror=document.title='ran'>`*a*`") >= times, (
                name
            )
        assert not problems
