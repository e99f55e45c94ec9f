"""Where an object is in its template: found in the model's own pictures, and what it does to the measured constants."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from pig_core.build import build_model
from pig_core.data import simulate
from pig_core.decoder import PLACEMENTS, TemplateDecoder
from pig_core.encoder import mass_moments
from pig_core.system import ConfigError
from pig_core.tasks import TASKS
from pig_lab.studies import explain
from pig_lab.studies import origins as study
from pig_lab.studies.template_origins import origins, to_count
from pig_lab.trained import Trained

SIZE, SPRING = 32, TASKS["spring_color"]
PLACES = torch.tensor([[4.0, -2.0], [-3.0, 1.0]])  # of the objects in their templates, pixels of the picture


@pytest.fixture
def decoder():
    """White discs with a soft edge on black, off the middle of their templates."""
    made = TemplateDecoder(2, 3, SIZE, "exact", "cut")
    at = (torch.arange(SIZE // 2) - (SIZE // 2 - 1) / 2) * 2  # a pixel of the template covers two of the picture
    across, down = at - PLACES[:, :1], at - PLACES[:, 1:]  # (K, S / 2)
    distance = (across.square().unsqueeze(1) + down.square().unsqueeze(2)).sqrt()  # (K, S / 2, S / 2)
    with torch.no_grad():
        for images in (made.template, made.content, made.background_logits):
            images.out.weight.zero_()
        made.template.out.bias.copy_((8 - 4 * distance).clamp(-5, 5).flatten())
        made.content.out.bias.fill_(6.0)
        made.background_logits.out.bias.fill_(-6.0)
    return made


@torch.no_grad()
@pytest.mark.parametrize(("coordinates", "stretched"), [("exact", 1.0), ("released", 16 / (16 - 1.01))])
def test_an_object_off_the_middle_of_its_template_is_found(decoder, coordinates, stretched):
    decoder.place = PLACEMENTS[coordinates]
    found = origins(decoder, 2)
    assert torch.allclose(found, PLACES * stretched, atol=0.02)
    for k in range(2):  # each alone, where its disc should be in the middle of the picture
        places = torch.full((1, 2, 2), -100.0)
        places[0, k] = SIZE / 2 - found[k]
        drawn = decoder(places)[0].sum(0).square()
        assert torch.allclose(mass_moments(drawn, torch.arange(SIZE) + 0.5)[0], torch.tensor(SIZE / 2), atol=0.02)


@torch.no_grad()
def test_pictures_are_the_same_from_either_origin_and_predictions_are_not(tiny, decoder, generator):
    video = torch.rand(3, SPRING.seen_steps, 3, SIZE, SIZE, generator=generator)
    outputs = []
    for origin in ("template", "drawn"):
        model = build_model(tiny("spring_color", recipe="paper", origin=origin))
        model.decoder.load_state_dict(decoder.state_dict())
        outputs.append(model(video))
    template, drawn = outputs
    moved = drawn.positions - template.positions  # (3, L+P, K, 2)
    assert torch.allclose(moved, origins(model.decoder, 2).expand_as(moved), atol=1e-4)
    assert torch.allclose(template.recons, drawn.recons, atol=1e-4)
    assert not torch.allclose(template.prediction, drawn.prediction, atol=1e-2)
    separate = model(video, separate=True)
    assert torch.allclose(separate.prediction, drawn.prediction, atol=1e-5)


@torch.no_grad()
def test_unequal_origins_spoil_the_constants_and_equal_ones_do_not():
    """A shift that both discs share is no change of their distance; one of a single disc is."""
    positions = torch.from_numpy(simulate(SPRING, 20, SPRING.seen_steps, np.random.default_rng(5)).positions)
    shared, single = torch.tensor([[1.9, -0.6], [1.9, -0.6]]), torch.tensor([[0.0, 0.0], [0.0, 5.1]])
    same, wrong = (explain.fit(positions + shift, SPRING, 5) for shift in (shared, single))
    assert {name: each.value for name, each in same.items()} == pytest.approx(SPRING.truth, rel=3e-3)
    assert max(abs(each.value / SPRING.truth[name] - 1) for name, each in wrong.items()) > 0.03
    assert wrong["k"].bootstrap > 20 * same["k"].bootstrap


def test_the_table_says_how_far_origins_are_apart_and_what_is_not_determined():
    fits = {"fitted": {"k": [1e-6, 13.9]}, "centred": {"k": [3.992, 0.001]}, "truth": {"k": 4.0}}
    run = pd.Series({"learned": {"k": 2.9}, "position_offset": [[0.0, 0.0], [3.0, 4.0]], **fits})
    assert study.apart(run) == 5
    said = study.table({"seed 3": run, "seed 4": run.drop("fitted").reindex([*run.index])}).data
    assert "5.00 px | undetermined | 3.992 ± 0.001" in said
    assert "5.00 px |  | 3.992" in said


@torch.no_grad()
def test_what_is_not_drawn_counts_as_in_the_middle(decoder):
    before = origins(decoder, 2)
    decoder.template.out.bias[: (SIZE // 2) ** 2] = -30.0  # the first object is nowhere to be seen
    after = origins(decoder, 2)
    assert torch.allclose(after[0], torch.zeros(2), atol=0.02)
    assert torch.allclose(after[1], before[1], atol=0.02)


def test_positions_are_counted_from_the_objects_once(tiny, decoder):
    placed, counted = (build_model(tiny("spring_color", recipe="paper", origin=name)) for name in ("template", "drawn"))
    for model in (placed, counted):
        model.decoder.load_state_dict(decoder.state_dict())
    assert torch.allclose(to_count(placed, 2), PLACES * 16 / (16 - 1.01), atol=0.02)
    assert not to_count(counted, 2).any()
    with pytest.raises(ConfigError, match="decoder_type"):
        tiny("spring_color", origin="drawn", decoder_type="mlp")


def test_a_run_that_sees_but_does_not_predict_is_explained_by_its_origins(tiny, decoder, monkeypatch):
    model = build_model(tiny("spring_color", recipe="paper"))
    model.decoder.load_state_dict(decoder.state_dict())
    trained = Trained(tiny("spring_color", recipe="paper"), SPRING, model, n=4)
    scenes = torch.from_numpy(simulate(SPRING, 20, SPRING.seen_steps, np.random.default_rng(5)).positions)
    seen = (
        scenes.float() - to_count(model, 2)
    ).numpy()  # what an encoder has to see so that these templates draw the scenes
    trained.__dict__["evaluation"] = replace(trained.evaluation, positions=seen)
    monkeypatch.setattr(explain, "judge", lambda *about: {"discovered": True, "predicted": False})
    found = explain.explain(trained)
    assert found["origins"] == pytest.approx(to_count(model, 2).numpy(), abs=1e-6)
    assert {name: value for name, (value, _) in found["centred"].items()} == pytest.approx(SPRING.truth, rel=3e-3)
    assert found["fitted"]["k"][1] > 20 * found["centred"]["k"][1]
    assert "with_network" not in found
