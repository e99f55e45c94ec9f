"""Interrupted runs: a process that is really killed leaves nothing broken, and going on gives the same bits."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from pig_core.__main__ import main as program
from pig_core.build import build_model
from pig_core.checkpoint import load_model, load_tensors, save_session
from pig_core.data import data_path
from pig_core.run import Observer, Run
from pig_core.run import main as train
from pig_core.system import CHECKPOINT, UNFINISHED, RunError
from pig_core.training import Session
from pig_lab.replay import PICTURES, Replay, watch

from .conftest import JOINT_ONLY, TINY

OPTIONS = {
    "paper": {"epochs": 5, "batch_size": 20, "save_every_n_epochs": 2, "eval_every_n_epochs": 100},
    "improved": {"locality_steps": 3, "decoder_steps": 3, "vision_steps": 3, "dynamics_steps": 30, "epochs": 1},
}


# ``train`` in a process of its own, with the moments of the training kept.
WATCHED = "import sys; from pig_core.run import main; from pig_lab.replay import watch; main(sys.argv[1:], watch)"


def options_of(recipe, data_dir, folder):
    stages = {} if recipe == "improved" else JOINT_ONLY
    options = {**TINY, **stages, "recipe": recipe, **OPTIONS[recipe], "data_dir": data_dir, "save_dir": folder}
    return [f"--{name}={value}" for name, value in options.items()]


@pytest.mark.parametrize("recipe", OPTIONS)
def test_a_killed_run_goes_on_to_the_same_bits(recipe, data_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # in both processes: the order of sums depends on it
    torch.set_num_threads(1)
    train(options_of(recipe, data_dir, tmp_path / "whole"), watch)
    killed = options_of(recipe, data_dir, tmp_path / "killed")
    process = subprocess.Popen([sys.executable, "-c", WATCHED, *killed], stdout=subprocess.DEVNULL)
    unfinished = tmp_path / "killed" / UNFINISHED
    while not unfinished.exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert unfinished.exists(), "the run ended before it could be killed"
    assert not (tmp_path / "killed" / "metrics.json").exists()
    unfinished_copy = tmp_path / UNFINISHED
    shutil.copy(unfinished, unfinished_copy)  # complete, whenever the kill came

    assert program(killed) == 2
    refused = capsys.readouterr().err
    assert "already holds a run" in refused
    assert "resume=True" in refused
    assert program([*killed, "--resume=True", "--seed=5"]) == 2
    assert "left by a run with other options: seed=0 (here 5)" in capsys.readouterr().err

    train([*killed, "--resume=True"], watch)
    # Left in the middle of the only stage, it must go on there, not start again.
    assert recipe == "improved" or load_tensors(unfinished_copy)[1]["session"]["step"] > 0
    whole, resumed = (load_tensors(tmp_path / name / CHECKPOINT)[0] for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    first, second = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "killed"))
    for key in ("learned", "recons_loss", "pred_loss", "extrap_loss", "steps"):
        assert first[key] == second[key]
    first, second = (Replay.load(tmp_path / name / "replay.npz") for name in ("whole", "killed"))
    assert [(m.stage, m.step, m.constants) for m in first.moments] == [
        (m.stage, m.step, m.constants) for m in second.moments
    ]
    for one, other in zip(first.moments, second.moments, strict=True):
        for name in PICTURES:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert not unfinished.exists()


def test_what_shapes_no_result_may_change_when_a_run_goes_on(tiny, tmp_path):
    """The optimiser sgd remembers nothing, which is resumed as well."""
    options = {"save_dir": str(tmp_path / "run"), "epochs": 2, "batch_size": 20, "optimizer": "sgd", **JOINT_ONLY}
    first = Run.start(tiny(**options))
    save_session(first.folder / UNFINISHED, first.model, first.config, Session(step=3, optimizer={}))
    again = Run.start(tiny(**{**options, "save_every_n_epochs": 3}, resume=True, print_interval=7))
    again.train()
    assert again.session.finished == ["joint"]
    save_session(first.folder / UNFINISHED, first.model, first.config, Session(step=3, optimizer={}))
    with pytest.raises(RunError, match=r"other options: autoencoder_loss=3.0 \(here 2.0\)"):
        Run.start(tiny(**options, resume=True, autoencoder_loss=2.0))


def test_nothing_to_resume_is_said(tiny, tmp_path):
    with pytest.raises(RunError, match="there is nothing to resume in"):
        Run.start(tiny(save_dir=str(tmp_path), resume=True))


def test_training_goes_on_from_a_checkpoint(tiny, tmp_path):
    first = Run.start(tiny(save_dir=str(tmp_path / "first")))
    first.train()
    options = {"save_dir": str(tmp_path / "more"), "use_ckpt": True, "ckpt_dir": str(first.folder)}
    with pytest.raises(RunError, match="set epochs, or test_mode"):
        Run.start(tiny(**options))
    more = Run.start(tiny(**options, epochs=1, batch_size=30))
    before = {name: tensor.clone() for name, tensor in more.model.state_dict().items()}
    assert all(torch.equal(tensor, before[name]) for name, tensor in first.model.state_dict().items())
    more.train()
    assert [p["stage"] for p in more.session.curves] == ["joint", "joint"]
    again = build_model(more.config)
    load_model(more.folder / CHECKPOINT, again, more.config)
    assert not torch.equal(again.decoder.log_sigma, before["decoder.log_sigma"])


def test_predictions_outside_of_the_picture_are_counted(tiny, tmp_path):
    run = Run.start(tiny(recipe="paper", save_dir=str(tmp_path / "run"), epochs=1, batch_size=30))
    with torch.no_grad():
        run.model.velocity.mlp[-1].bias.fill_(1e4)  # pixels per second: all of them have left
    run.train()
    assert [point["outside"] for point in run.session.curves if point["stage"] == "joint"] == [1.0, 1.0]


class Stop(Observer):
    """Presses the stop button of a notebook after some steps."""

    def __init__(self):
        self.places = [("locality", 2), ("dynamics", 7), ("joint", 1)]

    def stepped(self, stage, step, steps, prepare):
        if (stage, step) in self.places:
            self.places.remove((stage, step))
            raise KeyboardInterrupt


def test_a_training_that_was_stopped_in_a_notebook_goes_on_where_it_was(tiny, tmp_path):
    options = {"dynamics_steps": 20, "epochs": 2, "batch_size": 30}
    whole = Run.start(tiny(save_dir=str(tmp_path / "whole"), **options))
    whole.train()
    run = Run.start(tiny(save_dir=str(tmp_path / "stopped"), **options))
    run.observers.append(stop := Stop())
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run.train()
    run.train()
    assert not stop.places
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in run.model.state_dict().items())


def test_a_resumed_training_must_have_the_same_videos(tiny, tmp_path):
    options = {"data_dir": str(tmp_path / "data"), "save_dir": str(tmp_path / "run")}
    run = Run.start(tiny(**options))
    run._pause(run.session, None)
    path = data_path(run.config, run.task, run.task.train_length)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "train_x": 255 - arrays["train_x"]})
    with pytest.raises(RunError, match="left by a run on other videos"):
        Run.start(tiny(**options, resume=True))
