"""Panels without a kernel, in a real browser: they answer as the package does, to keyboard, pointer and touch."""

import numpy as np
import pytest
import torch

from pig_core.build import build_model
from pig_core.decoder import PLACEMENTS
from pig_core.physics import LAWS
from pig_core.tasks import TASKS
from pig_lab.control.law import PENDULUM, Pendulum
from pig_lab.control.learn import pendulum_config
from pig_lab.report import panels, whatif
from pig_lab.report.results import load_results
from pig_lab.report.whatif import WhatIf, ask, rollout_of
from pig_lab.trained import Trained, open_task

from .browser import browser_tab, needs_chromium

pytestmark = needs_chromium
VIDEOS = {"one": 0, "other": 1}


@pytest.fixture(scope="module")
def trained():
    return {**{task: open_task(task, len(VIDEOS)) for task in TASKS}, "pendulum": untrained_pendulum()}


def untrained_pendulum():
    """An angle, torques, a limit of the speed and a template that turns; its weights do not matter here."""
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
    shown = [whatif.what_if(each, VIDEOS) for each in trained.values()]
    shown += [panels.rollout_player(spring.evaluation, VIDEOS), whatif.opening(spring, 0, "k", results)]
    head = '<!DOCTYPE html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    text = panels.once(head + "".join(each.data for each in shown))
    assert text.count("pig.laws = {") == 1
    path = tmp_path_factory.mktemp("panels") / "page.html"
    path.write_text(text, encoding="utf-8")
    options = {
        "offline": True,
        "reduced_motion": "reduce",
        "viewport": {"width": 390, "height": 800},
        "has_touch": True,
    }
    with browser_tab(**options) as (tab, problems, requests):
        tab.goto(path.as_uri())
        tab.wait_for_function(f"document.querySelectorAll('.pig-chart').length === {3 * len(trained) + 1}")
        yield tab
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert not problems
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def panel(tab, task):
    """The what-if panel of a task, or of the pendulum."""
    return tab.locator(".pig-whatif").nth([*TASKS, "pendulum"].index(task))


def to_end(root):
    root.locator(".pig-bar input").evaluate("bar => { bar.value = bar.max; bar.dispatchEvent(new Event('input')); }")


@pytest.mark.parametrize("task", [*TASKS, "pendulum"])
def test_the_page_answers_as_the_package_does(task, tab, trained):
    """Positions to 0.01 pixels, images to 2 grey levels, with every slider moved; each move takes less than 50 ms."""
    root, each = panel(tab, task), trained[task]
    canvas = root.locator("canvas").nth(1)
    before = canvas.evaluate("c => c.toDataURL()")
    took = []
    for slider in root.locator(".pig-slider input").all():
        slider.focus()
        tab.keyboard.press("PageUp")
        took.append(float(root.get_attribute("data-milliseconds")))
    assert min(took) < 50  # the machine may do something else meanwhile
    values = root.evaluate("root => root.pig.asked()")
    turn = {"turn"} if task != "pendulum" else set()
    assert values.keys() == {*each.task.truth, "speed", *turn}
    learned = each.model.physics.values()
    assert all(values[name] > 1.01 * value for name, value in {**learned, "speed": 1.0}.items())
    motion = {name: values.pop(name) for name in ("speed", *turn)}
    assert motion.get("turn", 2) > 1
    question = WhatIf(values, **motion)
    to_end(root)
    assert canvas.evaluate("c => c.toDataURL()") != before
    size, first, length = each.task.image_size, each.model.input_steps, each.evaluation.video.shape[1]
    times = [0, first, length // 2, length - 1]
    answer = root.evaluate(
        """(root, [size, times]) => ({
            places: root.pig.answer.places.map(place => [...place]), loss: root.pig.answer.loss,
            last: [...root.querySelectorAll("canvas")[1].getContext("2d").getImageData(0, 0, size, size).data],
            images: times.map(t => [...root.pig.answer.image(t)]),
        })""",
        [size, times],
    )
    wanted = rollout_of(each, 0, question, torch.float64)
    places = np.array(answer["places"][first:]).reshape(*wanted.shape[:2], -1)[..., :2]  # without an angle
    np.testing.assert_allclose(places, wanted, atol=0.01)
    asked = ask(each, 0, question)
    expected = torch.cat([each.evaluation.output.recons[0, :first], asked.prediction])  # (T, C, S, S)
    drawn = np.array(answer["images"]).reshape(-1, size, size, 4)
    assert np.abs(drawn[..., :3] - 255 * expected[times].movedim(1, -1).numpy()).max() <= 2
    np.testing.assert_array_equal(drawn[-1].ravel(), answer["last"])
    assert answer["loss"] == pytest.approx(asked.loss, rel=0.01)


def test_every_law_of_the_package_is_known_and_of_another_one_the_page_says_so(tab, trained):
    assert set(tab.evaluate("Object.keys(pig.laws)")) == {law.__name__ for law in [*LAWS.values(), Pendulum]}
    said = tab.evaluate("""async () => {
        const root = document.createElement("div");
        await pig.whatif(root, { law: "Pushed" });
        return root.textContent;
    }""")
    assert said.startswith("The law Pushed is not written in JavaScript")
    spring = trained["spring_color"]
    spring.model.decoder, decoder = torch.nn.Identity(), spring.model.decoder
    try:
        assert "cannot draw with a `Identity`" in whatif.what_if(spring, VIDEOS).data
    finally:
        spring.model.decoder = decoder


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_placement_draws_where_the_packages_does(placement, tab):
    size, side, sigma, positions = 16, 8, 2.0, torch.tensor([5.0, 8.0, 9.25])
    coordinates = PLACEMENTS[placement](positions, torch.tensor(sigma), size, side)
    steps = tab.evaluate(
        "([name, positions, ...rest]) => positions.map(at => pig.placements[name](at, ...rest))",
        [placement, positions.tolist(), sigma, size, side],
    )
    ours = np.array([[first + change * pixel for pixel in range(size)] for first, change in steps])
    np.testing.assert_allclose(ours, coordinates, atol=1e-5)


def test_charts_are_dragged_and_the_curve_has_its_minimum_at_the_learned_value(tab, trained):
    root, learned = panel(tab, "spring_color"), trained["spring_color"].model.physics.values()
    root.get_by_text("as learned", exact=True).click()
    asked = root.evaluate("root => root.pig.asked()")
    assert {name: asked[name] for name in learned} == pytest.approx(learned)
    root.locator(".pig-slider input").first.press("ArrowRight")
    curve, decay, paths = (root.locator(".pig-chart").nth(i) for i in range(3))
    curve.locator(".pig-line").wait_for(state="attached")
    points = np.array([p.split(",") for p in curve.locator(".pig-line").get_attribute("points").split()], float)
    assert abs(points[points[:, 1].argmax(), 0] - (58 + 288) / 2) < 15  # the middle of the axis

    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"])
    tab.mouse.up()
    assert root.evaluate("root => root.pig.asked().k") > 1.5 * learned["k"]
    time = root.locator(".pig-time")
    decay.scroll_into_view_if_needed()
    box = decay.bounding_box()
    tab.touchscreen.tap(box["x"] + 288 / 300 * box["width"], box["y"] + 0.4 * box["height"])
    assert time.inner_text() == "frame 30, extrapolated"
    dot = paths.locator(".pig-dot").first
    x, y = (float(dot.get_attribute(name)) for name in ("cx", "cy"))
    root.get_by_label("one frame back").click()
    assert time.inner_text() == "frame 29, extrapolated"
    box = paths.bounding_box()
    paths.click(position={"x": x * box["width"] / 300, "y": y * box["height"] / 190})
    assert time.inner_text() == "frame 30, extrapolated"


def test_the_opening_starts_where_training_starts_and_gives_the_measured_value(tab):
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
    root.locator(".pig-line").wait_for(state="attached")


def test_a_player_compares_and_obeys_buttons_and_keys(tab, trained):
    root, evaluation = tab.locator(".pig-player"), trained["spring_color"].evaluation

    def shown(which):
        canvas = root.locator("canvas").nth(which)
        pixels = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 32, 32).data]")
        return np.array(pixels).reshape(32, 32, 4)[..., :3]

    root.locator("select").first.select_option("other")
    tab.wait_for_function("() => document.querySelector('.pig-player').pig.loaded === 1")
    to_end(root)
    truth = (255 * evaluation.video[1, -1].movedim(0, -1)).round().int().numpy()
    predicted = (255 * evaluation.output.prediction[1, -1].movedim(0, -1)).round().int().numpy()
    np.testing.assert_array_equal(shown(0), truth)
    np.testing.assert_array_equal(shown(1), predicted)
    np.testing.assert_array_equal(shown(2), np.minimum(3 * np.abs(truth - predicted), 255))
    root.locator("select").nth(1).select_option("over one another")
    np.testing.assert_array_equal(shown(0)[..., [0, 2]], np.stack([truth.max(-1), predicted.max(-1)], -1))
    root.locator("select").nth(1).select_option("side by side")
    np.testing.assert_array_equal(shown(0), truth)
    time = root.locator(".pig-time")
    root.get_by_label("one frame on").click()  # after the last comes the first
    assert time.inner_text() == "frame 1, input"
    root.focus()
    tab.keyboard.press("ArrowRight")
    assert time.inner_text() == "frame 2, input"
    assert root.locator(".pig-play").inner_text().endswith("play")  # less motion was asked for
    tab.keyboard.press(" ")
    tab.wait_for_function("() => document.querySelector('.pig-player .pig-time').textContent.startsWith('frame 4')")
    tab.keyboard.press(" ")
