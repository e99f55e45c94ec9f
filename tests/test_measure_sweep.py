"""A folder of clips: one page, one table, and what is done is not done again."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_a_folder_of_clips_becomes_one_table_and_goes_on_where_it_stopped(tmp_path):
    lab, out = tmp_path / "my lab", tmp_path / "out"
    done = out / "a ball's toss"
    done.mkdir(parents=True)
    lab.mkdir()
    (lab / "a ball's toss.mp4").write_bytes(b"measured before")
    about = {
        "video": "a ball's toss.mp4", "variant": "projectile", "residual_px": 0.31, "warnings": [],
        "parameters": {"g": {"value": 9.8, "low": 9.7, "high": 9.9, "unit": "m/s²"}},
    }  # fmt: skip
    (done / "measurement.json").write_text(json.dumps(about))
    (done / "done").touch()
    (lab / "broken.mp4").write_bytes(b"no video")
    bin_folder = Path(sys.executable).parent
    command = [str(bin_folder / "snakemake"), "-c1", "-s", str(ROOT / "measure.smk"), "--keep-going"]
    command += ["--rerun-triggers", "input", "--config", f"videos={lab}/*.mp4", f"folder={out}"]
    command += ["options="]  # as make gives it where there are none
    about = {"capture_output": True, "text": True, "cwd": tmp_path}
    about["env"] = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path)}
    ran = subprocess.run(command, **about)
    assert ran.returncode == 1, ran.stderr[-3000:]
    page = (out / "index.html").read_text().replace("\xa0", " ")  # numbers stay with their units
    for text in ("9.8 (9.7 to 9.9) m/s²", "broken", "is not a video that can be read"):
        assert text in page
    assert (done / "measurement.json").read_text().startswith('{"video"')
    assert not (out / "broken" / "measurement.json").exists()
    again = subprocess.run([*command, "-n"], **about)
    tried = again.stdout + again.stderr
    assert "broken.mp4" in tried
    assert "toss.mp4" not in tried
