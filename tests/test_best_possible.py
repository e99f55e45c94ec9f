"""The best possible measurement: fits to exact positions, against what was measured independently of this code."""

import pytest

from pig_core import TASKS
from pig_lab import best_possible


def test_fewer_substeps_than_the_simulation_shift_the_best_k():
    best = best_possible(TASKS["spring_color"], n=60)
    assert best["k"] == pytest.approx(3.992, abs=0.001)  # the prototype's fit, made before this code existed
    assert best["l"] == pytest.approx(6.0, abs=0.003)


def test_with_the_simulations_own_substeps_the_fit_is_the_truth():
    assert best_possible(TASKS["3bp_color"], substeps=10, n=30)["g"] == pytest.approx(60.0, abs=0.01)
