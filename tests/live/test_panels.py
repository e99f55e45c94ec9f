"""What the panels of a page answer without a kernel, against the package in double precision."""

import numpy as np
import pytest
import torch

from pig_core.decoder import PLACEMENTS, bilinear_weights
from pig_core.physics import LAWS
from pig_core.tasks import TASKS
from pig_lab.control.pendulum import Pendulum
from pig_lab.report import live
from pig_lab.report.results import load_results
from pig_lab.report.whatif import WhatIf, ask, rollout_of

from ..browser import needs_chromium
from .conftest import VIDEOS, panel

pytestmark = needs_chromium


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
