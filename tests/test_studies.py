"""Comparisons: every variant is a valid run, and Snakemake runs exactly those that are asked for."""

import dataclasses

import pytest

from pig_core.config import RECIPES, make_config
from pig_lab.report.results import load_results, results_folder
from pig_lab.studies.studies import CHANGES, STUDIES, study_results

from .test_sweep import checkout, snakemake  # noqa: F401 (a fixture)


@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_is_a_run_that_can_start(name):
    study = STUDIES[name]
    for options in study.variants.values():
        for task in study.tasks:
            make_config(task, study.recipe, **options)
    paths = [path for path, _ in study.runs("results")]
    assert len(set(paths)) == len(paths) == len(study.variants) * len(study.tasks) * len(study.seeds)


def test_seeds_of_a_study_may_have_videos_of_their_own():
    videos = {path: options["data_seed"] for path, options in STUDIES["videos"].runs("results")}
    assert videos["results/own/3bp_color-improved-s4.json"] == 5
    assert set(videos.values()) == {1, 2, 3, 4, 5}  # 0 is the set that all other runs share
    assert "data_seed" not in STUDIES["substeps"].runs("results")[0][1]


def test_each_change_is_taken_back_and_added_alone():
    assert set(RECIPES["paper"]["all"]) - set(CHANGES) == {"epochs", "base_lr"}
    plain, paper = dataclasses.asdict(make_config()), dataclasses.asdict(make_config(recipe="paper"))
    for name, options in STUDIES["without"].variants.items():
        changed = dataclasses.asdict(make_config(**options))
        assert [n for n in changed if changed[n] != plain[n]] == [name]
        assert changed[name] == paper[name]
    nothing = STUDIES["with"].variants["nothing"]
    for name, alone in STUDIES["with"].variants.items():
        assert {n for n in alone if alone[n] != nothing.get(n)} == {name} - {"nothing"}


def test_snakemake_plans_a_study(checkout):  # noqa: F811
    plan = snakemake(checkout, "--dry-run", "--config", "study=decoder")
    assert plan.returncode == 0, plan.stderr
    text = plan.stdout + plan.stderr
    assert "reports/results/decoder/network/spring_color_half-improved-s2.json" in text
    assert text.count("rule run:") == 6
    refused = snakemake(checkout, "--dry-run", "--config", "study=decodr")
    assert refused.returncode != 0
    assert "there is no study 'decodr'; allowed: without" in refused.stdout + refused.stderr
    refused = snakemake(checkout, "--dry-run", "--config", "study=decoder", "seeds=0")
    assert refused.returncode != 0
    assert "a study says itself what runs: leave out seeds" in refused.stdout + refused.stderr


@pytest.mark.parametrize("name", STUDIES)
def test_committed_studies_are_complete_and_what_they_claim(name):
    study, results = STUDIES[name], study_results(name)
    assert set(results["variant"]) == study.variants.keys(), "run: make study"
    for variant, runs in results.groupby("variant"):
        assert set(zip(runs["task"], runs["seed"], strict=True)) == {(t, s) for t in study.tasks for s in study.seeds}
        for _, run in runs.iterrows():
            assert run["recipe"] == study.recipe
            expected = make_config(run["task"], study.recipe, **study.variants[variant])
            assert all(run["config"][option] == getattr(expected, option) for option in study.variants[variant])
        folder = results_folder() / name / variant / "curves"
        assert len(list(folder.glob("*.json"))) == len(load_results(folder.parent))
