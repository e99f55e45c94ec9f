"""The panels of a page that work without a kernel, in a real browser, against the package in double precision."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from pig_core.control.learn import pendulum_config
from pig_core.control.pendulum import PENDULUM, Pendulum
from pig_core.decoder import PLACEMENTS, bilinear_weights
from pig_core.laws import LAWS
from pig_core.report import figures, live, overview, player, svg
from pig_core.report.browser import once
from pig_core.report.results import load_results
from pig_core.report.whatif import WhatIf, ask, rollout_of
from pig_core.runs.build import build_model
from pig_core.runs.trained import Trained, open_task
from pig_core.tasks import TASKS

from .browser import browser_tab, needs_chromium

VIDEOS = {"one": 0, "other": 1}
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def trained():
    return {**{task: open_task(task, len(VIDEOS)) for task in TASKS}, "pendulum": untrained_pendulum()}


def untrained_pendulum():
    """An angle, torques, a limit of the speed and a template that turns; what it has learned does not matter here."""
    config, rng = pendulum_config(), np.random.default_rng(0)
    model = build_model(config, PENDULUM)
    model.physics.pivot, model.physics.arm = torch.tensor([30.0, 33.0]), torch.tensor(12.0)
    frames = torch.from_numpy(rng.integers(0, 256, (len(VIDEOS), 30, 64, 64, 3), np.uint8))
    torques = torch.from_numpy(rng.uniform(-2, 2, (len(VIDEOS), 30, 1)).astype(np.float32))
    return Trained(config, PENDULUM, model, videos=(frames, None, torques))


@pytest.fixture(scope="module")
def tab(trained, tmp_path_factory):
    """All panels, opened once, on a phone, by a reader who wants less motion; nothing goes wrong meanwhile."""
    spring, results = trained["spring_color"], load_results().query("recipe == 'improved'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "CELLS", 5)  # of the map, which is drawn while the tests go on
        panels = [live.what_if(each, VIDEOS, task) for task, each in trained.items()]
    panels += [player.rollout_player(spring.evaluation, VIDEOS, "spring_color")]
    panels += [live.opening(spring, 0, "k", results), live.coordinates(spring, [8, 64])]
    drawn = [
        figures.filmstrip(spring.evaluation, 0, group="spring_color"),
        figures.trajectories(spring.evaluation, {"one": 0}, "spring_color"),
        overview.decay(results.query("task == 'spring_color'"), "rollout_rms_per_step", "pixels", "spring_color"),
    ]
    text = once('<!DOCTYPE html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
                + "".join(panel.data for panel in panels)
                + "".join(f"<div class='{name}' style='overflow-x:auto'>{svg.html(figure)}</div>"
                          for name, figure in zip(("strip", "paths", "errors"), drawn, strict=True)))  # fmt: skip
    plt.close("all")
    assert text.count("pig.laws = {") == 1
    path = tmp_path_factory.mktemp("live") / "page.html"
    path.write_text(text, encoding="utf-8")
    options = {"offline": True, "reduced_motion": "reduce", "viewport": {"width": 390, "height": 800}}
    with browser_tab(**options) as (tab, problems, requests):
        tab.goto(path.as_uri())
        tab.wait_for_function(f"document.querySelectorAll('.pig-chart').length === {4 * len(trained) + 1}")
        yield tab
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert not problems
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def panel(tab, task):
    return tab.locator(".pig-whatif").nth([*TASKS, "pendulum"].index(task))


@pytest.mark.parametrize("task", [*TASKS, "pendulum"])
def test_the_page_answers_as_the_package_does(task, tab, trained):
    """Positions to 0.01 pixels, pictures to 2 grey levels, with every slider moved."""
    root, each = panel(tab, task), trained[task]
    canvas = root.locator("canvas").nth(1)
    before = canvas.evaluate("c => c.toDataURL()")
    for slider in root.locator(".pig-slider input").all():
        slider.focus()
        tab.keyboard.press("PageUp")
    values = root.evaluate("root => root.pig.asked()")
    turn = {"turn"} if task != "pendulum" else set()
    assert values.keys() == {*each.task.truth, "speed", *turn}
    learned = each.model.physics.values()
    assert all(values[name] > 1.01 * value for name, value in {**learned, "speed": 1.0}.items())
    motion = {name: values.pop(name) for name in ("speed", *turn)}
    assert motion.get("turn", 2) > 1
    question = WhatIf(values, **motion)
    root.locator(".pig-bar input").evaluate("bar => { bar.value = bar.max; bar.dispatchEvent(new Event('input')); }")
    assert canvas.evaluate("c => c.toDataURL()") != before
    size, first, length = each.task.image_size, each.model.input_steps, each.evaluation.video.shape[1]
    times = [0, first, length // 2, length - 1]
    answer = root.evaluate(
        """(root, [size, times]) => ({
            places: root.pig.answer.places.map(place => [...place]), loss: root.pig.answer.loss,
            last: [...root.querySelectorAll("canvas")[1].getContext("2d").getImageData(0, 0, size, size).data],
            pictures: times.map(t => [...root.pig.predicted(t)]),
        })""",
        [size, times],
    )
    wanted = rollout_of(each, 0, question, torch.float64)
    places = np.array(answer["places"]).reshape(*wanted.shape[:2], -1)[..., :2]  # without an angle
    np.testing.assert_allclose(places, wanted, atol=0.01)
    asked = ask(each, 0, question)
    expected = torch.cat([each.evaluation.output.recons[0, :first], asked.prediction])  # (T, C, S, S)
    drawn = np.array(answer["pictures"]).reshape(-1, size, size, 4)
    assert np.abs(drawn[..., :3] - 255 * expected[times].movedim(1, -1).numpy()).max() <= 2
    np.testing.assert_array_equal(drawn[-1].ravel(), answer["last"])
    assert answer["loss"] == pytest.approx(asked.loss, rel=0.01)


def test_every_law_of_the_package_is_known_and_of_another_one_the_page_says_so(tab, trained):
    known = tab.evaluate("Object.keys(pig.laws)")
    assert set(known) == {f"{law.__module__}.{law.__qualname__}" for law in [*LAWS.values(), Pendulum]}
    said = tab.evaluate("""async () => {
        const root = document.createElement("div");
        await pig.whatif(root, { law: "mine.Pushed" });
        return root.textContent;
    }""")
    assert said.startswith("The law mine.Pushed is not written in JavaScript")
    trained["spring_color"].model.decoder, kept = torch.nn.Identity(), trained["spring_color"].model.decoder
    try:
        assert "cannot draw with a `Identity`" in live.what_if(trained["spring_color"], VIDEOS).data
    finally:
        trained["spring_color"].model.decoder = kept


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_placement_draws_where_the_packages_does(placement, tab):
    """By the package's own weights; the authors' draws beside what was asked for."""
    size, side, sigma, positions = 16, 8, 2.0, torch.tensor([5.0, 8.0, 9.25])
    coordinates = PLACEMENTS[placement](positions, torch.tensor(sigma), size, side)
    steps = tab.evaluate(
        "([name, positions, ...rest]) => positions.map(at => pig.placements[name](at, ...rest))",
        [placement, positions.tolist(), sigma, size, side],
    )
    ours = np.array([[first + change * pixel for pixel in range(size)] for first, change in steps])
    np.testing.assert_allclose(ours, coordinates, atol=1e-5)
    drawn = tab.evaluate("([name, positions, ...rest]) => positions.map(at => pig.drawnAt(name, at, ...rest))",
                         [placement, positions.tolist(), sigma, size, side])  # fmt: skip
    disc = 1 - ((torch.arange(side) - (side - 1) / 2) / 3).square()
    weights = bilinear_weights(coordinates, side, False) @ disc.clamp_min(0)  # (3, size): a spot, drawn
    middle = (weights * (torch.arange(size) + 0.5)).sum(1) / weights.sum(1)
    np.testing.assert_allclose(drawn, middle, atol=0.05)
    shrinks = (size - 1) / size if placement == "released" else 1
    assert (drawn[2] - drawn[0]) / 4.25 == pytest.approx(shrinks, abs=1e-6)


def test_discs_are_dragged_and_their_distance_is_told(tab):
    root = tab.locator(".pig-coordinates")
    canvas = root.locator("canvas")
    before = canvas.evaluate("c => c.toDataURL()")
    box = canvas.bounding_box()
    canvas.scroll_into_view_if_needed()
    canvas.focus()
    tab.keyboard.press("ArrowRight")
    assert canvas.evaluate("c => c.toDataURL()") != before
    assert root.evaluate("root => root.pig.ratio") == pytest.approx(32 / 31)
    assert "(32/31 = 1.0323)" in root.locator(".pig-said").inner_text()
    box = canvas.bounding_box()
    tab.mouse.move(box["x"] + 0.84 * box["width"], box["y"] + 0.69 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"])
    tab.mouse.up()
    np.testing.assert_allclose(root.evaluate("root => root.pig.asked[1]"), [16, 8], atol=0.2)
    root.locator("select").nth(1).select_option("8 pixels")
    assert root.evaluate("root => root.pig.ratio") == pytest.approx(8 / 7)
    root.locator("select").nth(0).select_option("exact")
    assert root.evaluate("root => root.pig.ratio") == pytest.approx(1)


def test_the_map_is_dragged_and_the_curve_has_its_minimum_at_what_was_learned(tab, trained):
    root, learned = panel(tab, "spring_color"), trained["spring_color"].model.physics.values()
    root.get_by_text("as learned", exact=True).click()
    chart = root.locator(".pig-chart").nth(1)
    chart.scroll_into_view_if_needed()
    root.locator(".pig-chart image").wait_for(state="attached")
    asked = root.evaluate("root => root.pig.asked()")
    assert {name: asked[name] for name in learned} == pytest.approx(learned)
    box = chart.bounding_box()
    tab.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.3 * box["height"])
    moved = root.evaluate("root => root.pig.asked()")
    assert moved["k"] > 1.1 * learned["k"]
    assert moved["l"] > 1.1 * learned["l"]
    assert moved["speed"] == 1
    tab.wait_for_function("""() => document.querySelectorAll(".pig-whatif")[1].querySelector(".pig-line-model")""")


def test_the_opening_starts_where_training_starts_and_tells_what_was_measured(tab):
    root, runs = tab.locator(".pig-opening"), load_results().query("recipe == 'improved' and task == 'spring_color'")
    slider = root.locator(".pig-slider input")
    start = root.evaluate("root => [root.pig.slider.value, root.pig.answer.loss]")
    assert start[0] == 1
    slider.focus()
    for _ in range(5):
        tab.keyboard.press("PageUp")
    k, loss = root.evaluate("root => [root.pig.slider.value, root.pig.answer.loss]")
    assert k == pytest.approx(runs["learned"].iloc[0]["k"], rel=0.01)
    assert loss < start[1] / 10
    said = root.locator("[role=status]")
    assert said.inner_text() == ""
    root.locator("button", has_text="show what the model measured").click()
    median = runs["learned"].map(lambda learned: learned["k"]).median()
    assert f"{median:.2f} ({len(runs)} trainings" in said.inner_text()
    assert "True: 4." in said.inner_text()


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
