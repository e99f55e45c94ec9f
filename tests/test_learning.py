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


def learn(data_dir, folder, **options):
    """A run on 400 short sequences with fewer steps than the recipe takes."""
    config = make_config(
        data_dir=str(data_dir), save_dir=str(folder), simulate=True, n_train=400, n_eval=50, vision_steps=0,
        decoder_steps=60, dynamics_steps=250, **options,
    )  # fmt: skip
    run = Run.start(config)
    run.train()
    return run.evaluate()


@pytest.mark.parametrize(("truth", "k", "l"), [("", 4.0, 6.0), ("k=2.5,l=7", 2.5, 7.0)])
def test_the_spring_in_the_videos_is_measured_whatever_it_is(truth, k, l, tmp_path):  # noqa: E741
    metrics = learn(tmp_path / "data", tmp_path / "run", truth=truth)
    assert metrics["discovered"]
    assert metrics["predicted"]
    assert metrics["position_rms"] < 0.1
    assert metrics["learned"]["k"] == pytest.approx(k, rel=0.02)
    assert metrics["learned"]["l"] == pytest.approx(l, rel=0.02)
    assert metrics["rollout_rms_per_step"][-1] < 1.0


@pytest.mark.parametrize(
    ("like", "changes", "options"),
    [
        ("spring_color", {"n_objects": 3, "image_size": 40, "speed": 4.0}, {"dynamics_steps": 300}),
        ("3bp_color", {"n_objects": 4, "image_size": 44, "speed": 2.5, "test_length": 24, "pred_steps": 8,
                       "train_length": 12}, {"dynamics_steps": 200, "physics_lr_scale": 30.0}),
    ],
    ids=["three discs on springs", "four bodies"],
)  # fmt: skip
def test_other_numbers_of_objects_are_found_and_measured(like, changes, options, tmp_path):
    task = replace(TASKS[like], name="more", **changes)
    config = make_config(
        task, data_dir=str(tmp_path), save_dir=str(tmp_path / "run"), simulate=True, n_train=120, n_eval=5,
        vision_steps=0, decoder_steps=60, start_prior=False, **options,
    )  # fmt: skip
    run = Run.start(config, task)
    run.train()
    metrics = run.evaluate()
    assert metrics["discovered"]
    assert metrics["predicted"]
    assert metrics["position_rms"] < 0.15
    assert len(metrics["position_offset"]) == task.n_objects
    assert metrics["learned"] == pytest.approx(dict(task.truth), rel=0.02)


@pytest.mark.parametrize("seed", [0, 1])
def test_locality_alone_separates_three_bodies(seed, tmp_path):
    config = make_config("3bp_color", data_dir=str(tmp_path), save_dir=str(tmp_path / "run"), simulate=True,
                         n_train=100, n_eval=20, seed=seed)  # fmt: skip
    run = Run.start(config)
    run_stage(run.model, config, locality_stage(run.model, config, run.frames), Session())
    metrics = evaluate_video(run.model, True, *run.held_out["valid"]).metrics
    assert metrics["position_rms"] < 0.2
    assert np.abs(metrics["position_offset"]).max() < 0.2
