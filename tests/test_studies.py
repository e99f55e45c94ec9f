"""Studies are valid and their tables complete; a finished run is added to a table only if it belongs there."""

import dataclasses
import json
import math
import re

import pandas as pd
import pytest

from pig_core.__main__ import main
from pig_core.config import RECIPES, make_config
from pig_core.run import Run
from pig_core.system import RunError, fields_of, write_json
from pig_core.tasks import TASKS
from pig_lab.report import results
from pig_lab.report.results import KEYS, constants_of, load_curves, load_images, load_results, per_frame, summary_table
from pig_lab.studies import paper, studies
from pig_lab.studies.claims import NOT, PARTLY, UNTESTED, fewer
from pig_lab.studies.studies import CHANGES, FULL, STUDIES, keep, missing

TABLES = [*STUDIES, *FULL]


@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_can_start_and_its_table_is_complete(name):
    study, there = STUDIES[name], load_results(name).set_index(list(KEYS))
    runs = list(study.runs())
    assert missing(name, runs) == [], f"run: make study STUDY={name}"
    assert len(there) == len(runs)
    for key, options in runs:
        make_config(key["task"], key["recipe"], **options)
        recorded = there.loc[tuple(key.values()), "config"]
        other = [option for option in options if recorded.get(option) != options[option]]
        assert other == [] or key["variant"] == "video_lstm"  # an architecture of its own when it ran


def test_a_new_option_asks_for_no_new_training(monkeypatch):
    """Variants are named by the studies themselves, not derived from the options in which the recipes differ."""
    assert set(RECIPES["paper"]["all"]) - set(CHANGES) == {"epochs", "base_lr"}
    plain, theirs = dataclasses.asdict(make_config()), dataclasses.asdict(make_config(recipe="paper"))
    for name, options in STUDIES["without"].variants.items():
        changed = dataclasses.asdict(make_config(**options))
        assert [option for option in changed if changed[option] != plain[option]] == [name]
        assert changed[name] == theirs[name]
    monkeypatch.setitem(RECIPES["paper"]["all"], "substeps", 7)
    assert missing("without", list(STUDIES["without"].runs())) == []


@pytest.mark.parametrize("name", TABLES)
def test_committed_rows_say_where_they_come_from(name):
    runs = load_results(name)
    assert not runs.duplicated(list(KEYS)).any()
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in runs["commit"]), "made from a checkout with changes"
    assert runs[["config", "learned", "truth", "recons_loss", "train_seconds", "device"]].notna().all().all()
    curves = load_curves(name)
    assert set(curves[list(KEYS)].itertuples(index=False)) == set(runs[list(KEYS)].itertuples(index=False))
    assert curves.groupby(list(KEYS))["step"].size().max() <= results.CURVE_POINTS


@pytest.fixture
def finished(tmp_path):
    """A folder with the result of a run of the sweep, and a function that changes its metrics."""
    row = results.read_table(results.table_path("sweep"))[0]
    metrics = {name: value for name, value in row.items() if name not in ("variant", "found_at")}
    curves = [{"stage": "decoder", "step": 5 * i, "recons_loss": 90 / (i + 1)} for i in range(5000)]
    write_json(tmp_path / "run" / "curves.json", curves)

    def change(**values):
        write_json(tmp_path / "run" / "metrics.json", metrics | values)
        return tmp_path / "run"

    change()
    return change


def test_a_run_is_added_once_and_replaced_only_if_asked(finished, tmp_path):
    run, folder = finished(), tmp_path / "tables"
    keep(run, folder=folder)
    keep(finished(seed=3), folder=folder)
    with pytest.raises(RunError, match=r"holds .*-s3 already: --replace replaces it"):
        keep(run, folder=folder)
    keep(finished(seed=3, recons_loss=None), folder=folder, replace=True)
    table = load_results("sweep", folder)
    assert table["seed"].tolist() == [table["seed"][0], 3]
    assert math.isnan(table["recons_loss"][1])
    assert table["found_at"].tolist() == [5 * 60 + 1] * 2  # 90 / 61 is the first below 1.5
    curves = load_curves("sweep", folder).query("seed == 3")
    assert len(curves) == results.CURVE_POINTS
    assert (curves["step"].iloc[0], curves["step"].iloc[-1]) == (0, 24995)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"task": "../../etc"}, "task is '../../etc'; allowed: bouncing_balls"),
        ({"task": ["spring_color"]}, "task is"),
        ({"recipe": "mine"}, "recipe is 'mine'; allowed: improved, paper"),
        ({"seed": "0/../1"}, "seed is '0/../1'; allowed: whole numbers"),
        ({"seed": True}, "seed is True"),
    ],
)
def test_names_are_our_own(values, says, finished, tmp_path):
    with pytest.raises(RunError, match="does not hold a finished run") as refused:
        keep(finished(**values), folder=tmp_path / "tables")
    assert says in str(refused.value)
    assert not (tmp_path / "tables").exists()


def test_the_projects_tables_take_runs_of_their_study_only(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(studies, "add_run", lambda *about: pytest.fail("was added"))
    config = load_results().iloc[0]["config"]
    known = {name: value for name, value in config.items() if name in fields_of(type(make_config()))}
    for arguments, config, says in (
        ([], known | {"logit_gain": 3.0}, "differs in logit_gain"),
        (["--study", "grey"], known, "is not a run of grey"),
        (["--study", "full"], known, "is not a run of full"),
    ):
        run = finished(config=config)
        assert main(["keep", str(run), *arguments]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
    assert main(["keep", str(tmp_path)]) == 2
    assert "does not hold a finished run" in capsys.readouterr().err


def test_a_full_run_is_explained_and_shown(tiny, tmp_path, monkeypatch):
    run = Run.start(tiny(recipe="paper", save_dir=str(tmp_path / "run"), epochs=1, batch_size=30))
    run.train()
    run.evaluate()
    run.save()
    monkeypatch.setattr(studies, "EXPLAINED_VIDEOS", 6)
    keep(run.folder, folder=tmp_path / "tables", weights=True)
    [row] = load_results("sweep", tmp_path / "tables").to_dict("records")
    assert row["variant"] == "batch 30"
    assert row["learned"] == json.loads((run.folder / "metrics.json").read_text())["learned"]
    assert 0 <= row["explained"]["outside"] <= 1
    stored = load_images("sweep/batch 30/spring_color-paper-s0", tmp_path / "tables")
    assert stored.keys() == {"video", "recons", "prediction", "masks", "templates"}
    [weights] = (tmp_path / "tables" / "weights" / "full").iterdir()
    assert weights.stat().st_size < 4e6
    monkeypatch.setattr(paper, "load_images", lambda name: load_images(name, tmp_path / "tables"))
    monkeypatch.setattr(paper, "load_results", lambda study: load_results(study, tmp_path / "tables"))
    assert len(paper.drawn(paper.full_runs()).axes) == 5  # of one run


def test_what_was_not_finite_is_nan_and_counts_as_the_worst(finished, tmp_path):
    row = load_results().iloc[0]
    learned = {"k": None}
    lost = {"pred_loss": None, "pred_loss_per_step": [*row["pred_loss_per_step"][:-1], None]}
    run = finished(task="spring_color", truth={"k": 4.0}, learned=learned, parameter_error=learned, **lost)
    keep(run, folder=tmp_path / "tables")
    runs = load_results("sweep", tmp_path / "tables")
    assert constants_of(runs).set_index("name").loc["k", ["learned", "error"]].isna().all()
    assert "| inf (inf) |" in summary_table(runs)
    frames = per_frame(runs, "pred_loss_per_step")
    assert frames["frame"].iloc[0] == TASKS["spring_color"].input_steps + 1
    assert frames["value"].isna().tolist() == [False] * (len(frames) - 1) + [True]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"task": "spring_color"}'])
def test_a_line_that_is_no_result_is_refused_in_a_sentence(content, tmp_path):
    (tmp_path / "sweep.jsonl").write_text(content)
    with pytest.raises(RunError, match=r"sweep\.jsonl is not (a table|the result)"):
        load_results("sweep", tmp_path)


def test_the_summary_gives_the_median_and_the_worst_seed():
    row = load_results().query("task == 'spring_color' and recipe == 'improved'").iloc[0].to_dict()
    runs = [
        row | {"seed": seed, "discovered": seed != 2, "learned": {"k": 4 * (1 + error)}, "error": {"k": error}}
        for seed, error in enumerate([0.001, -0.004, 0.5])
    ]
    line = summary_table(pd.DataFrame(runs)).splitlines()[-1]
    assert "recons 2, pred 3 of 3 seeds" in line
    assert "| 0.4 (50) |" in line  # k
    whole = {**runs[0], "recipe": "paper", "epochs": 500, "steps": 25000.0}
    short = {**whole, "epochs": 100, "config": {"batch_size": 20}}
    assert "| paper |" in summary_table(pd.DataFrame([whole]))
    assert "| paper, batch 20, 25,000 updates |" in summary_table(pd.DataFrame([short]))


def test_fewer_sequences_are_claimed_only_where_the_black_box_needs_more():
    def run(physics, box):
        efficiency, black_box = ({str(n): {"relative": off} for n, off in rows.items()} for rows in (physics, box))
        return {"sequences": 500, "efficiency": efficiency, "black_box": black_box}

    good = {50: 0.01, 500: 0.01}
    assert fewer([run(good, {50: 0.2, 500: 0.02})]).verdict == PARTLY  # the paper's own baseline was not run
    assert fewer([run(good, {50: 0.02, 500: 0.02})]).verdict == NOT
    assert fewer([run(good, {}), run({50: 0.2, 500: 0.3}, {50: 0.3})]).verdict == NOT
    assert fewer([run({50: 0.01}, {})]).verdict == UNTESTED
    some = fewer([run({5: 0.01, 50: 0.01}, {50: 0.2}), run({50: 0.01}, {})])  # 5: only one of two seeds
    assert "physics from 50 sequences on" in some.found
    assert some.who == "improved, 2 seeds"
