"""Clips that are not ours: filmed ones with known answers, and those of another engine."""

from pathlib import Path

import numpy as np
import pytest

from pig_lab.measure.measure import measure
from pig_lab.measure.options import Options
from pig_lab.report.results import read_table
from pig_lab.studies.clips import bench_simulated, judged_rendering
from pig_lab.studies.rendered import load_mujoco, render

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "real"


def real(name):
    if not (REAL / name).is_file():
        pytest.skip(f"the real clip {name} is not here")
    return str(REAL / name)


def test_a_filmed_pendulum_measures_its_rope():
    found = measure(Options(real("iris_pendulum.gif"), known="g=9.81"))
    assert found.fit.law.name.startswith("pendulum")
    assert found.parameters["length"]["value"] == pytest.approx(0.533, rel=0.04)
    assert not found.fit.used[:2].any()
    assert np.degrees(found.unseen_px / found.fit.numbers[2]) < 1.5


CLICKED = "ball_toss_15fps_hand_clicked.csv"


def clicks():
    """Frames (n,) and positions (n, 2) that were clicked by hand."""
    table = np.loadtxt(real(CLICKED), delimiter=",", skiprows=1)
    return table[:, 0].astype(int), table[:, 1:]


def test_a_filmed_toss_is_where_a_hand_clicked():
    found = measure(Options(real("ball_toss_15fps.mp4")))
    frames, clicked = clicks()
    assert found.fit.law.name == "constant_acceleration"
    assert np.sqrt(((found.positions[frames, 0] - clicked) ** 2).mean(0)).max() < 1
    used = found.fit.used[frames]
    assert used.sum() >= 9
    theirs = np.hypot(*(2 * np.polyfit(found.clip.times[frames][used], clicked[used], 2)[0]))
    assert found.parameters["a"]["value"] == pytest.approx(theirs, rel=0.005)


def test_the_same_toss_at_twice_the_frames_has_the_g_of_the_clicks():
    """No clicks were made in this file: g is compared, with the clock of 1/15 s that both files agree on."""
    found = measure(Options(real("ball_toss_30fps.mp4"), px_per_m=398.71))
    frames, clicked = clicks()
    theirs = np.hypot(*(2 * np.polyfit(frames / 15, clicked, 2)[0])) / 398.71
    assert found.fit.law.name == "constant_acceleration"
    assert found.parameters["a"]["value"] == pytest.approx(theirs, rel=0.02)
    assert found.parameters["a"]["low"] < theirs < found.parameters["a"]["high"]


@pytest.fixture(scope="module")
def mujoco():
    """Skips only where the engine cannot be imported or its renderer not be made; all other errors are errors."""
    try:
        engine = load_mujoco()
        model = engine.MjModel.from_xml_string("<mujoco><worldbody/></mujoco>")
        engine.Renderer(model, 16, 16).close()
    except Exception as error:  # EGL fails in as many ways as there are machines
        pytest.skip(f"MuJoCo cannot render here: {error}")


@pytest.mark.parametrize(
    ("kind", "seconds", "within"),
    [
        ("pendulum", 1.1, 0.01),
        ("toss", 1.0, 0.03),
        ("spring", 0.9, 0.01),  # less than a period
        ("slope", 0.9, 0.03),
        ("two_bodies", 3.0, 0.01),  # shorter, its bar is wider than what is asked
    ],
)
def test_a_clip_of_another_engine_is_measured_with_its_shadow_in_it(kind, seconds, within, mujoco, tmp_path):
    clip = render(kind, 0, seconds, (320, 240))  # the benchmark's are larger, and are measured at this size
    clip.write(tmp_path / "clip.mp4")
    about = judged_rendering(clip, tmp_path / "clip.mp4")
    assert about["law"] == clip.law
    assert about["position_rms_px"] < 0.5
    for name in set(clip.truth) - {"damping"}:  # a damping near zero has no percents
        assert about["parameters"][name]["value"] == pytest.approx(clip.truth[name], rel=within)


def test_a_video_of_the_spring_task_gives_its_constants(tmp_path):
    """The law is not told; discs of four pixels are found wherever they are in a picture of 32."""
    (about,) = bench_simulated(tmp_path / "clips.jsonl", 1, ["spring_color"])
    assert bench_simulated(tmp_path / "clips.jsonl", 1, ["spring_color"]) == read_table(tmp_path / "clips.jsonl")
    assert about["law"] == "spring_between"
    assert about["parameters"]["k"]["value"] == pytest.approx(4, rel=0.02)
    assert about["parameters"]["l"]["value"] == pytest.approx(6, rel=0.02)
    assert about["near"] == 1
