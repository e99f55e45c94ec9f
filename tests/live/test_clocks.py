"""One clock moves the panels and figures of a video, and is moved by pressing them: by what a reader can see."""

import numpy as np
import pytest

from ..browser import needs_chromium
from .conftest import panel

pytestmark = needs_chromium


def test_one_clock_for_all_panels_of_a_video_and_nothing_moves_by_itself(tab):
    player, asks = tab.locator(".pig-player"), panel(tab, "spring_color")
    asks.locator(".pig-bar input").evaluate("bar => { bar.value = bar.max; bar.dispatchEvent(new Event('input')); }")
    assert (
        player.locator(".pig-time").inner_text() == asks.locator(".pig-time").inner_text() == "frame 30, extrapolated"
    )
    other = panel(tab, "3bp_color").locator(".pig-time")
    still = other.inner_text()
    player.get_by_label("one frame on").click()  # after the last comes the first
    assert asks.locator(".pig-time").inner_text() == "frame 1, input"
    player.focus()
    tab.keyboard.press("ArrowRight")
    assert asks.locator(".pig-time").inner_text() == "frame 2, input"
    assert other.inner_text() == still
    assert player.locator(".pig-play").inner_text().endswith("play")  # less motion was asked for
    assert tab.locator(".pig output, .pig [aria-live]").count() == 0


def middles(tab, selector):
    """Where the elements are that a reader sees now: x and y of their middles, in pixels of the page."""
    return tab.evaluate(
        """selector => [...document.querySelectorAll(selector)].filter(node => node.checkVisibility()).map(node => {
            const { x, y, width, height } = node.getBoundingClientRect();
            return { text: node.textContent, x: x + width / 2 + scrollX, y: y + height / 2 + scrollY, height };
        })""",
        selector,
    )


def test_figures_follow_the_clock_and_are_pressed_to_move_it(tab, trained):
    """By what a reader can see: a mark is where the numbers at the axes say that it should be."""
    root, evaluation = tab.locator(".pig-player"), trained["spring_color"].evaluation
    time = root.locator(".pig-time")
    root.locator(".pig-bar input").evaluate("bar => { bar.value = 19; bar.dispatchEvent(new Event('input')); }")
    assert time.inner_text().startswith("frame 20,")
    numbers = {t["text"]: t for t in middles(tab, ".errors text") if t["text"] in ("10", "20")}
    [line] = middles(tab, ".errors .pig-now")
    assert line["x"] == pytest.approx(numbers["20"]["x"], abs=1)
    assert line["height"] > 80
    [frame, *_] = middles(tab, ".strip rect.pig-now")
    titles = [t for t in middles(tab, ".strip text") if t["text"].isdigit()]
    shown = min(titles, key=lambda t: abs(int(t["text"]) - 20))  # of the strip's frames the nearest one
    assert frame["x"] == pytest.approx(shown["x"], abs=3)  # columns are 80 px apart
    dots = middles(tab, ".paths .pig-now")
    texts = [t for t in middles(tab, ".paths text") if t["text"].isdigit()]
    lowest = max(t["y"] for t in texts)
    across = [(int(t["text"]), t["x"]) for t in texts if t["y"] > lowest - 3]
    left = min(t["x"] for t in texts)
    down = [(int(t["text"]), t["y"]) for t in texts if t["x"] < left + 12 and t["y"] < lowest - 3]
    scales = [np.polyfit(*np.transpose(ticks), 1) for ticks in (across, down)]
    length = trained["spring_color"].model.input_steps
    places = np.concatenate([evaluation.positions[0, :length], evaluation.rollout[0]])[..., :2]  # (T, K, 2)
    wanted = [[np.polyval(scale, x) for scale, x in zip(scales, at, strict=True)] for at in places[19].tolist()]
    np.testing.assert_allclose(sorted([d["x"], d["y"]] for d in dots), sorted(wanted), atol=2)

    press(tab, numbers["10"]["x"], line["y"])
    assert time.inner_text().startswith("frame 10,")
    assert panel(tab, "spring_color").locator(".pig-time").inner_text().startswith("frame 10,")
    assert middles(tab, ".errors .pig-now")[0]["x"] == pytest.approx(numbers["10"]["x"], abs=1)
    first = min(titles, key=lambda t: t["x"])
    press(tab, first["x"], first["y"] + 60)
    assert time.inner_text() == "frame 1, input"
    assert middles(tab, ".errors .pig-now") == []  # of frame 1 there is no error
    apart = np.linalg.norm(places[:, None, :1] - places[None], axis=-1).min(2)  # from the first object to any one
    np.fill_diagonal(apart, np.inf)
    alone = int(apart.min(1).argmax())  # a frame in which it is where nothing is in another frame
    press(tab, *(np.polyval(scale, x) for scale, x in zip(scales, places[alone, 0].tolist(), strict=True)))
    assert time.inner_text().startswith(f"frame {alone + 1},")
    assert panel(tab, "3bp_color").locator(".pig-time").inner_text() != time.inner_text()


def press(tab, x, y):
    """Press a point of the page, wherever it is scrolled to."""
    tab.evaluate("([x, y]) => scrollTo(0, y - 300)", [x, y])
    tab.mouse.click(x, y - tab.evaluate("scrollY"))


def test_strip_and_paths_of_the_what_if_move_its_clock_and_a_move_of_a_slider_keeps_what_did_not_change(tab, trained):
    root = panel(tab, "spring_color")
    strip, paths, time = root.locator(".pig-strip"), root.locator(".pig-chart").nth(3), root.locator(".pig-time")
    width = strip.evaluate("strip => strip.clientWidth")
    strip.click(position={"x": 0.97 * width, "y": 5})
    assert time.inner_text() == "frame 30, extrapolated"
    cursor = root.locator(".pig-cursor").bounding_box()
    box = strip.bounding_box()
    assert cursor["x"] + cursor["width"] == pytest.approx(box["x"] + box["width"], abs=1)
    dot = paths.locator(".pig-dot").first
    before = dot.evaluate("dot => [dot.getAttribute('cx'), dot.getAttribute('cy')]")
    root.get_by_label("one frame back").click()
    box = paths.bounding_box()
    x, y = (float(part) * box["width"] / 300 for part in before)
    paths.click(position={"x": x, "y": y})
    assert time.inner_text() == "frame 30, extrapolated"
    axis = paths.locator(".pig-axis").element_handle()
    root.locator(".pig-slider input").first.press("ArrowRight")
    assert axis.evaluate("axis => axis.isConnected")
    moved = dot.evaluate("dot => [dot.getAttribute('cx'), dot.getAttribute('cy')]")
    assert moved != before


def test_a_player_compares(tab, trained):
    root, evaluation = tab.locator(".pig-player"), trained["spring_color"].evaluation

    def shown(which):
        canvas = root.locator("canvas").nth(which)
        pixels = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 32, 32).data]")
        return np.array(pixels).reshape(32, 32, 4)[..., :3]

    root.locator("select").first.select_option("other")
    tab.wait_for_function("() => document.querySelector('.pig-player').pig.loaded === 1")
    root.locator(".pig-bar input").evaluate("bar => { bar.value = bar.max; bar.dispatchEvent(new Event('input')); }")
    truth = (255 * evaluation.video[1, -1].movedim(0, -1)).round().int().numpy()
    predicted = (255 * evaluation.output.prediction[1, -1].movedim(0, -1)).round().int().numpy()
    np.testing.assert_array_equal(shown(0), truth)
    np.testing.assert_array_equal(shown(1), predicted)
    np.testing.assert_array_equal(shown(2), np.minimum(3 * np.abs(truth - predicted), 255))
    root.locator("select").nth(1).select_option("wiped")
    np.testing.assert_array_equal(shown(0), np.concatenate([truth[:, :16], predicted[:, 16:]], 1))
    root.locator("select").nth(1).select_option("over one another")
    np.testing.assert_array_equal(shown(0)[..., [0, 2]], np.stack([truth.max(-1), predicted.max(-1)], -1))
    root.locator("select").nth(1).select_option("beside")
    np.testing.assert_array_equal(shown(0), truth)
