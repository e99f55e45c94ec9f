"""A run in trouble: damaged data, gradients that are not finite, more asked for than there is."""

import dataclasses
import json

import pytest
import torch

from pig_core.config import task_of
from pig_core.data import ensure_file
from pig_core.run import Run
from pig_core.stages import vision_stage
from pig_core.system import DataError
from pig_core.training import Diverged, Session, run_stage

from .conftest import load


def test_a_bad_test_file_is_found_before_the_training(tiny, tmp_path):
    config = tiny(data_dir=str(tmp_path / "data"), save_dir=str(tmp_path / "run"))
    ensure_file(config, task_of(config), 30).write_text("damaged")
    with pytest.raises(DataError, match=r"sl30.*damaged"):
        Run.start(config)
    assert not (tmp_path / "run").exists()


def test_a_file_of_another_size_is_not_taken_for_the_one_asked_for(tiny):
    ensure_file(tiny(), task_of(tiny()), 12)
    with pytest.raises(DataError, match="was simulated with 60 train sequences, 5000 are asked for"):
        load(tiny(n_train=5000), "train", 12)


def test_a_run_that_diverged_is_still_judged_and_saved(tiny, tmp_path):
    run = Run.start(tiny(save_dir=str(tmp_path / "diverged")))
    run.train()
    run.model.physics.logs["k"].data.fill_(60.0)
    run.evaluate()
    saved = json.loads((run.save() / "metrics.json").read_text())
    assert saved["predicted"] is False
    assert saved["pred_loss"] is None or saved["pred_loss"] > 3


def test_a_step_without_a_finite_gradient_does_not_reach_the_weights(tiny, tmp_path):
    run = Run.start(tiny(save_dir=str(tmp_path / "nan")))
    stage = vision_stage(run.model, run.config, run.frames)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    bad = dataclasses.replace(stage, steps=5, losses=lambda step: {"loss": stage.losses(step)["loss"] * float("nan")})
    session = Session()
    with pytest.raises(Diverged, match=r"5 steps in a row had no finite gradient in stage vision, .*step 5 \(encoder"):
        run_stage(run.model, run.config, bad, session)  # all of its steps, few as they are
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())
    assert session.curves == []


@pytest.mark.parametrize(("length", "given_up"), [(15, False), (25, True)])
def test_many_steps_in_a_row_without_a_finite_gradient_end_a_run(length, given_up, tiny, tmp_path):
    """Wherever they are: numbers are only read at the first and the last of these steps."""
    run = Run.start(tiny(save_dir=str(tmp_path / "nan"), print_interval=1000))
    stage = vision_stage(run.model, run.config, run.frames)
    weight = run.model.decoder.log_sigma

    def losses(step):
        return {"loss": weight.square().sum() * (float("nan") if 5 <= step < 5 + length else 1.0)}

    bad, session = dataclasses.replace(stage, steps=40, losses=losses), Session()
    if given_up:
        with pytest.raises(
            Diverged, match="25 steps in a row had no finite gradient in stage vision, the last in step"
        ):
            run_stage(run.model, run.config, bad, session)
    else:
        run_stage(run.model, run.config, bad, session)
        assert [point["step"] for point in session.curves] == [0, 20, 25, 30, 35, 39]
    assert torch.isfinite(weight).all()


def test_more_videos_than_there_are_are_not_taken_silently(tiny, tmp_path, capsys):
    run = Run.start(tiny(save_dir=str(tmp_path / "run"), datapoints=99, batch_size=200, epochs=1))
    told = ["datapoints is 99, but there are 60 training videos", "batch_size is 200, but there are 60 training videos"]
    said = capsys.readouterr().out
    assert all(line in said and line in (run.folder / "log.txt").read_text() for line in told)
    Run.start(tiny(save_dir=str(tmp_path / "other"), datapoints=60, batch_size=60, epochs=1))
    assert "but there are" not in capsys.readouterr().out
