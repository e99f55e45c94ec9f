"""Frames against scikit-image's own resize and against frames of the authors' generator."""

import numpy as np
import pytest
from skimage.transform import resize

from pig_core.draw import _pictures, draw_digits, draw_discs

from .authors import reference


def slow_disc(size, x, y, radius=2.0):
    """One disc drawn ten times too large and shrunk, as the specification says it."""
    rows, columns = np.mgrid[: 10 * size, : 10 * size]
    large = (rows - np.floor(10 * y)) ** 2 + (columns - np.floor(10 * x)) ** 2 < (10 * radius) ** 2
    exact = resize(large.astype(float), (size, size), anti_aliasing=True) * 255
    return (exact + 1e-9).astype(np.uint8)  # the last bit of a full 255 depends on the processor


@pytest.mark.parametrize("size", [32, 36])
def test_a_disc_is_what_resize_makes_of_it_also_at_the_border(size, rng):
    centres = rng.uniform(1.0, size - 1.0, (12, 2, 2))
    centres[0] = [[2.0, 2.0], [size - 2.0, size - 2.0]]
    frames = draw_discs(centres, size)
    for frame, objects in zip(frames, centres, strict=True):
        for channel, (x, y) in zip((2, 1), objects, strict=True):
            np.testing.assert_array_equal(frame[..., channel], slow_disc(size, x, y))
        assert not frame[..., 0].any()


def test_x_is_the_column_and_the_corner_is_the_origin():
    frame = draw_discs(np.array([[[24.0, 8.0]]]), 32)[0, ..., 2].astype(float)
    rows, columns = np.mgrid[:32, :32] + 0.5
    assert (frame * columns).sum() / frame.sum() == pytest.approx(24.0, abs=0.06)
    assert (frame * rows).sum() / frame.sum() == pytest.approx(8.0, abs=0.06)


@pytest.mark.parametrize(("task", "objects"), [("bouncing_balls", 2), ("spring_color", 2), ("3bp_color", 3)])
def test_discs_of_the_authors_generator_are_among_the_hundred_phases(task, objects):
    vectors = reference(task)
    frames = np.concatenate([vectors["batch"], vectors["train/batches"]])
    size = frames.shape[2]
    frames = frames.reshape(-1, size, size, 3)[:: 3 if objects == 2 else 5]
    rows, columns = np.mgrid[:size, :size] + 0.5
    steps = np.arange(-1, 2) * 0.1
    for frame in frames:
        for channel in (2, 1, 0)[:objects]:
            disc = frame[..., channel].astype(float)
            x, y = ((disc * axis).sum() / disc.sum() for axis in (columns, rows))
            near = np.stack(np.meshgrid(x + steps, y + steps), -1).reshape(-1, 1, 2)
            candidates = draw_discs(near, size)[..., 2].astype(int)
            assert np.abs(candidates - disc).max(axis=(1, 2)).min() <= 1, (x, y)


def test_more_objects_than_channels_are_refused():
    with pytest.raises(ValueError, match="at most 4"):
        draw_discs(np.zeros((1, 5, 2)), 32)


def test_a_fourth_disc_is_yellow_and_where_discs_overlap_both_are_seen():
    frame = draw_discs(np.array([[[6.0, 6.0], [16.0, 6.0], [26.0, 6.0], [16.5, 6.0]]]), 32)[0]
    np.testing.assert_array_equal(frame[..., 0][:, :22], slow_disc(32, 16.5, 6.0)[:, :22])  # red: the fourth
    np.testing.assert_array_equal(frame[..., 1], np.maximum(slow_disc(32, 16.0, 6.0), slow_disc(32, 16.5, 6.0)))
    assert frame[..., 2].max() > 200


def slow_digits(x0, y0, x1, y1):
    """Two digits over the photograph, drawn five times too large and shrunk, without any shortcut."""
    opacity, large = _pictures(64)
    large = np.pad(large.astype(float), ((0, 0), (200, 200), (200, 200)))
    for j, (x, y) in enumerate([(x0, y0), (x1, y1)]):
        column, row = int(np.floor(5 * x)) - 55 + 200, int(np.floor(5 * y)) - 55 + 200
        window = large[:, row : row + 110, column : column + 110]
        window += opacity[j] * (np.eye(3)[j][:, None, None] - window)
    small = resize(large[:, 200:-200, 200:-200].transpose(1, 2, 0), (64, 64, 3), anti_aliasing=True)
    return (small * 255).astype(np.uint8)


def test_digits_are_blended_over_the_photograph_also_where_they_overlap_or_leave_the_image(rng):
    centres = rng.uniform(2, 62, (10, 2, 2))
    centres[0] = [[30.0, 30.0], [36.0, 33.0]]
    frames = draw_digits(centres, 64)
    for frame, objects in zip(frames, centres, strict=True):
        # float32 against float64, then truncated: one grey level
        assert np.abs(frame.astype(int) - slow_digits(*objects.flatten())).max() <= 1
    assert frames[0][25:38, 24:42, 0].max() > 150  # digit 0 is red
    assert frames[0][25:45, 26:46, 1].max() > 200  # digit 1 is green


def coloured(frame):
    """Centres of mass (x, y) of what is purely red and of what is purely green in a frame, (2, 2), pixels."""
    frame = frame.astype(float)
    middles = np.arange(len(frame)) + 0.5
    weights = [(frame[..., j] - np.delete(frame, j, 2).max(-1) - 60).clip(0) for j in range(2)]
    return np.array([[w.sum(0) @ middles, w.sum(1) @ middles] / w.sum() for w in weights])


def test_digits_of_the_authors_generator_are_among_the_twenty_five_phases():
    """Digits, photograph, colours, who covers whom: a search for the two positions ends in the very same frame."""
    vectors = reference("mnist_spring_color")
    frames = np.concatenate([vectors["batch"], vectors["train/batches"]]).reshape(-1, 64, 64, 3)[::14]
    apart = np.array([[16.0, 32.0], [48.0, 32.0]])
    offset = coloured(draw_digits(apart[None], 64)[0]) - apart
    steps = np.arange(-4, 5) / 5
    near = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    for frame in frames:
        centres = (np.floor(5 * (coloured(frame) - offset)) + 0.5) / 5  # the middle of a large pixel
        for j in (1, 0) * 4:  # where green covers red, red starts further away than one search reaches
            candidates = centres[None].repeat(len(near), 0)
            candidates[:, j] += near
            errors = np.abs(draw_digits(candidates, 64).astype(int) - frame)
            best = errors.sum((1, 2, 3)).argmin()
            centres, error = candidates[best], errors[best].max()
            if error <= 1:  # measured: 0; float32 against float64, then truncated
                break
        assert error <= 1, centres
