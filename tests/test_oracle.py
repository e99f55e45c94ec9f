"""The best possible measurement: fits to exact positions, against what was measured independently of this code."""

import dataclasses

import pytest

from pig_core.config import make_config
from pig_core.evaluation import oracle
from pig_core.evaluation.oracle import oracle_fit


def test_fewer_substeps_than_the_simulation_shift_the_best_k():
    best = oracle_fit("spring_color", 60)
    assert best["k"] == pytest.approx(3.992, abs=0.001)  # the prototype's fit, made before this code existed
    assert best["l"] == pytest.approx(6.0, abs=0.003)


def test_with_the_simulations_own_substeps_the_fit_is_the_truth(monkeypatch):
    plain = make_config("3bp_color")
    monkeypatch.setattr(oracle, "make_config", lambda name: dataclasses.replace(plain, substeps=10))
    assert oracle_fit("3bp_color", 30)["g"] == pytest.approx(60.0, abs=0.01)
