"""The track while it is looked for: pictures that come one after the other, with a ring on the object at last."""

import base64
import re

import imageio.v3 as imageio
import numpy as np

from pig_lab.measure import widgets
from pig_lab.measure.measure import measure
from pig_lab.measure.options import Options
from pig_lab.measure.results import DRAWN, PATH

from . import clips


def test_frames_are_shown_while_an_object_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(widgets, "PAUSE", 0.0)
    times = np.arange(24) / 25
    path = np.stack([25 + 100 * times, 90 - 160 * times + 150 * times**2], 1)[:, None]
    shown = []
    options = Options(str(clips.write(tmp_path / "toss.mp4", clips.frames_of(path))), law="constant_acceleration")
    found = measure(options, widgets.Watching(shown.append))
    assert len(shown) > 5
    assert len(set(shown)) > 5  # not the same one again and again
    number = int(re.search(r"frame (\d+)", shown[-1])[1])
    picture = imageio.imread(base64.b64decode(re.search(r"base64,([^\"]+)", shown[-1])[1]))
    ink = np.abs(picture.astype(int) - DRAWN).sum(-1) < 30
    middle = np.argwhere(ink)[:, ::-1].mean(0)
    np.testing.assert_allclose(middle, found.clip.from_file(path[number, 0]), atol=1.5)
    assert (np.abs(picture.astype(int) - PATH).sum(-1) < 30).sum() > 10  # where it is in the other frames


def test_nothing_is_shown_where_nobody_watches():
    assert widgets.watch() is None
