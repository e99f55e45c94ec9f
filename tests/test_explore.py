"""Playing with a trained model: the weights that come with the project, the what-if engine, the widgets."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pig_core.build import build_model
from pig_core.checkpoint import load_model, read_config, save_model
from pig_core.config import make_config
from pig_core.corrections import refine
from pig_core.run import Run
from pig_core.system import CHECKPOINT, RunError, weights_folder
from pig_core.tasks import TASKS
from pig_lab.images import OBJECT_COLORS, last_errors, own_colors, typical_and_worst
from pig_lab.report.explorer import Explorer
from pig_lab.report.page import _LINK, PAGES, _to_page
from pig_lab.report.whatif import WhatIf, ask, loss_along
from pig_lab.trained import finished_runs, open_checkpoint, open_task, publish, save_small

from .browser import browser_tab, needs_chromium

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def spring():
    return open_task("spring_color", 3)


@pytest.mark.parametrize("task", TASKS)
def test_the_weights_of_every_task_predict_its_videos(task):
    """On videos that are in no data file: objects where they are, predictions that follow."""
    path = weights_folder() / f"{task}.safetensors"
    assert path.stat().st_size < 2 * 2**20
    metrics = open_checkpoint(path, 6).evaluation.metrics
    assert metrics["pred_loss"] < TASKS[task].pred_threshold
    assert metrics["position_rms"] < 0.5


def test_the_small_form_of_a_checkpoint_draws_the_same(tiny, tmp_path):
    run = Run.start(tiny(save_dir=str(tmp_path / "run")))
    run.train()
    video = torch.rand(1, 12, 3, 32, 32)
    with torch.no_grad():
        before = run.model(video)
        save_small(tmp_path / "small.safetensors", run.model, run.config)
        again = build_model(run.config)
        load_model(tmp_path / "small.safetensors", again, run.config)
        after = again(video)
    torch.testing.assert_close(after.prediction, before.prediction, atol=1e-5, rtol=0)
    torch.testing.assert_close(after.recons, before.recons, atol=1e-5, rtol=0)
    assert (tmp_path / "small.safetensors").stat().st_size < (tmp_path / "run" / CHECKPOINT).stat().st_size / 5
    assert read_config(tmp_path / "small.safetensors") == run.config


def test_a_search_around_the_first_guess_finds_digits_that_are_pixels_away():
    """A digit fits a wrong part of itself, too: from four pixels away descent alone often stays there."""
    digits = open_task("mnist_spring_color", 2)
    frames, positions = digits.evaluation.video.flatten(0, 1)[:40], torch.from_numpy(digits.evaluation.truth)
    found, _ = digits.model.encode_frames(frames)
    generator = torch.Generator().manual_seed(0)
    angle = 2 * torch.pi * torch.rand(found.shape[:2], generator=generator)
    start = found + 4 * torch.stack([angle.cos(), angle.sin()], -1)
    away = {
        search: (refine(digits.model.decoder, frames, start, 6, search) - found).norm(dim=-1).gt(0.5).float().mean()
        for search in (0.0, 4.0)
    }
    assert away[4.0] < 0.7 * away[0.0]
    assert (found - positions.flatten(0, 1)[:40]).std(0).max() < 0.3  # and what it finds is where the digits are


@pytest.mark.parametrize(
    "options",
    [{"truth": "k=3"}, {"n_train": 60}, {"datapoints": 30}, {"dynamics_lr": 1e-3}, {"coordinates": "released"}],
)
def test_only_runs_of_the_plain_recipe_are_published(options, tmp_path, monkeypatch):
    monkeypatch.setattr("pig_core.system.project_root", lambda: tmp_path)
    for name, more in (("plain", {"save_dir": "elsewhere", "print_interval": 7}), ("other", options)):
        config = make_config(seed=3, **more)
        save_model(tmp_path / name / CHECKPOINT, build_model(config), config)
    assert publish(tmp_path / "plain" / CHECKPOINT).is_file()
    with pytest.raises(RunError, match=f"it differs in {next(iter(options))}$"):
        publish(tmp_path / "other" / CHECKPOINT)


def test_a_run_that_cannot_answer_is_not_offered(tmp_path, monkeypatch):
    """Frames without objects are not; a law of one's own is, and its task is asked for."""
    monkeypatch.setattr("pig_core.system.project_root", lambda: tmp_path)
    no_objects = {"locality_steps": 0, "decoder_steps": 0, "vision_steps": 0, "dynamics_steps": 0, "start_prior": False}
    own = replace(TASKS["spring_color"], name="own")
    runs = {
        "frames": (make_config(cell_type="video_lstm", recurrent_units=8, epochs=1, **no_objects), None),
        "own": (make_config(own), own),
        "spring": (make_config(), None),
    }
    for name, (config, task) in runs.items():
        folder = tmp_path / "reports" / "runs" / "some" / name
        save_model(folder / CHECKPOINT, build_model(config, task), config)
        (folder / "metrics.json").write_text("{}")
    assert list(finished_runs()) == ["some/own", "some/spring"]
    assert "own is not in the catalogue" in Explorer().picture.value
    assert "<img" in Explorer("some/own", [own]).picture.value
    trained = open_checkpoint(tmp_path / "reports" / "runs" / "some" / "own" / CHECKPOINT, 2, own)
    assert ask(trained, 0, WhatIf()).rollout.shape == (26, 2, 2)


def test_asking_nothing_gives_the_models_own_prediction(spring):
    answer = ask(spring, 1, WhatIf())
    torch.testing.assert_close(answer.prediction, spring.evaluation.output.prediction[1], atol=1e-4, rtol=0)
    before = spring.model.physics.values()
    stiff = ask(spring, 1, WhatIf({"k": 8.0}))
    assert spring.model.physics.values() == before  # the model itself is not changed
    assert stiff.loss > 3 * answer.loss
    turned = ask(spring, 1, WhatIf(turn=360.0))
    torch.testing.assert_close(turned.rollout, answer.rollout, atol=1e-2, rtol=0)


def test_the_loss_is_smallest_at_the_true_constants(spring):
    values = [3.0, 3.5, 4.0, 4.5, 5.0]
    assert min(zip(loss_along(spring, 0, "k", values, WhatIf()), values, strict=True))[1] == 4.0
    lengths = [5.0, 5.5, 6.0, 6.5, 7.0]
    assert min(zip(loss_along(spring, 0, "l", lengths, WhatIf()), lengths, strict=True))[1] == 6.0


def test_impossible_questions_are_refused_in_a_sentence(spring):
    with pytest.raises(RunError, match="g = 3 cannot be asked of spring_color; allowed: k > 0, l > 0"):
        ask(spring, 0, WhatIf({"g": 3.0}))
    with pytest.raises(RunError, match="k = -1 cannot be asked"):
        ask(spring, 0, WhatIf({"k": -1.0}))
    with pytest.raises(RunError, match="there is no task 'pendulum'"):
        open_task("pendulum")
    with pytest.raises(RunError, match="there is no run 'mine'"):
        Explorer("mine")


def test_without_weights_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr("pig_core.system.project_root", lambda: tmp_path)
    with pytest.raises(RunError, match="train with `make run TASK=3bp_color`"):
        open_task("3bp_color")
    with pytest.raises(RunError, match="there is no finished run: `papermill"):
        finished_runs()


def test_every_widget_changes_what_it_says():
    explorer = Explorer()
    for name in (name for name in explorer.runs if name.startswith(("spring_color ", "bouncing_balls "))):
        explorer.run.value = name
        first = explorer.picture.value
        explorer.frame.value = explorer.frame.max
        assert explorer.picture.value != first
        assert "extrapolated" in explorer.picture.value
        assert "reconstruction: not reconstructed" in explorer.picture.value
        for slider in explorer.sliders.values():
            loss, curve = explorer.answer.loss, explorer.curve.value
            slider.index += 3
            assert explorer.answer.loss != loss
            assert explorer.curve.value != curve
        explorer.as_learned()
        panels = explorer.picture.value.count("<img")
        explorer.panels["masks"].value = not explorer.panels["masks"].value
        assert abs(explorer.picture.value.count("<img") - panels) == 1
    started = time.perf_counter()
    for frame in range(1, 11):
        explorer.frame.value = frame
    assert (time.perf_counter() - started) / 10 < 0.05  # seconds for each frame


def test_a_run_that_cannot_be_opened_says_so_and_the_others_still_work(tmp_path, monkeypatch):
    folder = tmp_path / "reports" / "results" / "weights"
    folder.mkdir(parents=True)
    shutil.copy(weights_folder() / "spring_color.safetensors", folder)
    old = tmp_path / "reports" / "runs" / "spring_color" / "old"
    old.mkdir(parents=True)
    (old / "metrics.json").write_text("{}")
    (old / CHECKPOINT).write_bytes(b"not a checkpoint")
    monkeypatch.setattr("pig_core.system.project_root", lambda: tmp_path)
    explorer = Explorer()
    explorer.run.value = "spring_color/old"
    assert "checkpoint" in explorer.picture.value
    assert "<img" not in explorer.picture.value
    explorer.frame.value += 1  # nothing breaks
    explorer.run.value = next(iter(explorer.runs))
    assert "<img" in explorer.picture.value


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks; yields its address."""
    tmp_path = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    port = _free_port()
    arguments = f"lab --allow-root --no-browser --port {port} --IdentityProvider.token=".split()
    root = f"--ServerApp.root_dir={tmp_path / 'notebooks'}"
    command = [str(Path(sys.executable).with_name("jupyter")), *arguments, root]
    own = {name: str(tmp_path / "jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    environment = {**os.environ, **own, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(240):
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.25)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


# The boxes of all controls: [left, right, top, bottom] with their text.
CONTROLS = """[...document.querySelectorAll(".pig-explorer :is(.widget-inline-hbox, .jupyter-button)")].map(node => {
    const { left, right, top, bottom } = node.getBoundingClientRect();
    return [node.innerText, left, right, top, bottom];
  }).filter(([text]) => text)"""


@needs_chromium
def test_a_slider_moved_in_jupyterlab_changes_the_picture(lab):
    with browser_tab(viewport={"width": 1300, "height": 1500}) as (tab, _, _):
        tab.set_default_timeout(120_000)
        tab.goto(f"{lab}/lab/tree/explore.ipynb")
        tab.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        tab.click('.lm-MenuBar-item:has-text("Run")')
        tab.click('.lm-Menu-item:has-text("Run All Cells") >> nth=0')
        picture = tab.locator('img[alt^="prediction"]')
        picture.wait_for()
        loss = tab.get_by_text(re.compile("squared error per predicted frame"))
        before, source = loss.inner_text(), picture.get_attribute("src")
        shown = tab.evaluate(CONTROLS)
        assert len(shown) >= 11  # run, video, five images, frame, g, speed, turn, as learned
        for i, (one, left, right, top, bottom) in enumerate(shown):
            for other, l2, r2, t2, b2 in shown[i + 1 :]:
                apart = right <= l2 + 1 or r2 <= left + 1 or bottom <= t2 + 1 or b2 <= top + 1
                assert apart, f"{one} and {other} lie over one another"
        handle = tab.locator('.widget-inline-hbox:has-text("speed") :is(.noUi-handle, [role=slider])').first
        handle.focus()
        for _ in range(4):
            tab.keyboard.press("ArrowRight")
        tab.wait_for_function("before => !document.body.innerText.includes(before)", arg=before)
        assert loss.inner_text() != before
        assert picture.get_attribute("src") != source


def test_every_link_of_a_notebook_opens_in_jupyterlab_and_has_a_page(lab):
    links = {
        (path.name, link)
        for path in [*(ROOT / "notebooks").glob("*.ipynb"), ROOT / "notebooks" / "README.md"]
        for link in re.findall(r"\]\(([^)\s\\]+)\)|href=.\"([^\"]+)", path.read_text())
    }
    local = {(name, either[0] or either[1]) for name, either in links if "://" not in "".join(either)}
    assert len(local) > 25
    pages = {f'href="{page}.html"' for page in PAGES}
    for name, link in local:
        with urllib.request.urlopen(f"{lab}/api/contents/{link.partition('#')[0]}") as answer:
            assert answer.status == 200, (name, link)
        if name != "README.md":
            assert _LINK.sub(_to_page, f'href="{link}"') in pages, (name, link)


@needs_chromium
def test_a_link_in_jupyterlab_opens_the_other_notebook(lab):
    with browser_tab(viewport={"width": 1300, "height": 900}) as (tab, _, _):
        tab.set_default_timeout(120_000)
        tab.goto(f"{lab}/lab/tree/data.ipynb")
        tab.get_by_role("link", name="Back to the report").click()
        tab.locator(".jp-NotebookPanel:not(.lm-mod-hidden)", has_text="Physics").first.wait_for()
        tab.locator('.lm-TabBar-tab[title*="report.ipynb"]').wait_for()


def test_objects_are_drawn_in_their_own_colours_and_the_worst_video_is_the_worst():
    video, masks = torch.zeros(3, 4, 3, 8, 8), torch.zeros(3, 4, 2, 8, 8)
    where = {0: (1, slice(0, 2)), 1: (2, slice(5, 7))}  # object -> channel (green, blue) and rows
    for j, (channel, rows) in where.items():
        for t in range(4):
            video[:, t, channel, rows, t : t + 2] = 1.0
            masks[:, t, j, rows, t : t + 2] = 1.0
    green, blue = own_colors(video, masks)
    assert green == OBJECT_COLORS[1]
    assert blue == OBJECT_COLORS[0]
    assert own_colors(video[:, :, :1], masks) == OBJECT_COLORS  # grey: as they come

    evaluation = open_task("spring_color", 5).evaluation
    errors, (typical, worst) = last_errors(evaluation), typical_and_worst(evaluation)
    assert errors[worst] == errors.max()
    assert errors[typical] == sorted(errors)[2]
    offset = torch.tensor(evaluation.metrics["position_offset"]).numpy()
    ahead = evaluation.rollout[worst, -1] - offset - evaluation.truth[worst, -1]
    assert errors[worst] == pytest.approx((ahead**2).mean() ** 0.5)
