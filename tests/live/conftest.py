"""All panels that work without a kernel, on one page in a real browser: what the tests in this folder share."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from pig_core.build import build_model
from pig_core.tasks import TASKS
from pig_lab.control.learn import pendulum_config
from pig_lab.control.pendulum import PENDULUM
from pig_lab.report import figures, live, overview, player, svg
from pig_lab.report.browser import once
from pig_lab.report.results import load_results
from pig_lab.trained import Trained, open_task

from ..browser import browser_tab

VIDEOS = {"one": 0, "other": 1}


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
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
    """The what-if panel of a task, or of the pendulum."""
    return tab.locator(".pig-whatif").nth([*TASKS, "pendulum"].index(task))
