"""A run in trouble: damaged data, gradients that are not finite, more asked for than there is."""

import dataclasses
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pig_core.checkpoint import read_config
from pig_core.config import task_of
from pig_core.data import ensure_file, simulate
from pig_core.physics import Constant, Spring
from pig_core.run import Run
from pig_core.stages import dynamics_stage, vision_stage
from pig_core.system import DataError, RunError, SimulationError, spare_busy_cores
from pig_core.tasks import TASKS
from pig_core.training import Diverged, Session, run_stage

from .conftest import load


def test_a_bad_test_file_is_found_before_the_training(tiny, tmp_path):
    config = tiny(data_dir=str(tmp_path / "data"), save_dir=str(tmp_path / "run"))
    ensure_file(config, task_of(config), 30).write_text("damaged")
    with pytest.raises(DataError, match=r"sl30.*damaged"):
        Run.start(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.full((12, 30, 2, 2), np.nan, np.float32), "test_pos in .* holds values that are not finite"),
        (np.zeros((12, 9, 2, 2), np.float32), r"test_pos in .* is float32 \(12, 9, 2, 2\), expected float32 \(12, 30"),
        (np.zeros((12, 30, 2, 2)), "test_pos in .* is float64"),
    ],
)
def test_positions_that_cannot_judge_a_run_are_found_before_the_training(array, says, tiny, tmp_path):
    config = tiny(data_dir=str(tmp_path / "data"), save_dir=str(tmp_path / "run"))
    path = ensure_file(config, task_of(config), 30)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"test_pos": array})
    with pytest.raises(DataError, match=says):
        Run.start(config)
    assert not (tmp_path / "run").exists()


def test_a_file_of_another_size_is_not_taken_for_the_one_asked_for(tiny):
    ensure_file(tiny(), task_of(tiny()), 12)
    with pytest.raises(
        DataError, match=r"with 60 train sequences, 5000 are asked for: .*; datapoints trains on the first"
    ):
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


class Quadratic(Spring):
    """Friction that grows with the square of the speed: far too strong where learning starts."""

    constants = {**Spring.constants, "c": Constant()}
    reversible = False

    def acceleration(self, pos, vel, action=None):
        return super().acceleration(pos, vel) - self.value("c") * vel * vel.norm(dim=-1, keepdim=True)


def test_a_start_that_leaves_no_finite_gradient_is_named_as_the_cause(tiny, tmp_path):
    task = replace(TASKS["spring_color"], name="quadratic", law=Quadratic, truth={"k": 4.0, "l": 6.0, "c": 0.02})
    run = Run.start(tiny(task, save_dir=str(tmp_path / "run"), dynamics_steps=3), task)
    positions = torch.from_numpy(simulate(task, 60, 10, np.random.default_rng(0)).positions).float()
    stage = dynamics_stage(run.model, run.config, run.frames, positions=positions)
    with pytest.raises(Diverged, match=r"c = 1, where learning starts, is the cause, .* Constant\(start=0.01\)"):
        run_stage(run.model, run.config, stage, Session())
    assert run.model.physics.values() == {"k": 1.0, "l": 1.0, "c": 1.0}
    with pytest.raises(SimulationError, match="Quadratic has no constant 'q'; it has k, l, c"):
        run.model.physics.value("q")


def test_a_simulation_that_is_killed_leaves_no_hidden_file(tmp_path):
    command = [sys.executable, "-m", "pig_core", "--data_dir", tmp_path, "--simulate", "--n_train", "200000"]
    with subprocess.Popen([*command, "--save_dir", tmp_path / "run"], stdout=subprocess.PIPE, text=True) as process:
        assert "simulating" in process.stdout.readline()
        while not list(tmp_path.rglob(".*partial*")):
            time.sleep(0.05)
            assert process.poll() is None
        process.terminate()
    assert process.returncode == 143
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_of_another_program_is_not_said_to_have_a_format(tmp_path):
    save_file({"w": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(RunError, match="was not written by this program: it does not say which options made it"):
        read_config(tmp_path / "other.safetensors")


@pytest.mark.parametrize(("busy", "given", "threads"), [(0, None, 4), (75, None, 2), (100, None, 1), (100, "4", 4)])
def test_threads_are_as_many_as_cores_are_idle(busy, given, threads, monkeypatch):
    """Two of eight cores are idle, say, of which four are ours."""
    used = [4]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.setattr("psutil.cpu_count", lambda: 8)
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: busy)
    monkeypatch.setattr(torch, "get_num_threads", lambda: used[-1])
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    spare_busy_cores()
    assert used[-1] == threads


def test_more_videos_than_there_are_are_not_taken_silently(tiny, tmp_path, capsys):
    run = Run.start(tiny(save_dir=str(tmp_path / "run"), datapoints=99, batch_size=200, epochs=1))
    told = ["datapoints is 99, but there are 60 training videos", "batch_size is 200, but there are 60 training videos"]
    said = capsys.readouterr().out
    assert all(line in said and line in (run.folder / "log.txt").read_text() for line in told)
    Run.start(tiny(save_dir=str(tmp_path / "other"), datapoints=60, batch_size=60, epochs=1))
    assert "but there are" not in capsys.readouterr().out
