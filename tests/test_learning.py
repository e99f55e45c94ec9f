"""Real learning, in seconds: objects are found in pixels and the physics between them is measured."""

import numpy as np
import pytest

from pig_core.common.recorder import Session
from pig_core.config import make_config
from pig_core.evaluation.evaluate import evaluate
from pig_core.runs.run import Run
from pig_core.stages import locality_stage
from pig_core.training import run_stage


def learn(data_dir, folder, **options):
    """A run on 400 short sequences with fewer steps than the recipe takes."""
    config = make_config(
        data_dir=str(data_dir), save_dir=str(folder), simulate=True, n_train=400, n_eval=50, vision_steps=0,
        decoder_steps=60, dynamics_steps=250, dynamics_batch=128, **options,
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


@pytest.mark.parametrize("seed", [0, 1])
def test_locality_alone_separates_three_bodies(seed, tmp_path):
    config = make_config("3bp_color", data_dir=str(tmp_path), save_dir=str(tmp_path / "run"), simulate=True,
                         n_train=100, n_eval=20, seed=seed)  # fmt: skip
    run = Run.start(config)
    run_stage(run.model, config, locality_stage(run.model, config, run.frames), Session())
    metrics = evaluate(run.model, config, "valid", 20).metrics
    assert metrics["position_rms"] < 0.2
    assert np.abs(metrics["position_offset"]).max() < 0.2
