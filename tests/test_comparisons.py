"""Tables of the comparisons, from results made by hand: what is counted, what is the worst, what is not finite."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from pig_core.tasks import TASKS
from pig_lab.estimate import Estimate
from pig_lab.report.results import curves_of, load_results
from pig_lab.studies import tables
from pig_lab.studies.measures import (
    errors_by_place,
    parameter_counts,
    predicted_frames,
    steps_to_discovery,
    trivial_row,
)  # fmt: skip

SPRING = TASKS["spring_color"]


def result(seed=0, recons=0.1, pred=0.2, k=0.01, **others):
    return {
        "task": "spring_color", "recipe": "improved", "seed": seed, "discovered": recons < 1.5, "predicted": pred < 3,
        "recons_loss": recons, "pred_loss": pred, "extrap_loss": pred, "error": {"k": k}, "truth": {"k": 4.0},
        "learned": {"k": 4 * (1 + k)}, "train_sequences": 5000, "variant": "change", **others,
    }  # fmt: skip


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture
def curves(tmp_path):
    """Writes the curves of a run; returns the run."""

    def write(points, **about):
        run = pd.Series(result(**about, folder=tmp_path))
        path = tmp_path / "curves" / f"spring_color-improved-s{run.seed}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"stage": stage, "step": step, **losses} for stage, step, losses in points]))
        return run

    return write


def test_steps_to_discovery_are_counted_over_all_stages(curves):
    locality = [("locality", 0, {"spread": 30.0}), ("locality", 59, {"spread": 2.0})]
    run = curves([*locality, ("decoder", 0, {"recons_loss": 90.0}), ("decoder", 20, {"recons_loss": 1.4})])
    assert steps_to_discovery(curves_of(run)) == 60 + 21
    run = curves([("joint", 0, {"recons_loss": 90.0}), ("joint", 99, {"recons_loss": None})])  # diverged
    assert math.isnan(steps_to_discovery(curves_of(run)))


def test_a_variant_is_its_worst_seed_and_what_diverged_is_worst(curves):
    good = curves([("decoder", 9, {"recons_loss": 1.0})])
    bad = curves([("decoder", 19, {"recons_loss": 9.0})], seed=1, recons=9.0, pred=math.nan, k=math.nan)
    head, _, line = tables.variants_table(pd.DataFrame([good, bad])).data.splitlines()
    assert cells_of(head)[4] == "k, worst seed"
    assert cells_of(line) == ["`change`", "1 / 2", "1 / 2", "10 (1 of 2)", "inf %", "4.5", "inf", "inf"]


def test_the_spread_table_says_whether_two_deviations_cover_the_truth():
    estimates = {"spring_color": {"k": Estimate(3.99, 0.001, 0.004), "l": Estimate(6.001, 0.001, 0.0004)}}
    both = {"truth": {"k": 4.0, "l": 6.0}, "error": {"k": 0.0, "l": 0.0}}
    runs = pd.DataFrame([
        result(seed, learned={"k": 3.99 + 0.01 * seed, "l": 6.0}, **both) for seed in range(3)
    ])  # fmt: skip
    table = tables.spread_table([SPRING], estimates, {"spring_color": {"k": 3.9925, "l": 5.9988}}, runs)
    k, l = map(cells_of, table.data.splitlines()[2:])  # noqa: E741
    assert k[7:] == ["no / yes", "4.0000", "0.0100", "yes / yes"]
    assert l[7:] == ["yes / no", "6.0000", "0.0000", "yes / no"]


def test_data_efficiency_lists_every_number_of_videos_and_all():
    runs = pd.DataFrame([result(k=0.5, variant="1"), result(k=-0.02, variant="10"), result(variant="all")])
    head, _, *rows = map(cells_of, tables.efficiency_table(runs, [SPRING]).data.splitlines())
    assert [row[1] for row in rows] == ["1", "10", "all"]
    assert head[3] == "k, worst seed"
    assert [row[3] for row in rows[:2]] == ["50 %", "2 %"]


def test_errors_are_told_apart_by_where_the_discs_are():
    truth = torch.zeros(1, 4, 3, 32, 32)
    truth[0, 0, 0, 5, 5] = truth[0, 1, 1, 20, 15] = 1.0  # in the left half
    truth[0, 2, 0, 9, 16] = truth[0, 3, 2, 30, 31] = 1.0  # in the right one
    images = truth.clone()
    images[0, 0, 0, 0, 0] = 2.0
    images[0, 3] = 0.0
    assert errors_by_place(images, truth) == (pytest.approx(2.0), pytest.approx(0.5))


def test_the_table_of_places_compares_predictions_with_the_right_frames():
    about = TASKS["spring_color_half"]
    video = np.random.default_rng(0).integers(0, 256, (2, about.test_length, 32, 32, 3), np.uint8)
    video[:, ::2, :, 16:] = 0
    perfect = {"input": video, "prediction": video[:, about.input_steps :]}
    header, _, *lines = tables.place_table(predicted_frames(about, {"perfect": perfect})).data.splitlines()
    assert "2 videos" in header
    assert cells_of(lines[0]) == ["perfect", "0", "0"]
    seen, beyond = (float(cell) for cell in cells_of(lines[1])[1:])
    assert beyond == pytest.approx(2 * seen, rel=0.1)


def test_trivial_guesses_stand_beside_the_models():
    errors = [1.0] * SPRING.pred_steps + [3.0] * (SPRING.test_length - SPRING.input_steps - SPRING.pred_steps)
    run = {**load_results().iloc[0], "task": "spring_color", "config": {}, "variant": "ours"}
    runs = pd.DataFrame([run])
    models = pd.concat([runs, pd.DataFrame([trivial_row(SPRING, "mean frame", errors)])])
    lines = tables.models_table(models, [SPRING], parameter_counts(runs)).data.splitlines()[2:]
    assert cells_of(lines[1]) == ["spring", "mean frame", "", "", "", "", "1", "3", "", ""]
    assert "2 threads" in lines[0]
    ours, guess = tables.last_frame_table(models).data.splitlines()[2:]
    assert cells_of(ours)[:2] == ["ours", "1"]
    assert cells_of(guess) == ["mean frame", "", "1", "3", "3", "", ""]
