"""A run from options to files: what it leaves behind, what it refuses, and that it can be repeated."""

import dataclasses
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from pig_core.build import build_model
from pig_core.checkpoint import load_model, load_tensors, save_tensors
from pig_core.config import AUTHORS_DEFAULTS, make_config
from pig_core.model import to_video
from pig_core.run import Run, choose_folder, claim_folder
from pig_core.system import CHECKPOINT, UNFINISHED, RunError
from pig_lab.replay import Replay, watch

from .conftest import JOINT_ONLY, TINY, load

LEFT_BEHIND = {
    *("log.txt", "metrics.json", "curves.json", "replay.npz", CHECKPOINT, "templates.jpg", "rollout.gif"),
    *("outputs.npz", "extra_outputs.npz", *(f"example{i}.jpg" for i in range(5))),
}


def finish(config, *until, watched=True):
    run = Run.start(config)
    if watched:
        watch(run)
    for stage in (*until, None):
        run.train(stage)
    run.evaluate()
    run.save()
    return run


@pytest.fixture(scope="module")
def done(tmp_path_factory, data_dir):
    """One finished tiny run."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    return finish(make_config(data_dir=str(data_dir), save_dir=str(folder), **TINY))


def test_a_run_leaves_behind_what_the_authors_users_know(done):
    assert {p.name for p in done.folder.iterdir()} == LEFT_BEHIND
    metrics = json.loads((done.folder / "metrics.json").read_text())
    wanted = "task recipe seed config learned truth recons_loss pred_loss extrap_loss discovered predicted steps"
    assert {*wanted.split(), "train_seconds", "device", "versions", "commit"} <= metrics.keys()
    assert metrics["config"] == dataclasses.asdict(done.config)
    assert metrics["truth"] == {"k": 4.0, "l": 6.0}
    assert metrics["learned"].keys() == {"k", "l"}
    assert len(metrics["pred_loss_per_step"]) == len(metrics["ssim_per_step"]) == 26
    assert "eval_recons_loss" in (done.folder / "log.txt").read_text()


def test_the_replay_begins_with_the_untrained_model_and_ends_with_what_the_run_became(done):
    replay = Replay.load(done.folder / "replay.npz")
    assert replay.about == {"task": "spring_color", "recipe": "improved", "seed": 0, "commit": done.commit}
    assert list(dict.fromkeys(m.stage for m in replay.moments)) == [
        "start",
        "locality",
        "decoder",
        "vision",
        "dynamics",
    ]
    assert all(m.step <= m.steps == TINY[f"{m.stage}_steps"] for m in replay.moments[1:])
    assert replay.moments[0].constants == {"k": 1.0, "l": 1.0}
    model, last = build_model(done.config), replay.moments[-1]
    load_model(done.folder / CHECKPOINT, model, done.config)
    frames = load(done.config, "train", 12).frames[:1, :10]
    with torch.no_grad():
        output = model(to_video(frames))
    np.testing.assert_array_equal(replay.first, frames[0, 0])
    for shown, made in ((last.drawn, output.recons[0, 0]), (last.predicted, output.prediction[0, 5])):
        assert np.abs(shown - 255 * made.clamp(0, 1).movedim(0, -1).numpy()).max() <= 1
    assert np.abs(last.masks - 255 * output.masks[0, 0].numpy()).max() <= 1
    assert last.constants == pytest.approx(done.metrics["learned"])


def test_pictures_and_arrays_show_the_same_thing(done):
    with np.load(done.folder / "outputs.npz", allow_pickle=False) as file:
        video, prediction = file["input"], file["output"]
    assert video.shape == (12, 30, 32, 32, 3)
    assert prediction.shape == (12, 26, 32, 32, 3)
    assert len(imageio.imread(done.folder / "rollout.gif")) == 30
    picture = imageio.imread(done.folder / "example1.jpg")  # rows: prediction, truth, reconstruction
    side = 4 * (32 + 2)  # each frame has a border of one pixel
    assert picture.shape == (3 * side, 30 * side, 3)
    rows = picture.reshape(3, side, 30, side, 3).swapaxes(1, 2)[:, :, ::4, ::4].astype(int)  # (3, 30, 34, 34, 3)
    assert np.abs(rows[1, :, 1:-1, 1:-1] - video[1]).mean() < 4
    assert np.abs(rows[0, :4, 1:-1, 1:-1] - video[1][:4]).mean() < 4  # the input frames lead the prediction
    assert np.abs(rows[:, :, 0] - 128).mean() < 8


def test_extra_outputs_have_the_authors_arrays(done):
    with np.load(done.folder / "extra_outputs.npz", allow_pickle=False) as file:
        extra = dict(file)
    with np.load(done.folder / "outputs.npz", allow_pickle=False) as file:
        output = file["output"]
    shapes = {name: array.shape for name, array in extra.items()}
    assert shapes["enc_masks"] == (50, 32, 32, 3)
    assert shapes["masked_objs"] == (2, 50, 32, 32, 3)
    assert shapes["background_content"] == (1, 32, 32, 3)
    np.testing.assert_allclose(extra["enc_masks"].sum(-1), 1, atol=1e-5)
    drawn = (extra["transf_masks"] * extra["transf_contents"]).sum(0)  # as the authors' decoder adds them
    assert np.abs(255 * drawn - output[:5, -1]).max() <= 1


def test_the_walkthroughs_tables_for_the_authors_users_are_complete(done):
    """All of their options with their defaults; each file and each array that is named is there."""
    notebook = Path(__file__).parents[1] / "notebooks" / "walkthrough.ipynb"
    cells = ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"]]
    found = {}
    exec(next(cell for cell in cells if "AUTHORS_DEFAULTS" in cell), found)
    shown = found["options"].set_index("option")
    assert set(AUTHORS_DEFAULTS) == set(shown.index)
    assert len(shown) == 24  # with "model", of which there is one
    assert shown.loc["base_lr", ["theirs", "paper", "improved"]].tolist() == [1e-3, 6e-4, 1e-3]
    assert shown.loc["alt_vel", "here"] == "True is velocity_type linear"
    assert all(shown["here"])
    for line in next(cell for cell in cells if "| theirs | here |" in cell).splitlines()[2:]:
        theirs, ours, _ = ([*re.findall("`([^`]+)`", part)] for part in line.strip("|").split("|"))
        first = theirs[0] if theirs else ""
        files = {name for name in [first, *ours] if re.search(r"\.(npz|txt|json|gif)$", name)}
        assert files - {"animation4.gif"} <= LEFT_BEHIND
        if first.endswith(".npz"):
            with np.load(done.folder / first) as file:
                assert set(file.files).issuperset([*theirs[1:], *ours])
        if first == "log.txt":
            assert theirs[-1] in (done.folder / "log.txt").read_text()


def test_reported_losses_are_those_of_the_videos(done):
    """Recomputed from the checkpoint by hand, frame by frame."""
    model = build_model(done.config)
    load_model(done.folder / CHECKPOINT, model, done.config)
    video = to_video(load(done.config, "test", 30).frames)
    with torch.no_grad():
        output = model(video)
    error = (output.prediction - video[:, 4:]).square().sum((2, 3, 4))
    assert done.metrics["pred_loss"] == pytest.approx(error[:, :6].mean().item(), rel=1e-4)
    assert done.metrics["extrap_loss"] == pytest.approx(error[:, 6:].mean().item(), rel=1e-4)
    recons = (output.recons - video[:, :10]).square().sum((2, 3, 4)).mean().item()
    assert done.metrics["recons_loss"] == pytest.approx(recons, rel=1e-4)


def test_the_same_seed_gives_the_same_run_bit_for_bit(done, tmp_path):
    # The second one stage by stage, and without anybody looking on.
    again = finish(
        dataclasses.replace(done.config, save_dir=str(tmp_path / "again")), "decoder", "vision", watched=False
    )
    assert not (again.folder / "replay.npz").exists()
    assert [p["stage"] for p in again.session.curves] == [p["stage"] for p in done.session.curves]
    first, second = (load_tensors(run.folder / CHECKPOINT)[0] for run in (done, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = finish(dataclasses.replace(done.config, save_dir=str(tmp_path / "other"), seed=1))
    assert other.metrics["recons_loss"] != done.metrics["recons_loss"]


def test_test_mode_gives_the_same_numbers_and_leaves_the_runs_results_alone(done):
    before = {name: (done.folder / name).read_bytes() for name in ("metrics.json", "curves.json", CHECKPOINT)}
    tested = finish(dataclasses.replace(done.config, test_mode=True, use_ckpt=True))
    for name in ("recons_loss", "pred_loss", "extrap_loss", "learned"):
        assert tested.metrics[name] == done.metrics[name]
    assert {name: (done.folder / name).read_bytes() for name in before} == before
    (done.folder / "test_metrics.json").unlink()


def test_the_paper_recipe_runs_evaluates_and_saves(tiny, tmp_path):
    options = {"epochs": 2, "batch_size": 20, "save_dir": str(tmp_path / "paper"), "save_every_n_epochs": 1}
    run = finish(tiny(recipe="paper", **JOINT_ONLY, **options))
    assert run.metrics["steps"] == {"joint": 6}
    log = (run.folder / "log.txt").read_text()
    evaluated = re.findall(r" - (\w+ - epoch=\d) eval_", log)
    assert evaluated == ["valid - epoch=0", "valid - epoch=1", "valid - epoch=2", "test - epoch=2"]
    assert re.search(
        r"valid - epoch=2 eval_extrap_loss=[\d.]+ eval_pred_loss=[\d.]+ eval_recons_loss=[\d.]+ k=[\d.]+ l=[\d.]+", log
    )
    assert "command: " in log
    joint = [p for p in run.session.curves if p["stage"] == "joint"]
    assert joint[-1]["loss"] < joint[0]["loss"]


def test_options_change_what_they_say(tiny, tmp_path):
    plain = Run.start(tiny(save_dir=str(tmp_path / "a")))
    fewer = Run.start(tiny(save_dir=str(tmp_path / "b"), datapoints=7, color=False, alt_vel=True))
    assert (len(plain.frames), len(fewer.frames)) == (60, 7)
    assert fewer.model.decoder.background().shape[0] == 1
    assert type(fewer.model.velocity).__name__ == "LinearVelocity"


def test_a_folder_that_holds_a_run_is_refused_and_kept(done):
    before = {p.name: p.read_bytes() for p in done.folder.iterdir()}
    with pytest.raises(RunError, match=r"already holds a run .*choose another save_dir or set overwrite=True"):
        Run.start(done.config)
    assert {p.name: p.read_bytes() for p in done.folder.iterdir()} == before


def test_unnamed_runs_get_folders_of_their_own(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr("pig_core.system.project_root", lambda: tmp_path)
    first = choose_folder(tiny())
    assert first == tmp_path / "reports" / "runs" / "spring_color" / "improved-s0"
    assert [claim_folder(tiny(), first).name for _ in range(3)] == ["improved-s0", "improved-s0-2", "improved-s0-3"]


@pytest.mark.parametrize("damage", ["cut", "text", "other task", "not finite", "foreign"])
def test_bad_checkpoints_are_refused(damage, done, tmp_path, tiny):
    path, config, says = tmp_path / CHECKPOINT, done.config, "damaged"
    tensors, about = load_tensors(done.folder / CHECKPOINT)
    if damage == "cut":
        path.write_bytes((done.folder / CHECKPOINT).read_bytes()[:5000])
    elif damage == "text":
        path.write_text("not a checkpoint")
    elif damage == "other task":
        path.write_bytes((done.folder / CHECKPOINT).read_bytes())
        config, says = tiny("3bp_color"), r"of another model: task='spring_color' \(here '3bp_color'\)"
    elif damage == "not finite":
        tensors["decoder.log_sigma"] = torch.tensor(float("nan"))
        save_tensors(path, tensors, about)
        says = "not finite"
    elif damage == "foreign":
        from safetensors.torch import save_file

        save_file(tensors, path)
        says = "does not say which options made it"
    with pytest.raises(RunError, match=says):
        load_model(path, build_model(config), config)


def command(done, folder, *arguments, **kwargs):
    options = {name: value for name, value in vars(done.config).items() if value != "" and name != "save_dir"}
    line = [sys.executable, "-m", "pig_core", "--save_dir", str(folder)]
    for name, value in options.items():
        line += [f"--{name}", str(value)]
    return subprocess.run([*line, *arguments], capture_output=True, text=True, timeout=300, **kwargs)


def test_a_full_disk_gives_one_sentence_and_no_half_files(done, tmp_path):
    """The file size limit stands in for a full disk: both refuse a write in the middle of a file."""
    ended = command(
        done, tmp_path / "full", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("RunError: cannot write")
    assert "Traceback" not in ended.stderr
    left = {p.name for p in (tmp_path / "full").iterdir()}
    assert left <= {"log.txt", "replay.npz"}
    if "replay.npz" in left:  # so small that it still found room: it is whole
        assert len(Replay.load(tmp_path / "full" / "replay.npz").moments) > 0


def test_a_folder_that_cannot_be_made_gives_one_sentence(tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot make the folder"):
        Run.start(tiny(save_dir=str(tmp_path / "file" / "run")))
    assert (tmp_path / "file").read_text() == "in the way"


def test_two_processes_cannot_train_in_one_folder(tiny, done, tmp_path):
    """A real second process; the lock ends with its owner, so that nothing stale is left."""
    folder = tmp_path / "shared"
    run = Run.start(tiny(save_dir=str(folder)))
    ended = command(done, folder)
    assert ended.returncode == 2
    assert f"another run is using {folder}" in ended.stderr
    run.train()
    run.evaluate()
    run.save()
    assert command(done, folder, "--test_mode=True", "--use_ckpt=True").returncode == 0


def test_a_folder_holds_the_files_of_one_run(tiny, tmp_path):
    folder = tmp_path / "run"
    finish(tiny(save_dir=str(folder)))
    finish(tiny(save_dir=str(folder), test_mode=True, use_ckpt=True))
    assert (folder / "test_metrics.json").exists()
    again = Run.start(tiny("3bp_color", save_dir=str(folder), overwrite=True))
    again.train("locality")
    assert not {p.name for p in folder.iterdir()} - {"log.txt", CHECKPOINT, UNFINISHED}
    assert json.loads(json.dumps(load_tensors(folder / CHECKPOINT)[1]["config"]))["task"] == "3bp_color"


def test_numbers_are_kept_where_an_image_cannot_be_written(tiny, tmp_path, monkeypatch, capsys):
    def fails(path, *arguments, **more):
        raise OSError("no codec")

    run = Run.start(tiny(save_dir=str(tmp_path / "run")))
    run.train()
    run.evaluate()
    monkeypatch.setattr("imageio.v3.imwrite", fails)
    assert (run.save() / "metrics.json").exists()
    assert "templates.jpg was not written: " in capsys.readouterr().out


def test_paths_are_expanded_once_where_they_enter(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = make_config(save_dir="~/run", data_dir="~/data", ckpt_dir="here")
    assert (config.save_dir, config.data_dir) == (str(tmp_path / "run"), str(tmp_path / "data"))
    assert config.ckpt_dir == str(Path.cwd() / "here")
