"""Watching a training: moments that are kept, and the replay that a reader scrubs through."""

import numpy as np
import pytest

from pig_core.system import RunError, replays_folder
from pig_core.tasks import TASKS
from pig_lab.replay import Replay, moments_of
from pig_lab.report.panels import committed_replay, replay_player

from .browser import browser_tab, needs_chromium


def test_moments_come_ever_less_often_and_the_last_step_is_one_of_them():
    steps = sorted(moments_of(400, 12))
    assert steps[0] == 1
    assert steps[-1] == 400
    assert len(steps) <= 12
    assert (np.diff(np.diff(steps)) >= 0).all()
    assert moments_of(3, 12) == {1, 2, 3}
    assert moments_of(50, 1) == {50}


@pytest.mark.parametrize("task", TASKS)
def test_the_committed_replays_show_masks_that_separate_and_constants_that_climb(task):
    path = replays_folder() / f"{task}-improved-s0.npz"
    assert path.stat().st_size < 200_000
    replay = committed_replay(task)
    assert len(replay.about["commit"]) == 40, "made from a checkout with changes"
    assert (replay.about["task"], replay.about["seed"]) == (task, 0)
    first, last = replay.moments[0], replay.moments[-1]
    frame = replay.first.astype(int)
    for name, truth in TASKS[task].truth.items():
        assert first.constants[name] == 1
        assert abs(last.constants[name] / truth - 1) < 0.01
    assert np.square(last.drawn - frame).mean() < 0.1 * np.square(first.drawn - frame).mean()
    assert len(np.unique(last.masks.reshape(len(last.masks), -1).argmax(1))) == TASKS[task].n_objects
    assert {m.stage for m in replay.moments} >= {"start", "locality", "decoder"}


def test_a_damaged_or_missing_replay_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(RunError, match=r"there is no replay .*: a run that is watched"):
        Replay.load(tmp_path / "replay.npz")
    for content in (b"PK no zip file", b"text", b""):
        (tmp_path / "replay.npz").write_bytes(content)
        with pytest.raises(RunError, match="is damaged or not the replay of a training") as refused:
            Replay.load(tmp_path / "replay.npz")
        assert "unsafely" not in str(refused.value)
    with pytest.raises(RunError, match=r"there is no replay .*pendulum-improved-s0.npz"):
        committed_replay("pendulum")
    empty = Replay(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), {})
    assert "no recorded moments" in replay_player(empty, {}).data


@needs_chromium
def test_the_replay_is_scrubbed_by_slider_and_keys_and_shows_what_was_kept(tmp_path):
    replay = committed_replay("spring_color")
    page = tmp_path / "replay.html"
    page.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{replay_player(replay, {'k': 4.0, 'l': 6.0}).data}")
    drawn = [moment.drawn for moment in replay.moments]
    with browser_tab(offline=True, viewport={"width": 390, "height": 800}) as (tab, problems, requests):
        tab.goto(page.as_uri())
        slider, canvas = tab.get_by_label("moment of the training"), tab.get_by_role("img", name="frame 1, drawn")
        slider.wait_for()

        def shown():
            all_bytes = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
            return np.array(canvas.evaluate(all_bytes)).reshape(*drawn[0].shape[:2], 4)[..., :3]

        np.testing.assert_array_equal(shown(), drawn[0])
        assert slider.get_attribute("aria-valuetext") == "before training"
        slider.press("End")
        assert slider.get_attribute("aria-valuetext") == "dynamics, update 400 of 400"
        np.testing.assert_array_equal(shown(), drawn[-1])
        assert "k = 3.99 (true 4)" in tab.locator(".pig-said").inner_text()
        for _ in range(3):
            slider.press("ArrowLeft")
        assert slider.input_value() == str(len(replay.moments) - 4)
        slider.press("Home")
        tab.get_by_role("button", name="play").click()
        tab.wait_for_function("document.querySelector('input').value > 0")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert not problems
        assert all(url.startswith(("file:", "data:")) for url in requests)
