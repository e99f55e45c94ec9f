"""Real learning, in seconds: objects are found in pixels and the physics between them is measured."""

from dataclasses import replace

import numpy as np
import pytest

from pig_core.config import make_config
from pig_core.evaluate import evaluate_video
from pig_core.run import Run
from pig_core.stages import locality_stage
from pig_core.tasks import TASKS
from pig_core.training import Session, run_stage


def test_the_spring_in_the_videos_is_measured_with_other_constants_than_the_tasks(tmp_path):
    """On 400 short sequences with fewer steps than the recipe takes."""
    few = {"n_train": 400, "n_eval": 50, "vision_steps": 0, "decoder_steps": 60, "dynamics_steps": 150}
    folders = {"data_dir": str(tmp_path / "data"), "save_dir": str(tmp_path / "run")}
    run = Run.start(make_config(truth="k=2.5,l=7", simulate=True, physics_lr_scale=30.0, **folders, **few))
    run.train()
    metrics = run.evaluate()
    assert metrics["discovered"]
    assert metrics["predicted"]
    assert metrics["position_rms"] < 0.1
    assert metrics["learned"] == pytest.approx({"k": 2.5, "l": 7.0}, rel=0.02)
    assert metrics["rollout_rms_per_step"][-1] < 1.0


def test_another_number_of_objects_is_found_and_measured(tmp_path):
    task = replace(TASKS["spring_color"], name="more", n_objects=3, image_size=40, speed=4.0)
    few = {"n_train": 120, "n_eval": 5, "vision_steps": 0, "decoder_steps": 60, "dynamics_steps": 150}
    folders = {"data_dir": str(tmp_path / "data"), "save_dir": str(tmp_path / "run")}
    run = Run.start(make_config(task, simulate=True, start_prior=False, physics_lr_scale=30.0, **folders, **few), task)
    run.train()
    metrics = run.evaluate()
    assert metrics["discovered"]
    assert metrics["predicted"]
    assert metrics["position_rms"] < 0.15
    assert len(metrics["position_offset"]) == 3
    assert metrics["learned"] == pytest.approx(dict(task.truth), rel=0.02)


def test_locality_alone_separates_three_bodies(tmp_path):
    folders = {"data_dir": str(tmp_path), "save_dir": str(tmp_path / "run")}
    config = make_config("3bp_color", simulate=True, n_train=100, n_eval=20, seed=1, **folders)
    run = Run.start(config)
    run_stage(run.model, config, locality_stage(run.model, config, run.frames), Session())
    metrics = evaluate_video(run.model, True, *run.held_out["valid"]).metrics
    assert metrics["position_rms"] < 0.2
    assert np.abs(metrics["position_offset"]).max() < 0.2
