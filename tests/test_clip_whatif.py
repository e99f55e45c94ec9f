"""The what-if of a measured clip in a real browser, against the package's laws in double precision."""

from types import SimpleNamespace

import numpy as np
import pytest

from pig_lab.measure.bodies import Arcs
from pig_lab.measure.fit import Fit
from pig_lab.measure.laws import LAWS
from pig_lab.measure.page import clip_what_if
from pig_lab.measure.video import Clip
from pig_lab.report.panels import once

from . import clips
from .browser import browser_tab, needs_chromium

pytestmark = needs_chromium
TIMES = np.concatenate([np.linspace(-0.9, -0.1, 9), [0.0, 0.02, 0.1], np.linspace(0.15, 1.1, 12)])  # not evenly spaced
NUMBERS = {
    "x": 80.0, "y": 60.0, "vx": 40.0, "vy": -90.0, "ax": 3.0, "ay": 150.0, "drag": 2e-3, "cos": 20.0, "sin": -12.0,
    "pivot_x": 80.0, "pivot_y": 20.0, "length": 70.0, "omega2": 20.0, "damping": 0.15, "angle": 0.4, "rate": -2.0,
}  # fmt: skip


def known(name):
    law = LAWS[name]()
    return law, np.array([NUMBERS[number] for number in law.numbers])


def found():
    """A pendulum in a clip that was read at half its size, cut out of a larger picture; frame 3 was left out."""
    times = np.arange(40) / 25
    seen = clips.pendulum(times)  # (T, 1, 2) in pixels of the frames
    clip = Clip(clips.frames_of(seen), times, np.arange(40), np.array([2.0, 2.0]), np.array([30.0, 10.0]), (400, 300))
    law, numbers = known("pendulum")
    numbers[:3] = *clip.to_file(np.array([80.0, 20.0])), 2 * NUMBERS["length"]
    fit = Fit(law, numbers, 0, 39, np.arange(40) != 3, zero=0.8)
    return SimpleNamespace(
        fit=fit, clip=clip, positions=clip.to_file(seen), tracks=[SimpleNamespace(look=SimpleNamespace(diameter=12.0))]
    )


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "page.html"
    text = '<!DOCTYPE html><link rel="icon" href="data:,"><meta name="viewport" content="width=device-width">'
    path.write_text(text + once(clip_what_if(found()).data), encoding="utf-8")
    options = {"offline": True, "reduced_motion": "reduce", "viewport": {"width": 390, "height": 800}}
    with browser_tab(**options) as (tab, problems, requests):
        tab.goto(path.as_uri())
        tab.wait_for_function("document.querySelector('.pig-clip').pig !== undefined")
        yield tab
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert not problems
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def path_of(tab, law, numbers, times):
    name = f"{type(law).__module__}.{type(law).__qualname__}"
    told = [name, dict(zip(law.numbers, numbers.tolist(), strict=True)), times.tolist()]
    return np.array(tab.evaluate("([law, numbers, times]) => pig.clipLaws[law](numbers, times)", told))


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.objects == 1 and not issubclass(law, Arcs)])
def test_every_law_of_one_object_is_the_packages(name, tab):
    law, numbers = known(name)
    wanted = law.path(numbers[None], TIMES)[0, :, 0]
    assert np.ptp(wanted, 0).max() > 20
    np.testing.assert_allclose(path_of(tab, law, numbers, TIMES), wanted, atol=1e-9)


def test_the_sliders_move_the_law_over_the_clip(tab):
    root, measured = tab.locator(".pig-clip"), found()
    law, times = measured.fit.law, measured.clip.times[measured.fit.used] - measured.fit.zero
    canvas = root.locator("canvas")
    before = canvas.evaluate("c => c.toDataURL()")
    said = root.locator(".pig-said").inner_text()
    fitted = law.path(measured.fit.numbers[None], times)[0, :, 0]
    off = np.linalg.norm(fitted - measured.positions[measured.fit.used, 0], axis=1)
    assert f"as fitted: {np.sqrt(np.square(off).mean()):.3g}" in said
    for slider in root.locator(".pig-slider input").all():
        slider.focus()
        tab.keyboard.press("PageUp")
    asked = root.evaluate("root => root.pig.asked()")
    before_it = dict(zip(law.numbers, measured.fit.numbers, strict=True))
    changed = {name for name, value in asked.items() if value > 1.01 * before_it[name]}
    assert changed == {"length", "omega2", "damping"}
    assert asked["rate"] == pytest.approx(1.2 * NUMBERS["rate"])  # the speed's slider: a tenth of 0 to 2 more
    wanted = law.path(np.array([[asked[name] for name in law.numbers]]), times)[0, :, 0]
    np.testing.assert_allclose(root.evaluate("root => root.pig.path"), wanted, atol=1e-9)
    assert canvas.evaluate("c => c.toDataURL()") != before
    assert root.locator(".pig-said").inner_text() != said
    root.get_by_role("button", name="as fitted").click()
    assert root.locator(".pig-said").inner_text() == said


def test_the_track_is_drawn_where_the_object_is(tab):
    """In the middle of the disc of the clip: the last frame's track, white, ends in the disc's centre."""
    measured = found()
    root = tab.locator(".pig-clip")
    for bar in (root.get_by_label("length"), root.get_by_label("frame", exact=True)):  # the path asked for is elsewhere
        bar.evaluate("bar => { bar.value = bar.max; bar.dispatchEvent(new Event('input')); }")
    x, y = np.round(measured.clip.from_file(measured.positions[-1, 0])).astype(int).tolist()
    pixel = "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data]"
    assert min(root.locator("canvas").evaluate(pixel, [x, y])[:3]) > 150  # the disc is red
    assert root.locator(".pig-time").inner_text() == f"{measured.clip.times[-1]:.2f} s"


def test_of_an_unknown_law_the_page_says_so(tab):
    said = tab.evaluate("""async () => {
        const root = document.createElement("div");
        await pig.clip(root, { law: "pig_lab.measure.bodies.TwoPendulums" });
        return root.textContent;
    }""")
    assert said == "The law pig_lab.measure.bodies.TwoPendulums is not written in JavaScript: a page cannot ask it."
