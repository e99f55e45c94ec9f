"""The widgets of the measure notebook, without a browser: what is dragged is what is measured."""

import numpy as np
import pytest

from pig_core.measure.options import Options
from pig_core.report.pointing import Pointing

from . import clips

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
    panel.times.value = (0.08, 0.4)
    panel.across.value, panel.down.value = (4, 70), (2, 60)
    panel.frame.value = 3
    assert (panel.options.start, panel.options.end) == (0.08, 0.4)
    assert panel.options.crop_box() == (4, 2, 66, 58)
    assert panel.options.at is None
    before = panel.picture.value
    panel.point.value, panel.x.value, panel.y.value = True, 65, 56
    assert panel.options.pointed() == (pytest.approx(0.12), 65, 56)
    assert panel.picture.value != before


def test_the_object_that_is_pointed_at_is_followed(panel):
    first = panel.measure()
    assert np.abs(first.positions[:, 0] - np.stack([12 + 80 * T, 12 + 100 * T**2], 1)).max() < 1
    panel.law.value, panel.point.value, panel.frame.value = "uniform", True, 2
    panel.x.value, panel.y.value = round(70 - 45 * T[2]), 56
    second = panel.measure()
    assert np.abs(second.positions[:, 0] - np.stack([70 - 45 * T, 56 + 0 * T], 1)).max() < 1
    assert "uniform" in (panel.options.folder() / "measurement.json").read_text()
    panel.x.value, panel.y.value, panel.across.value = 79, 63, (0, 60)
    assert panel.measure() is None
    assert "outside of the picture" in panel.says.value


def test_a_clip_that_cannot_be_read_is_said_and_the_old_one_stays(panel):
    clip = panel.clip
    panel.video.value = panel.video.value + ".missing"
    assert "there is no file" in panel.says.value
    assert panel.clip is clip
