"""The widgets of the measure notebook: what is dragged, clicked and chosen is what is measured."""

import numpy as np
import pytest

from pig_lab.measure.measure import measure
from pig_lab.measure.options import Options
from pig_lab.measure.widgets import Pointing

from . import clips
from .browser import browser_tab, needs_chromium

T = np.arange(16) / 25


@pytest.fixture
def panel(tmp_path):
    """Two discs: a red one that falls, and a blue one that moves less, evenly."""
    red = np.stack([12 + 80 * T, 12 + 100 * T**2], 1)
    blue = np.stack([70 - 45 * T, 56 + 0 * T], 1)
    frames = clips.frames_of(np.stack([red, blue], 1), size=(80, 64), radius=5)
    path = clips.write(tmp_path / "two.mp4", frames)
    return Pointing(Options(str(path), law="constant_acceleration", save_dir=str(tmp_path / "out")))


def test_the_widgets_say_what_is_measured(panel):
    assert panel.options == panel.start
    panel.times.value = (0.08, panel.times.max)
    assert panel.frame.value == 2  # the end that is dragged is shown
    panel.times.value = (0.08, 0.4)
    assert panel.frame.value == 10
    panel.across.value, panel.down.value = (4, 70), (2, 60)
    panel.frame.value = 3
    assert (panel.options.start, panel.options.end) == (0.08, 0.4)
    assert panel.options.box("crop") == (4, 2, 66, 58)
    assert panel.options.at is None
    before = panel.picture.value
    panel.point.value, panel.x.value, panel.y.value = True, 65, 56
    assert panel.options.pointed() == [(pytest.approx(0.12), 65, 56)]
    assert panel.picture.value != before
    panel.frame.value = 9  # looking at another frame is not pointing there
    assert panel.options.pointed() == [(pytest.approx(0.12), 65, 56)]
    panel.told.value = "0.8125,0.875,0.8125,0.875"
    assert panel.options.pointed() == [(pytest.approx(0.36), 65, 56)]
    panel.told.value = "0.9,0.1,0.1,0.8"
    assert panel.options.box("crop") == (8, 6, 64, 45)


@needs_chromium
def test_a_click_on_the_picture_points_and_a_drag_over_it_crops(panel):
    """The picture alone in a page with the field that its pointer is told to; drawn 400 pixels wide, at 10, 20."""
    with browser_tab() as (tab, problems, _):
        tab.set_content(
            f"<div class='pig-pointing' style='position: absolute; left: 10px; top: 20px; width: 400px'>"
            f"<div class='pig-told'><input></div>{panel.picture.value}</div>"
        )
        tab.evaluate(
            "() => { document.querySelector('input').oninput = event => { window.told = event.target.value } }"
        )
        area = tab.locator("img").bounding_box()
        assert area["width"] / area["height"] == pytest.approx(80 / 64, rel=0.01)

        def at(x, y):
            return area["x"] + area["width"] * (x + 0.5) / 80, area["y"] + area["height"] * (y + 0.5) / 64

        tab.mouse.click(*at(30, 20))
        panel.told.value = tab.evaluate("told")
        assert panel.point.value
        assert panel.options.pointed() == [(0, 30, 20)]
        tab.mouse.move(*at(10.5, 12.5))
        tab.mouse.down()
        tab.mouse.move(*at(59.5, 49.5))
        assert tab.locator("div[style*=dashed]").is_visible()
        tab.mouse.up()
        assert not tab.locator("div[style*=dashed]").is_visible()
        panel.told.value = tab.evaluate("told")
        assert panel.options.box("crop") == (11, 13, 49, 37)
        assert not problems


def test_the_object_that_is_pointed_at_is_followed(panel):
    first = panel.measure()
    assert np.abs(first.positions[:, 0] - np.stack([12 + 80 * T, 12 + 100 * T**2], 1)).max() < 1
    (hint,) = (note.text for note in first.notes if note.text.startswith("something else moves as well"))
    time, x, y = map(float, hint.partition("at=")[2].split(","))
    assert np.hypot(x - (70 - 45 * time), y - 56) < 3
    panel.law.value, panel.point.value, panel.frame.value = "uniform", True, 2
    panel.x.value, panel.y.value = round(70 - 45 * T[2]), 56
    second = panel.measure()
    assert np.abs(second.positions[:, 0] - np.stack([70 - 45 * T, 56 + 0 * T], 1)).max() < 1
    assert "uniform" in (panel.options.folder() / "measurement.json").read_text()
    assert "uniform" in (panel.options.folder() / "index.html").read_text()
    panel.x.value, panel.y.value, panel.across.value = 79, 63, (0, 60)
    assert panel.measure() is None
    assert "outside of the image" in panel.says.value


def test_a_faint_thing_is_followed_beside_one_that_stands_out(tmp_path):
    """As a shadow beside its object: wherever the faint one is drawn, the other one draws better."""
    path = np.stack([12 + 80 * T, 12 + 70 * T**2], 1)
    beside = path + np.array([4, 14])
    frames = clips.frames_of(np.stack([path, beside], 1), ((0.1, 0.1, 0.4), (0.35, 0.3, 0.3)), 5, size=(80, 64))
    x, y = beside[6]
    options = Options(str(clips.write(tmp_path / "two.mp4", frames)), law="constant_acceleration", at=f"{T[6]},{x},{y}")
    assert np.abs(measure(options).positions[:, 0] - beside).max() < 1


def test_what_cannot_be_measured_is_said_beside_the_button(panel, monkeypatch):
    """In a notebook the output below takes every error that reaches it: none may."""
    monkeypatch.setattr(type(panel.output), "__exit__", lambda *_: True)
    panel.told.value = "0.95,0.05,0.95,0.05"  # bare wall
    assert panel.measure() is None
    assert "point at the object" in panel.says.value
    assert not panel.go.disabled
    assert not panel.options.folder().exists()


def test_another_clip_is_chosen_from_those_beside_it(panel, tmp_path):
    """Shorter and smaller; start, end, crop and place of the first clip do not belong to it."""
    still = np.full((6, 1, 2), 20.0)
    other = clips.write(tmp_path / "other.mov", clips.frames_of(still, size=(48, 40), radius=5))
    begun = Options(panel.video.value, start=0.1, end=0.5, crop="4,2,60,50", at="0.2000,30,20")
    again = Pointing(begun)
    assert again.options == begun
    assert [name for name, _ in again.beside.options] == ["other.mov", "two.mp4"]
    again.beside.value = str(other)
    assert again.options == Options(str(other))
    again.video.value = begun.video
    assert again.beside.value == begun.video
    assert again.options == begun


def test_a_clip_that_cannot_be_read_is_said_and_the_old_one_stays(panel):
    clip = panel.clip
    panel.video.value = panel.video.value + ".missing"
    assert "there is no file" in panel.says.value
    assert panel.clip is clip
