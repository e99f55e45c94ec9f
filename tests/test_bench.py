"""The benchmarks run, refuse what they do not know, and the committed figures are complete; no time is judged here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pig_core.tasks import TASKS
from pig_lab.studies.bench import GROWTH, PARTS, STEPS, elsewhere
from pig_lab.studies.costs import benchmark, rest_table, steps_table
from pig_lab.studies.paint import first_paints, slider_moves

from .browser import needs_chromium

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("how", ["plain", "float32", "bfloat16"])
def test_one_measurement(how):
    times = elsewhere("spring_color", how, 2, batch=2, n_objects=3)
    assert TASKS["spring_color"].n_objects == 2
    assert times["n"] == 2
    assert 0 < times["min"] <= times["median"] <= times["max"]


def test_an_unknown_part_is_refused():
    command = [sys.executable, "-m", "pig_core", "bench", "stepp"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "there is no part stepp; allowed: step, growth" in done.stderr


@needs_chromium
def test_pages_are_visited_and_their_sliders_moved():
    pages = [ROOT / "reports" / f"{name}.html" for name in ("glossary", "spring_color")]
    painted, moved = first_paints(pages, repeat=1), slider_moves(pages)
    assert painted.keys() == {"glossary", "spring_color"}
    assert moved.keys() == {"spring_color"}  # a glossary has no slider
    assert all(time > 0 for time in (*painted.values(), *moved.values()))


@pytest.mark.parametrize("part", PARTS)
def test_committed_benchmarks_say_where_they_were_measured(part):
    about = benchmark(part)
    assert re.fullmatch(r"[0-9a-f]{40}", about["commit"]), "made from a checkout with changes"
    assert about["device"]
    assert about["cores"] > 0
    assert about["result"]


def test_committed_benchmarks_are_complete_and_shown():
    assert benchmark("step")["result"].keys() == STEPS.keys()
    found = benchmark("growth")["result"]
    assert {q: [int(size) for size in found[q]] for q in found} == {q: list(sizes) for q, sizes in GROWTH.items()}
    assert benchmark("data")["result"]["files"] == 10
    for line in (*steps_table().data.splitlines()[2:], *rest_table().data.splitlines()[2:]):
        assert re.search(r"\d", line)
