"""Folders of clips whose truth is known: classes as real benchmarks have them, and the simulated tasks' videos."""

import numpy as np
import pytest

from pig_core.__main__ import main
from pig_lab.measure.bench import bench_simulated, read_classes
from pig_lab.report.results import read_table

from . import clips

T = np.arange(14) / 25


def test_a_folder_of_classes_becomes_a_table_of_errors(tmp_path, capsys):
    """Drawn clips; of the second class one film is cut off before it begins, and counts as not measured."""
    for kind, path in {
        "toss": np.stack([10 + 90 * T, 50 - 130 * T + 130 * T**2], 1),
        "slide": np.stack([12 + 10 * T + 170 * T**2, 30 + 0 * T], 1),
    }.items():
        (tmp_path / kind).mkdir()
        frames = clips.frames_of(path[:, None], size=(80, 64), radius=5)
        clips.write(tmp_path / kind / "one.mp4", frames)
    (tmp_path / "slide" / "two.MOV").write_bytes((tmp_path / "slide" / "one.mp4").read_bytes()[:900])
    (tmp_path / "toss" / "parameters.csv").write_text("clip,g,law,px_per_m\none.mp4,2.6,projectile,100\n")
    (tmp_path / "slide" / "parameters.csv").write_text("clip,a,law,px_per_m,g\n*,3.4,constant_acceleration,100,\n")
    command = ["clips", "--classes", str(tmp_path), "--save_dir", str(tmp_path / "out")]
    assert main(command) == 0
    first = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in first.splitlines() if line.split()[:1] in (["toss"], ["slide"])}
    assert rows["toss"][1:4] == ["g", "1", "1"]
    assert rows["slide"][1:4] == ["a", "2", "1"]
    assert all(float(row[4]) < 3 for row in rows.values()), first
    assert main(command) == 0
    assert "found" not in capsys.readouterr().out  # nothing is measured twice
    (tmp_path / "toss" / "parameters.csv").write_text("clip,g\nother.mp4,2.6\n")
    assert main(command) == 2
    assert "speaks of clips that are not beside it: other.mp4" in capsys.readouterr().err
    with pytest.raises(Exception, match="has no folders of clips"):
        read_classes(tmp_path / "out")


def test_a_video_of_the_spring_task_gives_its_constants(tmp_path):
    """The law is not told; discs of four pixels are found wherever they are in a picture of 32."""
    (about,) = bench_simulated(tmp_path / "clips.jsonl", 1, ["spring_color"])
    assert bench_simulated(tmp_path / "clips.jsonl", 1, ["spring_color"]) == read_table(tmp_path / "clips.jsonl")
    assert about["law"] == "spring_between"
    assert about["parameters"]["k"]["value"] == pytest.approx(4, rel=0.02)
    assert about["parameters"]["l"]["value"] == pytest.approx(6, rel=0.02)
    assert about["near"] == 1
