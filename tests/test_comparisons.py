"""Tables of the comparisons, from results made by hand: what is counted, what is the worst, what is not finite."""

import json

import numpy as np
import pytest
import torch

from pig_core.evaluation.constants import Estimate
from pig_core.report.results import load_results, results_folder
from pig_core.studies import comparisons
from pig_core.studies.baselines import errors_by_place, models_table, place_table
from pig_core.tasks import TASKS


def result(seed=0, recons=0.1, pred=0.2, k=0.01, sequences=5000):
    return {
        "task": "spring_color", "recipe": "improved", "seed": seed, "discovered": recons is not None and recons < 1.5,
        "predicted": pred is not None and pred < 3, "recons_loss": recons, "pred_loss": pred, "extrap_loss": pred,
        "parameter_error": {"k": k}, "learned": {"k": None if k is None else 4 * (1 + k)}, "train_sequences": sequences,
    }  # fmt: skip


@pytest.fixture
def curves(tmp_path, monkeypatch):
    """A folder of results whose curves are written by the test."""
    monkeypatch.setattr(comparisons, "results_folder", lambda: tmp_path)

    def write(seed, points):
        folder = tmp_path / "without" / "change"
        path = folder / "curves" / f"spring_color-improved-s{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{"stage": stage, "step": step, **losses} for stage, step, losses in points]))
        return folder

    return write


def test_steps_to_discovery_are_counted_over_all_stages(curves):
    locality = [("locality", 0, {"spread": 30.0}), ("locality", 59, {"spread": 2.0})]
    folder = curves(0, [*locality, ("decoder", 0, {"recons_loss": 90.0}), ("decoder", 20, {"recons_loss": 1.4})])
    assert comparisons.steps_to_discovery(folder, result()) == 60 + 21
    curves(0, [("joint", 0, {"recons_loss": 90.0}), ("joint", 99, {"recons_loss": None})])  # diverged
    assert comparisons.steps_to_discovery(folder, result()) is None


def test_a_variant_is_its_worst_seed_and_what_diverged_is_worst(curves):
    curves(0, [("decoder", 9, {"recons_loss": 1.0})])
    curves(1, [("decoder", 19, {"recons_loss": 9.0})])
    line = comparisons.variants_table({"change": [result(), result(1, 9.0, None, None)]}, "without").data.splitlines()[
        2
    ]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["`change`", "1 / 2", "1 / 2", "10 (1 of 2)", "k inf %", "4.5", "inf", "inf"]


def test_the_spread_table_says_whether_two_deviations_cover_the_truth():
    estimates = {"spring_color": {"k": Estimate(3.99, 0.001, 0.004), "l": Estimate(6.001, 0.001, 0.0004)}}
    runs = [{**result(seed), "learned": {"k": 3.99 + 0.01 * seed, "l": 6.0}} for seed in range(3)]
    table = comparisons.spread_table(estimates, {"spring_color": {"k": 3.9925, "l": 5.9988}}, runs)
    k, l = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.data.splitlines()[2:])  # noqa: E741
    assert k[7:] == ["no / yes", "4.0000", "0.0100", "yes / yes"]
    assert l[7:] == ["yes / no", "6.0000", "0.0000", "yes / no"]


def test_data_efficiency_lists_every_number_of_videos_and_all():
    variants = {"1": [result(k=0.5, sequences=1)], "10": [result(k=-0.02, sequences=10)]}
    rows = comparisons.efficiency_table(variants, [result()]).data.splitlines()[2:]
    assert [row.split("|")[2].strip() for row in rows] == ["1", "10", "all"]
    assert "k 50 %" in rows[0]
    assert "k 2 %" in rows[1]


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
    header, _, *lines = place_table("spring_color_half", {"perfect": perfect}).data.splitlines()
    assert "2 videos" in header
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == ["perfect", "0", "0"]
    seen, beyond = (float(cell) for cell in lines[1].strip("|").split("|")[1:])
    assert beyond == pytest.approx(2 * seen, rel=0.1)


def test_trivial_guesses_stand_beside_the_models():
    about = TASKS["spring_color"]
    errors = [1.0] * about.pred_steps + [3.0] * (about.test_length - about.input_steps - about.pred_steps)
    run = {**load_results(results_folder())[0], "task": "spring_color", "config": {}}
    guesses = {"spring_color": {"mean frame": {"pred_loss_per_step": errors}}}
    lines = models_table({"ours": [run]}, ["spring_color"], guesses).data.splitlines()[2:]
    assert [cell.strip() for cell in lines[1].strip("|").split("|")][6:8] == ["1", "3"]
    assert "2 threads" in lines[0]
