"""What no residual shows: light that changes over a path, a shadow in an object's place, a disturbance on the way."""

import numpy as np
import pytest

from pig_lab.measure.bars import bars
from pig_lab.measure.doubts import SHADOW, darkness
from pig_lab.measure.fit import fit_law
from pig_lab.measure.laws import ConstantAcceleration, Spring
from pig_lab.measure.look import QUARTERS, Appearance, jackknife
from pig_lab.measure.scene import Scene
from pig_lab.measure.track import Track, follow

TIMES = np.arange(24) / 30
RADIUS = 7.0


def disc(x, y):
    """Cover of a disc at x, y in a picture of 160 by 120 pixels, and coordinates from its middle in radii."""
    across, down = np.meshgrid(np.arange(160) - x, np.arange(120) - y)
    return np.clip(RADIUS + 0.5 - np.hypot(across, down), 0, 1)[..., None], across / RADIUS, down / RADIUS


def lit(leaning):
    """A toss of a disc before a textured wall: frames, positions; its lower half changes over the path."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(160), np.arange(120))
    wall = np.repeat((0.7 + 0.1 * np.sin(x / 9) * np.cos(y / 7))[..., None], 3, 2)
    path = np.stack([30 + 120 * TIMES, 95 - 200 * TIMES + 250 * TIMES**2], 1)
    frames = []
    for px, py in path:
        cover, _, down = disc(px, py)
        shade = 1 + leaning * (py - 60) / 40 * down.clip(0)[..., None]
        frames.append(
            (cover * np.array([0.5, 0.25, 0.2]) * shade + (1 - cover) * wall) * 255 + rng.normal(0, 1, wall.shape)
        )
    return np.clip(frames, 0, 255).astype(np.uint8), path, wall


def followed(leaning):
    frames, _, wall = lit(leaning)
    cover = disc(20, 20)[0][10:31, 10:31, 0]
    look = Appearance(np.broadcast_to(np.float32([0.5, 0.25, 0.2]), (21, 21, 3)).copy(), cover.astype(np.float32))
    track = follow(Scene(frames, wall.astype(np.float32), 1.5 / 255), look)
    places = track.positions[:, None]
    fit = fit_law(ConstantAcceleration(), TIMES, places, track.seen, 160 * 120)
    plain, sided = (bars(fit, TIMES, places, fit.law.values, of)[0]["ay"] for of in (None, track.quarters[None]))
    return plain, sided, track


def test_light_that_changes_on_one_side_widens_the_bars_until_they_cover():
    plain, sided, _ = followed(-0.8)
    assert not plain[1] < 500 < plain[2]  # the track is smooth and wrong, and its residuals do not know it
    assert sided[1] < 500 < sided[2]
    even, _, track = followed(0.0)
    assert even[0] == pytest.approx(500, rel=0.005)
    assert np.abs(track.quarters).max() < 0.2  # pixels


def test_the_jackknife_of_a_mean_is_its_standard_error(rng):
    parts = rng.normal(0, 1, (1, QUARTERS, 5))
    without = (parts.sum(1, keepdims=True) - parts) / (QUARTERS - 1)
    found = np.diag(jackknife(without))
    np.testing.assert_allclose(found, parts[0].var(0, ddof=1) / QUARTERS)


@pytest.mark.parametrize(("what", "shadow"), [("shadow", True), ("grey", False), ("red", False)])
def test_a_shadow_has_the_background_in_it_and_an_object_has_shades(what, shadow):
    frames, path, wall = lit(0.0)
    for t, (x, y) in enumerate(path):
        cover, across, down = disc(x, y)
        shades = 0.5 + 0.2 * (across - down)[..., None]
        inner = {"shadow": 0.7 * wall, "grey": shades, "red": np.array([0.8, 0.1, 0.1])}[what]
        frames[t] = ((cover * inner + (1 - cover) * wall) * 255).clip(0, 255)
    mask = disc(20, 20)[0][10:31, 10:31, 0].astype(np.float32)
    look = Appearance(np.zeros((21, 21, 3), np.float32), mask)
    track = Track(look, path, np.ones(24), np.ones(24, bool), 1.0, 1.0, np.zeros((2, QUARTERS, 24, 2)))
    assert (darkness(track, Scene(frames, wall.astype(np.float32), 1.5 / 255)) > SHADOW) == shadow


@pytest.mark.parametrize(("bad", "joined"), [(slice(20, 23), True), (slice(8, 22), False)])
def test_a_motion_goes_on_behind_a_short_disturbance_only(bad, joined, rng):
    times = np.arange(60) / 25
    path = np.stack([50 + 0 * times, 90 + 30 * np.cos(6 * times)], 1)[:, None] + rng.normal(0, 0.1, (60, 1, 2))
    path[bad] += rng.normal(0, 8, path[bad].shape)
    fit = fit_law(Spring(), times, path, np.ones(60, bool), 160 * 120)
    assert fit.used[bad].mean() < 0.2
    assert bool(fit.used[:5].any()) == joined
    assert fit.numbers[5] == pytest.approx(36, rel=0.01)
