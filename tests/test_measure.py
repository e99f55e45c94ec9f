"""A clip of one's own: what moves is found, its constants come with all files, what is doubtful is said."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from pig_core.physics import Spring
from pig_core.system import DataError
from pig_lab.measure import doubts
from pig_lab.measure.command import main
from pig_lab.measure.laws import ConstantAcceleration
from pig_lab.measure.look import Appearance
from pig_lab.measure.measure import measure
from pig_lab.measure.options import Options
from pig_lab.measure.track import Track
from pig_lab.measure.video import read_clip

from . import clips
from .conftest import figures_in

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def swing(tmp_path_factory):
    """A pendulum's clip with its true positions: omega2 = 20, length 70 pixels."""
    times = np.arange(40) / 25
    path = clips.pendulum(times)
    file = tmp_path_factory.mktemp("clips") / "it's a swing.mp4"
    return clips.write(file, clips.frames_of(path)), path


def test_a_pendulums_clip_gives_its_constants_and_all_files(swing, tmp_path, capsys):
    video, truth = swing
    main([str(video), "--known", "g=9.81", "--save_dir", str(tmp_path)])
    about = json.loads((tmp_path / "measurement.json").read_text())
    assert about["law"] == "pendulum"
    found = about["parameters"]
    assert found["omega2"]["value"] == pytest.approx(20, rel=0.01)
    assert found["omega2"]["low"] < 20 < found["omega2"]["high"]
    assert found["length"]["value"] == pytest.approx(9.81 / 20, rel=0.01)
    assert found["length"]["unit"] == "m"
    assert about["px_per_m"] == pytest.approx(70 * 20 / 9.81, rel=0.02)
    assert about["unseen_degrees"] < 0.5
    rows = list(csv.DictReader((tmp_path / "track.csv").open()))
    track = np.array([[float(row["x1_px"]), float(row["y1_px"])] for row in rows])
    assert np.sqrt(((track - truth[:, 0]) ** 2).mean()) < 0.5
    assert float(rows[10]["x1_m"]) == pytest.approx(track[10, 0] / about["px_per_m"], abs=1e-4)
    again = read_clip(tmp_path / "overlay.mp4")
    assert len(again.frames) == 40
    page = (tmp_path / "index.html").read_text()
    assert "it's a swing.mp4" in page.replace("&#x27;", "'").replace("&#39;", "'")
    assert "://" not in page.split("<body>")[1].replace("http://www.w3.org", "")
    assert about["verdict"] == "measured"
    assert about["reasons"] == []
    for key in ("sha256", "commit", "versions", "seconds", "options", "warnings", "laws_tried", "residual_px"):
        assert key in about
    assert "omega2" in capsys.readouterr().out


def test_the_notebook_measures_with_papermills_parameters(swing, tmp_path):
    options = {"video": swing[0], "law": "pendulum", "known": "length=0.5", "save_dir": "out", "end": 1.4}
    command = [str(Path(sys.executable).with_name("papermill")), str(ROOT / "notebooks" / "measure.ipynb"), "o.ipynb"]
    command += [text for name, value in options.items() for text in ("-p", name, str(value))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    about = json.loads((tmp_path / "out" / "measurement.json").read_text())
    assert about["parameters"]["g"]["value"] == pytest.approx(10, rel=0.02)
    outputs = [o for c in nbformat.read(tmp_path / "o.ipynb", 4).cells for o in c.get("outputs", [])]
    assert figures_in(outputs) == 2
    assert any("pig-player" in o.get("data", {}).get("text/html", "") for o in outputs)


def test_objects_that_cover_each_other_are_counted():
    paths = np.array([[[0, 0], [9, 0], [50, 50]], [[0, 0], [7, 0], [50, 50]], [[0, 0], [30, 0], [50, 50]]], float)
    assert doubts.overlapping(paths, [6, 10, 4]) == 1
    assert doubts.overlapping(paths[:, :1], [6]) == 0


def test_an_object_that_no_one_picture_shows_is_not_to_be_trusted():
    """Of ten frames; in the two that the law does not use it was hidden."""
    used, look = np.arange(10) < 8, Appearance(np.zeros((3, 3, 3)), np.ones((3, 3)))
    well, poor = (
        Track(look, np.zeros((10, 2)), np.where(used, drawn, 0), used, 1.0, 1.0, np.zeros((2, 4, 10, 2)))
        for drawn in (0.8, 0.4)
    )
    (said,) = doubts.of_drawing([well, poor], used, [9.0, 9.0])
    assert said.doubt
    assert said.text.startswith("drawing object 2 explains only 40 % of what moves there")
    assert doubts.of_drawing([well, poor], used, [9.0, 3.8]) == []  # too small, which is said by itself


def test_a_bar_down_to_zero_and_a_last_quarter_elsewhere_are_said():
    """Both balls of a rendered clip followed, one with its shadow: k = 3 +- 9 where it was 14.5, and 20 pixels off."""
    bars = {"k": {"low": -6.3, "high": 12.4}, "l": {"low": 0.1, "high": 0.3}, "ay": {"low": -1.0, "high": 1.0}}
    (said,) = doubts.of_bars(bars, {**Spring.constants, **ConstantAcceleration.constants})
    assert said.text.startswith("the bar of k reaches down to zero")
    (said,) = doubts.of_prediction(20.4, [21.5, 43.7])
    assert said.text.startswith("the last quarter of the motion is 20.4 pixels from where the first three predict it")
    assert doubts.of_prediction(4.4, [49.0]) == doubts.of_prediction(None, [49.0]) == []


def test_a_truncated_file_is_used_as_far_as_it_goes(swing, tmp_path):
    path = clips.pendulum(np.arange(30) / 25)
    whole = clips.write(tmp_path / "whole.mkv", clips.frames_of(path))
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    clip = read_clip(tmp_path / "cut.mkv")
    assert 5 < len(clip.frames) < 26
    assert any("but ends after" in note.text for note in clip.notes)
    (tmp_path / "cut.mp4").write_bytes(swing[0].read_bytes()[:5000])
    with pytest.raises(DataError, match="it is cut off: its index"):
        read_clip(tmp_path / "cut.mp4")


def test_small_objects_hidden_ones_and_cuts_are_said(tmp_path):
    t = np.arange(40) / 25
    path = np.stack([25 + 60 * t, 100 - 160 * t + 125 * t**2], 1)[:, None]
    frames = clips.frames_of(path, radius=1.2)
    frames[18:22] = clips.frames_of(path[18:22] + 500)  # it was not there
    found = measure(Options(str(clips.write(tmp_path / "small.mp4", frames))))
    text = " ".join(note.text for note in found.notes)
    assert found.verdict == "doubtful"
    assert "pixels across: come closer" in text
    assert "frames the object was not seen" in text
    assert "the scale is not known" in text
    assert found.parameters["a"]["value"] == pytest.approx(250, rel=0.03)
    frames[25:] = 255 - frames[25:]
    cut = read_clip(clips.write(tmp_path / "cut.mp4", frames))
    assert doubts.cut_at(cut) == 25
    assert doubts.cut_at(read_clip(tmp_path / "small.mp4")) is None


def test_what_leaves_the_picture_soon_is_measured_while_it_is_there(tmp_path):
    t = np.arange(20) / 25
    path = np.stack([12 + 220 * t, 50 - 130 * t + 200 * t**2], 1)[:, None]  # a picture of 80 pixels: 8 frames of 20
    frames = clips.frames_of(path, size=(80, 64), radius=5)
    found = measure(Options(str(clips.write(tmp_path / "gone.mp4", frames)), law="constant_acceleration"))
    assert found.parameters["a"]["value"] == pytest.approx(400, rel=0.03)
    assert any("of 20 frames the object was not seen" in note.text for note in found.notes)
