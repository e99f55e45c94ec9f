"""A clip of one's own: what moves is found, the right law is chosen, its constants are right within their bars."""

import csv
import json
import struct
import subprocess
import sys
import weakref
from pathlib import Path

import av
import imageio.v3 as imageio
import nbformat
import numpy as np
import pytest
from PIL import Image

from pig_core.common.errors import ConfigError, DataError
from pig_core.measure import bodies, video, warn
from pig_core.measure.appearance import Appearance
from pig_core.measure.bench import judged
from pig_core.measure.collisions import TwoPendulums
from pig_core.measure.errorbars import bars
from pig_core.measure.fit import fit_law, refused_rival, simplest, solve
from pig_core.measure.law import LAWS, ClipLaw, register
from pig_core.measure.measure import measure, predict_last_quarter
from pig_core.measure.options import Options
from pig_core.measure.rendered import load_mujoco, render
from pig_core.measure.straight import ConstantAcceleration
from pig_core.measure.track import Track
from pig_core.measure.video import read_clip
from pig_core.report.measured import main

from . import clips
from .conftest import figures_in

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "real"
AREA = 640.0 * 480.0


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


def tracks_of(law, rng):
    """A track of a law with noise, by closed forms or by the tests' own integration, and its constants."""
    t = np.arange(40) / 20
    if law == "uniform":
        return t, np.stack([20 + 30 * t, 50 - 12 * t], 1)[:, None], {"speed": np.hypot(30, 12)}
    if law == "constant_acceleration":
        return t, np.stack([20 + 90 * t, 200 - 250 * t + 90 * t**2], 1)[:, None], {"a": 180.0, "ax": 0.0}
    if law == "constant_acceleration_drag":
        x, v, path, h = np.array([20.0, 200.0]), np.array([200.0, -250.0]), [], 1 / 20 / 200
        for _ in t:
            path.append(x)
            for _ in range(200):
                v = v + h * (np.array([0.0, 180.0]) - 2e-3 * np.hypot(*v) * v)
                x = x + h * v
        return t, np.array(path)[:, None], {"a": 180.0, "drag": 2e-3}
    if law == "spring":
        return t, np.stack([50 + 0 * t, 90 + 40 * np.cos(6 * t) * np.exp(-0.1 * t)], 1)[:, None], {"omega2": 36.01}
    return t, clips.pendulum(t, 18.0, 150.0, 0.2, 1.2), {"omega2": 18.0, "length": 150.0, "damping": 0.2}


MOVING = ["uniform", "constant_acceleration", "constant_acceleration_drag", "spring", "pendulum"]


@pytest.fixture(scope="module")
def choices():
    """Of each law's track the fit that was chosen, its bars and the truth."""
    found = {}
    for name in MOVING:
        rng = np.random.default_rng(0)
        times, path, truth = tracks_of(name, rng)
        path, seen = path + rng.normal(0, 0.2, path.shape), np.ones(len(times), bool)
        path[:4] = path[4] + rng.normal(0, 0.2, (4, 1, 2))  # a hand holds it first
        fits = []
        for law in LAWS.values():
            if law.automatic and law.suits(1):
                simpler = next((fit for fit in fits if fit.law.name == law.refines), None)
                fits.append(fit_law(law(), times, path, seen, AREA, simpler))
        best = simplest(fits)
        assert refused_rival(fits, best) is None
        ahead = predict_last_quarter(best, times, path) - path
        found[name] = best, bars(best, times, path, best.law.values)[0], truth, ahead[-1]
    return found


@pytest.mark.parametrize("name", MOVING)
def test_the_right_law_is_chosen(name, choices):
    best, found, truth, ahead = choices[name]
    assert best.law.name == name
    assert not best.used[:2].any()
    assert best.used.sum() >= 32
    assert np.abs(ahead).max() < 5  # pixels, a quarter of the clip after what it was predicted from
    for constant, value in truth.items():
        within = 0.05 if constant == "drag" else 0.02  # drag moves this track by a few pixels only
        assert found[constant][0] == pytest.approx(value, rel=within, abs=0 if value else 1.5)


def test_a_swing_of_which_too_little_is_seen_is_not_passed_over_in_silence(rng):
    """0.4 of a period fits a pendulum only; constant acceleration is chosen, and that cannot be left uncommented."""
    times = np.arange(15) / 25
    path = clips.pendulum(times) + rng.normal(0, 0.05, (15, 1, 2))
    fits = [fit_law(law(), times, path, np.ones(15, bool), AREA) for law in (LAWS["pendulum"], ConstantAcceleration)]
    best = simplest(fits)
    assert best.law.name == "constant_acceleration"
    rival = refused_rival(fits, best)
    assert rival.law.name == "pendulum"
    assert "of a period is seen" in rival.refused


def test_the_bars_of_the_chosen_laws_cover_the_truth(choices):
    """Nominal 95 %: of these nine one may miss, and by less than another half-width."""
    off = []
    for _, found, truth, _ in choices.values():
        for constant, value in truth.items():
            middle, low, high = found[constant]
            off.append(abs(value - middle) / ((high - low) / 2))
    assert len(off) == 9
    assert sorted(off)[-2] < 1
    assert max(off) < 2


def test_laws_of_the_simulated_tasks_fit_tracks_of_several_bodies(rng):
    t = np.arange(40) / 20
    along = 30 + 8 * np.cos(np.sqrt(2 * 5.0) * t)  # two masses 1 on a spring k = 5 of length 30 at rest
    middle = np.stack([100 + 3 * t, 80 - 5 * t], 1)
    arm = along[:, None] / 2 * np.array([0.6, 0.8])
    path = np.stack([middle + arm, middle - arm], 1) + rng.normal(0, 0.1, (40, 2, 2))
    fit = fit_law(bodies.SpringBetween(2), t, path, np.ones(40, bool), AREA)
    found, _ = bars(fit, t, path, fit.law.values)
    assert found["k"][0] == pytest.approx(5, rel=0.02)
    assert found["l"][0] == pytest.approx(15, rel=0.01)
    assert found["k"][1] < 5 < found["k"][2]


def test_two_pendulums_that_collide_share_constants_between_jumps(rng):
    """Equal masses swap most of what the contact leaves them; integrated here in steps of 0.1 ms."""
    omega2, damping, lengths, radius, h = 20.0, 0.1, np.array([150.0, 150.0]), 15.0, 1e-4
    theta, rate, path, hits = np.array([-0.6, 0.0]), np.zeros(2), [], []
    pivots, times = np.array([185.0, 185.0 + 2 * radius]), np.arange(75) / 30
    for n in range(25000):
        if len(path) < 75 and n * h >= times[len(path)] - 1e-9:
            path.append(np.stack([pivots + lengths * np.sin(theta), 20 + lengths * np.cos(theta)], 1))
        rate = rate + h * (-omega2 * np.sin(theta) - damping * rate)
        theta = theta + h * rate
        if theta[0] > theta[1] and rate[0] > rate[1]:
            middle, apart = rate.mean(), 0.9 * (rate[0] - rate[1]) / 2
            rate = np.array([middle - apart, middle + apart])
            hits.append(n * h)
    path = np.array(path) + rng.normal(0, 0.2, (75, 2, 2))
    fit = fit_law(TwoPendulums(), times, path, np.ones(75, bool), AREA)
    found, _ = bars(fit, times, path, fit.law.values)
    for k in (1, 2):
        assert found[f"length{k}"][0] == pytest.approx(150, rel=0.03)
        assert found[f"omega2_{k}"][0] == pytest.approx(omega2, rel=0.01)
        assert found[f"omega2_{k}"][1] < omega2 < found[f"omega2_{k}"][2]
    between = [(a + fit.zero - 1 / 30, b + fit.zero + 1 / 30) for a, b in fit.law.collisions]
    strong = [hit for hit in hits if hit < 2.3]
    assert len(strong) >= 2
    assert all(any(a <= hit <= b for a, b in between) for hit in strong)
    assert len(between) <= len(hits)


def test_bars_cover_where_neighbouring_errors_are_alike():
    """Nominal 95 %; with errors of correlation 0.7 plain least squares covers some 60 %."""
    rng, t, law = np.random.default_rng(1), np.linspace(-0.5, 0.5, 40), ConstantAcceleration()
    truth = np.array([100, 100, 50, -80, 0, 200.0])
    clean, covered = law.path(truth[None], t)[0], 0
    used = np.ones(len(t), bool)
    for _ in range(60):
        noise = rng.normal(0, 0.3, (80, 1, 2))
        for i in range(1, len(noise)):
            noise[i] = 0.7 * noise[i - 1] + 0.71 * noise[i]
        path = clean + noise[40:]
        fit = fit_law(law, t, path, used, AREA)
        fit.used, fit.zero = used, 0.0
        fit.numbers = solve(law, t, path, truth)
        _, low, high = bars(fit, t, path, law.values)[0]["a"]
        covered += low < 200 < high
    assert covered >= 52


def test_a_law_of_ones_own_is_one_class(rng):
    @register
    class Circling(ClipLaw):
        """Uniform motion on a circle."""

        name = "circling"
        constants = {"radius": ConstantAcceleration.constants["a"]}
        numbers = ("x", "y", "radius", "rate", "phase")

        def path(self, numbers, times):
            x, y, radius, rate, phase = (column[:, None] for column in numbers.T)
            angle = phase + rate * times
            return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], -1)[:, :, None]

        def guesses(self, times, positions):
            middle = (positions[:, 0].min(0) + positions[:, 0].max(0)) / 2
            dx, dy = (positions[:, 0] - middle).T
            rate, phase = np.polyfit(times, np.unwrap(np.arctan2(dy, dx)), 1)
            return [np.array([*middle, np.hypot(dx, dy).mean(), rate, phase])]

        def values(self, numbers):
            return {"radius": numbers[2]}

    try:
        t = np.arange(60) / 20
        path = np.stack([50 + 30 * np.cos(4 * t), 60 + 30 * np.sin(4 * t)], 1)[:, None] + rng.normal(0, 0.1, (60, 1, 2))
        assert Options("x.mp4", law="circling").law == "circling"
        fit = fit_law(LAWS["circling"](), t, path, np.ones(60, bool), AREA)
        assert fit.law.values(fit.numbers)["radius"] == pytest.approx(30, abs=0.1)
        assert fit.used.all()
    finally:
        LAWS.pop("circling")


# What goes in


def test_times_of_the_file_are_honoured_and_may_be_replaced(tmp_path):
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(6)]))
    imageio.imwrite(tmp_path / "uneven.gif", frames, duration=[100, 100, 300, 100, 100, 100], loop=0)
    assert read_clip(tmp_path / "uneven.gif").times.tolist() == pytest.approx([0, 0.1, 0.2, 0.5, 0.6, 0.7])
    assert read_clip(tmp_path / "uneven.gif", fps=20).times.tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.25])
    assert read_clip(tmp_path / "uneven.gif", start=0.15, end=0.55).numbers.tolist() == [2, 3]


def test_folders_crops_and_long_clips(tmp_path):
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(8)]))
    folder = tmp_path / "some 'pictures'"
    folder.mkdir()
    for i, frame in enumerate(frames):
        imageio.imwrite(folder / f"{i:03d}.png", frame)
    clip = read_clip(folder, fps=10, crop=(10, 20, 100, 80))
    assert clip.frames.shape == (8, 80, 100, 3)
    np.testing.assert_array_equal(clip.frames[3], frames[3, 20:100, 10:110])
    assert clip.to_file(np.zeros(2)).tolist() == [10, 20]
    with pytest.raises(DataError, match="has no clock"):
        read_clip(folder)
    short = read_clip(folder, fps=10, max_frames=4)
    assert len(short.frames) <= 4
    assert "the clip is long" in short.warnings[0]
    with pytest.raises(DataError, match="crop is left,top,width,height inside the clip's 160x120 pixels"):
        read_clip(folder, fps=10, crop=(100, 0, 100, 100))


TURNED = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}  # clockwise: a, b, c, d of the display matrix


@pytest.mark.parametrize("degrees", TURNED)
def test_a_rotation_flag_is_obeyed(degrees, tmp_path):
    """As a telephone writes it: the matrix of the track's header, put there byte by byte (PyAV cannot write it)."""
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 30.0]] for i in range(6)]))
    content = clips.write(tmp_path / "plain.mp4", frames).read_bytes()
    matrix = content.index(b"tkhd") + 44
    a, b, c, d = (part << 16 for part in TURNED[degrees])
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert content[matrix : matrix + 36] == struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content[:matrix] + turned + content[matrix + 36 :])
    plain, shown = (read_clip(tmp_path / f"{name}.mp4") for name in ("plain", "turned"))
    np.testing.assert_array_equal(shown.frames, np.rot90(plain.frames, -degrees // 90, (1, 2)))
    assert shown.size == ((120, 160) if degrees % 180 else (160, 120))


def test_pixels_that_are_not_square_are_stretched_and_said(tmp_path):
    """A disc that was stored at half of its width is round again, and where it was."""
    frames = clips.frames_of(np.array([[[20.0 + 10 * i, 60.0]] for i in range(6)]))
    half = np.rint((frames[:, :, ::2].astype(float) + frames[:, :, 1::2]) / 2).astype(np.uint8)
    path = clips.write(tmp_path / "narrow.mp4", half, aspect=2)
    clip = read_clip(path)
    assert clip.size == (160, 120)
    assert "pixels are not square (2" in clip.warnings[0]
    assert np.abs(clip.frames.astype(int) - frames).mean() < 8
    assert clip.to_file(np.array([100.0, 50.0])).tolist() == [100, 50]


def test_a_shaken_camera_is_warned_of_and_a_steady_one_is_not(rng):
    frames = clips.frames_of(clips.pendulum(np.arange(20) / 25))
    steady, shaken = (
        video.Clip(f, np.arange(20) / 25, np.arange(20), np.ones(2), np.zeros(2), clips.SIZE)
        for f in (frames, np.stack([np.roll(f, rng.integers(-3, 4, 2), (0, 1)) for f in frames]))
    )
    assert any("the camera moves" in line for line in warn.of_clip(shaken))
    assert warn.of_clip(steady) == []


def test_objects_that_cover_each_other_are_counted():
    paths = np.array([[[0, 0], [9, 0], [50, 50]], [[0, 0], [7, 0], [50, 50]], [[0, 0], [30, 0], [50, 50]]], float)
    assert warn.overlapping(paths, [6, 10, 4]) == 1
    assert warn.overlapping(paths[:, :1], [6]) == 0


def test_an_object_that_no_one_picture_shows_is_not_to_be_trusted():
    """Of ten frames; in the two that the law does not use it was hidden."""
    used, look = np.arange(10) < 8, Appearance(np.zeros((3, 3, 3)), np.ones((3, 3)))
    well, poor = (
        Track(look, np.zeros((10, 2)), np.where(used, drawn, 0), used, 1.0, 1.0, np.zeros((2, 4, 10, 2)))
        for drawn in (0.8, 0.4)
    )
    (said,) = warn.of_drawing([well, poor], used)
    assert said.startswith("drawing object 2 explains only 40 % of what moves there")


@pytest.mark.parametrize("kind", ["png", "mov", "gif"])
def test_what_is_transparent_is_white_and_said(kind, tmp_path):
    discs = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(6)]), noise=0)
    cover = np.zeros((*discs.shape[:3], 1), np.uint8)
    cover[:, 40:80, 5:60] = 255
    frames = np.concatenate([discs, cover], -1)
    if kind == "png":
        for i, frame in enumerate(frames):
            imageio.imwrite(tmp_path / f"{i}.png", frame)
        path = tmp_path
    elif kind == "gif":
        pictures = [Image.fromarray(frame, "RGBA") for frame in frames]
        path = tmp_path / "clear.gif"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, loop=0, disposal=2)
    else:
        path = tmp_path / "clear.mov"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("png", rate=10)
            (stream.height, stream.width), stream.pix_fmt = frames.shape[1:3], "rgba"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgba")))
            container.mux(stream.encode())
    clip = read_clip(path, fps=10)
    assert "parts of the clip are transparent" in clip.warnings[0]
    assert (clip.frames[:, :30] == 255).all()
    assert np.abs(clip.frames[:, 45:75, 10:55].astype(int) - discs[:, 45:75, 10:55]).mean() < 8


def test_a_long_clip_is_read_in_pieces(tmp_path, monkeypatch):
    """Of 120 frames never more than a few are decoded at a time, and never more than ``max_frames`` are kept."""
    alive, most = weakref.WeakSet(), []

    class Counted(video._Picture):
        def __init__(self, *frame):
            super().__init__(*frame)
            alive.add(self)
            most.append(len(alive))

    path = clips.write(tmp_path / "long.mp4", clips.frames_of(clips.pendulum(np.arange(120) / 25)))
    monkeypatch.setattr(video, "_Picture", Counted)
    clip = read_clip(path, long_side=80, max_frames=40)
    assert len(most) == 120
    assert max(most) <= 3
    assert clip.frames.shape[1:] == (60, 80, 3)
    assert len(clip.frames) <= 40
    assert clip.frames.base is None or clip.frames.base.nbytes <= clip.frames.nbytes


def _silence(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for i in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.mp4", None, "there is no file"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"no video at all " * 100, "is not a video that can be read"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "is not a video that can be read"),
        ("concat.mp4", b"ffconcat version 1.0\nfile other.mp4\n", "is not a video that can be read"),
        ("sound.mp4", _silence, "has no pictures, only audio"),
        ("two.mp4", 2, "2 frames are too few"),
        ("still.mp4", np.full((12, 1, 2), 30.0), "in this clip; set crop, start and end"),
        ("wandering.mp4", "random", "no law explains what moves here"),
        ("pictures", "folder", "0.png is not a picture"),
    ],
)
def test_what_cannot_be_measured_ends_in_one_sentence_and_touches_nothing(name, content, says, tmp_path, capsys):
    video, out = tmp_path / name, tmp_path / "out"
    out.mkdir()
    (out / "measurement.json").write_text("earlier")
    if isinstance(content, bytes):
        video.write_bytes(content)
    elif callable(content):
        content(video)
    elif isinstance(content, str) and content == "folder":
        video.mkdir()
        (video / "0.png").write_bytes(b"no picture")
    elif content is not None:
        rng = np.random.default_rng(0)
        if isinstance(content, int):
            content = np.array([[[20.0, 30.0]], [[40.0, 30.0]]])[:content]
        elif isinstance(content, str):
            content = rng.uniform(12, 52, (14, 1, 2))
        clips.write(video, clips.frames_of(content, size=(80, 64)), aspect=2)
    from pig_core.__main__ import main as program

    assert program(["measure", str(video), "--save_dir", str(out), "--fps", "25"]) == 2
    error = capsys.readouterr().err
    assert says in error
    if "law" in says:
        assert "pixels are not square" in error  # what was noticed before may be the reason
    assert error.count("\n") == 1
    assert [file.name for file in out.iterdir()] == ["measurement.json"]
    assert (out / "measurement.json").read_text() == "earlier"


def test_a_truncated_file_is_used_as_far_as_it_goes(swing, tmp_path):
    path = clips.pendulum(np.arange(30) / 25)
    whole = clips.write(tmp_path / "whole.mkv", clips.frames_of(path))
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    clip = read_clip(tmp_path / "cut.mkv")
    assert 5 < len(clip.frames) < 26
    assert "but ends after" in clip.warnings[0]
    (tmp_path / "cut.mp4").write_bytes(swing[0].read_bytes()[:5000])
    with pytest.raises(DataError, match="is not a video that can be read"):
        read_clip(tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"law": "pendulm"}, "there is no law 'pendulm'; allowed: auto, .*did you mean 'pendulum'"),
        ({"law": "pendulum", "known": "omega2=3"}, "known must be a constant of pendulum that a length enters"),
        ({"known": "g"}, "known is written name=value"),
        ({"known": "g=9.81", "px_per_m": 300}, "both say what the scale is"),
        ({"objects": 0}, "objects must be at least 1"),
        ({"law": "pendulum", "objects": 2}, "is about 1 objects, got objects=2"),
        ({"start": 2.0, "end": 1.0}, "end must be after start"),
        ({"px_per_m": 0.0}, "px_per_m must be above 0"),
        ({"crop": "1,2,x"}, "crop is written left,top,width,height"),
        ({"fps": "fast"}, "fps must be a number"),
        ({"at": "1,2"}, "at is written seconds,x,y"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(options, says):
    with pytest.raises(ConfigError, match=says):
        Options("clip.mp4", **options)


def test_small_objects_hidden_ones_and_cuts_are_said(tmp_path):
    t = np.arange(40) / 25
    path = np.stack([25 + 60 * t, 100 - 160 * t + 125 * t**2], 1)[:, None]
    frames = clips.frames_of(path, radius=1.2)
    frames[18:22] = clips.frames_of(path[18:22] + 500)  # it was not there
    found = measure(Options(str(clips.write(tmp_path / "small.mp4", frames))))
    text = " ".join(found.warnings)
    assert "pixels across: come closer" in text
    assert "frames the object was not seen" in text
    assert "the scale is not known" in text
    assert found.parameters["a"]["value"] == pytest.approx(250, rel=0.03)
    frames[25:] = 255 - frames[25:]
    cut = read_clip(clips.write(tmp_path / "cut.mp4", frames))
    assert any("the whole picture changes at 1.00 s" in line for line in warn.of_clip(cut))


def test_what_leaves_the_picture_soon_is_measured_while_it_is_there(tmp_path):
    t = np.arange(20) / 25
    path = np.stack([12 + 220 * t, 50 - 130 * t + 200 * t**2], 1)[:, None]  # a picture of 80 pixels: 8 frames of 20
    frames = clips.frames_of(path, size=(80, 64), radius=5)
    found = measure(Options(str(clips.write(tmp_path / "gone.mp4", frames)), law="constant_acceleration"))
    assert found.parameters["a"]["value"] == pytest.approx(400, rel=0.03)
    assert any("of 20 frames the object was not seen" in line for line in found.warnings)


# Clips that others filmed or rendered


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
    about = judged(clip, tmp_path / "clip.mp4")
    assert about["law"] == clip.law
    assert about["position_rms_px"] < 0.5
    for name in set(clip.truth) - {"damping"}:  # a damping near zero has no percents
        assert about["parameters"][name]["value"] == pytest.approx(clip.truth[name], rel=within)
