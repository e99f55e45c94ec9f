"""Comparisons, trackers and benchmarks, on results made by hand and on simulated videos."""

import json
import math
import re

import pandas as pd
import pytest
import torch

from pig_core.system import results_folder
from pig_core.tasks import TASKS
from pig_lab.report.results import BENCHMARKS, benchmark, load_results, read_table
from pig_lab.report.tables import share
from pig_lab.studies import bench, robustness
from pig_lab.studies.ablations import errors_by_place, summary

SPRING = TASKS["spring_color"]


def test_a_variant_is_its_worst_seed_and_what_diverged_is_worst():
    run = load_results("without").query("task == 'spring_color'").iloc[0].to_dict()
    run |= {"learned": {"k": 4.04}, "error": {"k": 0.01}, "discovered": True, "predicted": True}
    good = run | {"recons_loss": 0.1, "pred_loss": 0.2, "found_at": 10.0}
    bad = run | {"recons_loss": 9.0, "pred_loss": math.nan, "error": {"k": math.nan}, "found_at": math.nan}
    bad |= {"discovered": False, "predicted": False}
    [row] = summary(pd.DataFrame([good, bad])).to_dict("records")
    assert (row["found"], row["predict"], row["seeds"], row["steps to discovery"]) == (1, 1, 2, 10)
    assert (row["k, worst error"], row["recons"], row["pred"]) == (math.inf, pytest.approx(4.55), math.inf)


def test_a_share_has_wilsons_interval():
    assert share(pd.Series([True, True, True, False, False])) == "3 of 5 (23 to 88 %)"
    assert share(pd.Series([], dtype=bool)) == "no run"


def test_errors_are_told_apart_by_where_the_discs_are():
    truth = torch.zeros(1, 4, 3, 32, 32)
    truth[0, 0, 0, 5, 5] = truth[0, 1, 1, 20, 15] = 1.0  # in the left half
    truth[0, 2, 0, 9, 16] = truth[0, 3, 2, 30, 31] = 1.0  # in the right one
    images = truth.clone()
    images[0, 0, 0, 0, 0] = 2.0
    images[0, 3] = 0.0
    assert errors_by_place(images, truth) == (pytest.approx(2.0), pytest.approx(0.5))


@pytest.mark.parametrize("color", [True, False])
def test_the_plain_tracker_measures_discs_on_black(color):
    found = robustness.measure(SPRING, color, 30)
    assert found["kept"] > 0.8
    assert found["rms"] < 0.1
    assert found["learned"]["k"] == pytest.approx(4.0, rel=0.01)
    assert found["learned"]["l"] == pytest.approx(6.0, rel=0.005)


def test_the_plain_tracker_says_where_it_is_lost():
    found = robustness.measure(TASKS["mnist_spring_color"], False, 10)
    assert (found["kept"], found["learned"]) == (0.0, {})


def test_one_measurement_of_a_step():
    times = bench.elsewhere("spring_color", "plain", 2, batch=2, n_objects=3)
    assert SPRING.n_objects == 2
    assert times["n"] == 2
    assert 0 < times["min"] <= times["median"] <= times["max"]


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        bench.main(["stepp"])
    assert "there is no part stepp; allowed: step, " in capsys.readouterr().err


def test_a_part_replaces_its_row_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "results_folder", lambda: tmp_path)
    monkeypatch.setitem(bench.PARTS, "data", lambda: {"seconds": 1.0})
    for row in ({"part": "step", "result": 1}, {"part": "data", "result": 2}):
        bench.write_row(row)
    bench.PARTS["data"].__doc__ = "All data files."
    bench.main(["data"])
    first, second = map(json.loads, (tmp_path / "benchmarks.jsonl").read_text().splitlines())
    assert (first["part"], first["result"], second) == ("data", {"seconds": 1.0}, {"part": "step", "result": 1})


def test_committed_benchmarks_say_where_they_were_measured():
    rows = read_table(results_folder() / BENCHMARKS)
    assert {row["part"] for row in rows} >= bench.PARTS.keys()
    for row in rows:
        assert benchmark(row["part"]) == row or row["part"] == "tracker"  # NaN is not equal to itself
        assert re.fullmatch(r"[0-9a-f]{40}", row["commit"]), "made from a checkout with changes"
        assert row["device"]
        assert row["result"]
