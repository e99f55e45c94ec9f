"""Clips that mislead: clocks, cameras, light, shadows and rests are mended where they can be, and said where not."""

import numpy as np
import pandas as pd
import pytest

from pig_lab.measure.command import main
from pig_lab.measure.measure import measure
from pig_lab.measure.options import Options
from pig_lab.measure.scene import retimed, steadied, without_repeats
from pig_lab.measure.video import Clip

from . import clips

RATE = 25


def clip_of(frames, times=None):
    times = np.arange(len(frames)) / RATE if times is None else times
    return Clip(frames.copy(), times, np.arange(len(frames)), np.ones(2), np.zeros(2), frames.shape[2:0:-1])


def toss(times):
    """Positions (T, 1, 2): 120 pixels a second across, 180 pixels/s² down."""
    return np.stack([15 + 120 * times, 100 - 150 * times + 90 * times**2], 1)[:, None]


@pytest.mark.parametrize("kind", ["lost", "put in", "stalled", "neither"])
def test_the_clock_is_mended_from_the_steps_of_what_moves(kind, rng):
    """Every fifth frame lost under even stamps; or every fourth repeated, put in between or in the place of its own."""
    count = 25
    filmed = np.arange(40) / RATE
    shown = {
        "lost": [i for i in range(40) if i % 5 != 3][:count],
        "put in": [i - i // 5 - (i % 5 == 4) for i in range(count)],
        "stalled": [i - (i % 5 == 4) for i in range(count)],
        "neither": list(range(count)),
    }[kind]
    frames = clips.frames_of(toss(filmed))[shown]
    noise = rng.integers(-1, 2, frames.shape)  # of a codec: repeated frames are not the same bit for bit
    clip = clip_of(np.clip(frames.astype(int) + noise, 0, 255).astype(np.uint8))
    without_repeats(clip)
    assert len(clip.times) == (20 if kind in ("put in", "stalled") else 25)
    places = toss(filmed[np.array(shown)[clip.numbers]]) + rng.normal(0, 0.05, (len(clip.times), 1, 2))
    notes = retimed(clip, places, np.ones(len(places), bool), 0.05)
    truth = filmed[np.array(shown)[clip.numbers]]
    slower = {"put in": 5 / 4}.get(kind, 1)  # in the same time as the file's, which is all that is known
    np.testing.assert_allclose(clip.times, slower * (truth - truth[0]), atol=1e-9)
    assert any(note.doubt for note in notes) == (kind == "lost")


@pytest.mark.parametrize("kind", ["steady", "shaken", "brighter", "growing", "a thing sways"])
def test_the_camera_and_its_light(kind, rng):
    count, wall = 20, clips.frames_of(np.full((1, 1, 2), -50.0), noise=0, size=(240, 180), seed=3)[0].astype(float)
    wall[::20] *= 0.7  # tiles, so that there are edges
    wall[:, ::20] *= 0.7
    frames = np.stack([wall] * count)
    for t in range(count):
        frames[t, 40:60, 20 + 4 * t : 40 + 4 * t] = (200, 30, 30)
    moves = rng.integers(-3, 4, (count, 2)) if kind == "shaken" else np.zeros((count, 2), int)
    frames = np.stack([np.roll(frame, move, (0, 1)) for frame, move in zip(frames, moves, strict=True)])
    if kind == "brighter":
        frames = frames * np.linspace(0.7, 1.1, count)[:, None, None, None]
    if kind == "growing":
        rows, columns = (np.arange(side) - side / 2 for side in (180, 240))
        for t in range(count):
            grown = 1 + 0.002 * t
            r, c = (rows / grown + 90).round().astype(int), (columns / grown + 120).round().astype(int)
            frames[t] = frames[t][np.ix_(r.clip(0, 179), c.clip(0, 239))]
    if kind == "a thing sways":  # a ruler that hangs in the image, the only one with strong edges
        for t in range(count):
            at = 120 + round(3 * np.sin(t))
            frames[t, 10:150, at : at + 8] = 255
            frames[t, 10:150:9, at : at + 8] = 0
    clip = clip_of((frames + rng.normal(0, 1, frames.shape)).clip(0, 255).astype(np.uint8))
    steadied(clip)
    said = " ".join(note.text for note in clip.notes)
    assert ("shakes" in said, "exposure" in said, "zooms" in said) == (
        kind == "shaken",
        kind == "brighter",
        kind == "growing",
    )
    if kind in ("shaken", "brighter"):
        still = np.median(clip.frames, 0)
        off = np.abs(clip.frames[:, 70:170, 10:230] - still[70:170, 10:230])
        assert np.percentile(off, 99) < 12  # of tiles that differ by 40, and light by a third


def test_of_an_object_and_its_shadow_the_object_is_measured(tmp_path):
    """A ball of little contrast, and its dark shadow on a chequered wall, which is lower, later and 15 % faster."""
    times = np.arange(24) / RATE
    x, y = np.meshgrid(np.arange(200), np.arange(150))
    wall = 0.6 + 0.12 * (((x // 16) + (y // 16)) % 2)
    rng = np.random.default_rng(0)
    frames = []
    for px, py in toss(times)[:, 0]:
        image = np.repeat(wall[..., None], 3, 2)
        dark = np.clip(9.5 - np.hypot(x - 25 - 1.15 * px, y - 30 - 1.15 * (py - 20)), 0, 1)[..., None]
        image = image * (1 - 0.6 * dark)
        cover = np.clip(6.5 - np.hypot(x - px, y - py), 0, 1)[..., None]
        image = (1 - cover) * image + cover * np.array([0.75, 0.6, 0.45]) * (1 - 0.02 * (x - px + y - py))[..., None]
        frames.append(image * 255 + rng.normal(0, 2, image.shape))
    path = clips.write(tmp_path / "shadow.mp4", np.clip(frames, 0, 255).astype(np.uint8))
    found = measure(Options(str(path), law="constant_acceleration"))
    right = found.parameters["a"]["low"] < 180 < found.parameters["a"]["high"]
    assert right or "shadow" in [note.name for note in found.notes if note.doubt]


def test_an_object_that_is_held_first_is_taken_out_of_the_background_and_a_table_is_fitted_again(tmp_path, capsys):
    times = np.arange(30) / RATE
    swing = clips.pendulum(times, omega2=24.0)
    held = np.concatenate([np.repeat(swing[:1], 36, 0), swing])
    file = clips.write(tmp_path / "held.mp4", clips.frames_of(held))
    main([str(file), "--px_per_m", "100+-1", "--law", "pendulum", "--save_dir", str(tmp_path / "out")])
    first = pd.read_json(tmp_path / "out" / "measurement.json", typ="series")
    assert first["parameters"]["omega2"]["value"] == pytest.approx(24, rel=0.01)
    length = first["parameters"]["length"]
    assert length["value"] == pytest.approx(0.7, rel=0.02)
    assert length["high"] - length["low"] >= 2 * 0.0069  # the scale's own error
    table = pd.read_csv(tmp_path / "out" / "track.csv")
    assert np.abs(table["x1_px"][:30] - held[0, 0, 0]).max() < 0.5  # seen while it was held
    late = table[46:61]
    truth = np.gradient(held[:, 0, 0], 1 / RATE)[46:61]
    assert np.abs(late["vx1_px/s"] - truth).max() < 12
    main([str(tmp_path / "out" / "track.csv"), "--law", "pendulum", "--save_dir", str(tmp_path / "again")])
    again = pd.read_json(tmp_path / "again" / "measurement.json", typ="series")
    assert again["parameters"]["omega2"]["value"] == pytest.approx(24, rel=0.01)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Exception, match="columns time_s, x1_px and y1_px"):
        main([str(tmp_path / "bad.csv")])


def test_a_slow_film_of_a_toss_is_doubted_by_its_gravity(tmp_path):
    """A table filmed four times too slow: g comes out sixteen times too small, which no place on Earth has."""
    times = np.arange(30) / 30
    rows = pd.DataFrame({"t": 4 * times, "x": 100 + 90 * times, "y": 300 - 400 * times + 981 / 2 * times**2})
    rows.to_csv(tmp_path / "toss.csv", index=False)
    found = measure(Options(str(tmp_path / "toss.csv"), law="projectile", px_per_m=100))
    assert found.verdict == "doubtful"
    assert any("slowed down 4 times" in note.text for note in found.notes)
    assert measure(Options(str(tmp_path / "toss.csv"), law="projectile", px_per_m=100 / 16)).verdict == "measured"
