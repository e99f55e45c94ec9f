"""A folder of clips: one page, one table, and finished clips are not measured again."""

import json

import pytest

from pig_core.__main__ import main
from pig_core.system import ConfigError, RunError
from pig_lab.measure import command
from pig_lab.measure.options import Options


def stub(options):
    """In the place of measuring: writes what it was asked for, in a process of its own."""
    if "broken" in options.video:
        raise RunError("nothing moves")
    about = {
        "video": options.video, "variant": "projectile", "residual_px": 0.31, "warnings": [],
        "verdict": "doubtful", "reasons": [{"name": "clock", "text": "frames are missing"}],
        "parameters": {"g": {"value": 9.8, "low": 9.7, "high": 9.9, "unit": "m/s²"}},
    }  # fmt: skip
    (options.folder() / "measurement.json").write_text(json.dumps(about))
    return ""


def test_a_folder_of_clips_becomes_one_table_and_goes_on_where_it_stopped(tmp_path, capsys):
    lab, out = tmp_path / "my lab", tmp_path / "out"
    lab.mkdir()
    for name in ("a ball's <toss>.mp4", "broken.mp4", "{input}.mp4"):
        (lab / name).write_bytes(b"a clip")
    videos = [str(lab / "*.mp4")]
    options = Options(videos[0], save_dir=str(out))
    with pytest.raises(RunError, match=r"1 of 3 clips could not be measured: .*broken\.mp4"):
        command.many(videos, options, stub)
    assert "broken.mp4: nothing moves" in capsys.readouterr().err
    page = (out / "index.html").read_text().replace("\xa0", " ")  # numbers stay with their units
    for text in (
        "9.8 (9.7 to 9.9) m/s²",
        "doubtful: clock",
        "broken",
        "nothing moves",
        "a ball's &lt;toss&gt;.mp4",
        "{input}",
    ):
        assert text in page
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/measurement.json")}
    assert len(before) == 2
    with pytest.raises(RunError):
        command.many(videos, options, stub)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/measurement.json")} == before
    with pytest.raises(RunError, match="no file is called nowhere"):
        command.many(["nowhere*.mp4"], options, stub)


def test_clips_of_one_name_keep_apart(tmp_path):
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "toss.mp4").write_bytes(b"a clip")
    videos = [str(tmp_path / part / "toss.mp4") for part in ("a", "b")]
    assert [folder.name for folder in command.folders_of(videos, tmp_path).values()] == ["toss", "toss_"]


def test_a_misspelt_option_is_refused_with_the_nearest_name(capsys):
    assert main(["measure", "clip.mp4", "--objekts", "2"]) == 2
    assert "unknown argument --objekts; did you mean 'objects'?" in capsys.readouterr().err
    assert main(["measure"]) == 2
    assert "which clip?" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="px_per_m must be a number above 0, got 0"):
        Options("clip.mp4", px_per_m=0)
