"""Encoder and decoder: the authors' spatial transformer, TensorFlow's upsampling, and what coordinates mean."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pig_core.decoder import TemplateDecoder, TurningDecoder, bilinear_weights, placement_exact, placement_released
from pig_core.encoder import CenterOfMass, double_size

from .authors import reference


def test_the_released_placement_is_the_authors_spatial_transformer():
    vectors = reference("parts")
    for image, theta, expected in zip(vectors["stn_image"], vectors["stn_theta"], vectors["stn_output"], strict=True):
        scale, shift_x, shift_y = (torch.tensor(float(theta[i])) for i in (0, 2, 5))
        # The shift of a position p is (S/2 - p) / (S/2) * scale; here it is given, so p is what makes it.
        position = 16 - 16 * torch.stack([shift_x, shift_y]) / scale
        across, down = bilinear_weights(placement_released(position, scale, 32, 16), 16, cut=True)
        placed = torch.einsum("yi,ijc,xj->yxc", down, torch.from_numpy(image), across)
        np.testing.assert_allclose(placed.numpy(), expected, atol=1e-4)


def test_upsampling_is_tensorflow_ones():
    row = torch.tensor([0.0, 1, 2, 3]).view(1, 1, 1, 4).expand(1, 1, 2, 4)
    expected = torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3])
    torch.testing.assert_close(double_size(row), expected.expand(1, 1, 4, 8))
    torch.testing.assert_close(double_size(row.mT), expected.view(8, 1).expand(1, 1, 8, 4))


def decoder(coordinates, edge="taper", size=32):
    torch.manual_seed(0)
    made = TemplateDecoder(1, 3, size, coordinates, edge)
    with torch.no_grad():  # a soft blob in the middle of the template
        span = torch.arange(size // 2) - (size / 2 - 1) / 2
        blob = 24 * torch.exp(-(span[:, None] ** 2 + span**2) / 16) - 20  # invisible outside
        made.template.out.weight.zero_()
        made.template.out.bias.copy_(blob.flatten())
        made.content.out.weight.zero_()
        made.content.out.bias.fill_(6.0)
        made.background_logits.out.weight.zero_()
        made.background_logits.out.bias.fill_(-20.0)
    return made


def drawn_at(made, x, y):
    """Centre of mass of what is drawn for an object at (x, y)."""
    with torch.no_grad():
        image = made(torch.tensor([[[x, y]]])).sum(1)[0]
    image = image - image.min()
    centres = torch.arange(image.shape[0]) + 0.5
    return (image.sum(0) @ centres / image.sum()).item(), (image.sum(1) @ centres / image.sum()).item()


@pytest.mark.parametrize(
    ("coordinates", "size", "slope"), [("exact", 32, 1.0), ("released", 32, 31 / 32), ("released", 64, 63 / 64)]
)
def test_how_far_the_drawn_object_moves_when_its_position_moves(coordinates, size, slope):
    made, middle = decoder(coordinates, size=size), size / 2
    left, right = drawn_at(made, middle - 3, middle + 1), drawn_at(made, middle + 3, middle - 1)
    assert (right[0] - left[0]) / 6 == pytest.approx(slope, abs=3e-3)
    assert (left[1] - right[1]) / 2 == pytest.approx(slope, abs=3e-3)


def test_exact_coordinates_draw_the_object_where_it_is_at_any_scale():
    made = decoder("exact")
    for log_sigma in (0.0, 0.3):
        made.log_sigma.data.fill_(log_sigma)
        assert drawn_at(made, 13.3, 20.8) == pytest.approx((13.3, 20.8), abs=0.02)


def test_separable_drawing_is_what_grid_sample_draws():
    made = decoder("exact")
    positions = torch.rand(5, 1, 2) * 32
    with torch.no_grad():
        _, logits = made.objects(positions, made.appearance())
        coordinates = placement_exact(positions[:, 0], torch.tensor(1.0), 32, 16)  # (5, 2, 32)
        grid = (coordinates + 0.5) / 8 - 1  # to grid_sample's convention
        grid = torch.stack([grid[:, :1].expand(5, 32, 32), grid[:, 1:].mT.expand(5, 32, 32)], -1)
        sheet = (made.template() + 5).expand(5, 1, 16, 16)
        reference = F.grid_sample(sheet, grid, align_corners=False, padding_mode="zeros")[:, 0] - 5
    torch.testing.assert_close(logits[:, 0], reference, atol=1e-4, rtol=1e-4)


def test_with_a_taper_the_image_is_continuous_and_with_a_cut_it_jumps():
    def largest_jump(edge):
        made = decoder("exact", edge)
        with torch.no_grad():
            made.template.out.bias.fill_(3.0)  # opaque up to the edge of the window
            xs = torch.linspace(12, 14, 401)
            frames = made(torch.stack([xs, torch.full_like(xs, 16.0)], -1)[:, None])
        return (frames[1:] - frames[:-1]).abs().max()

    assert largest_jump("taper") < 0.05
    assert largest_jump("cut") > 0.5


def test_the_centre_of_mass_is_the_position_of_a_disc():
    localiser = CenterOfMass(32)
    rows, columns = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    background = torch.full((3, 32, 32), 0.3)
    frame = background.clone()
    frame[1] += 0.6 * torch.exp(-((columns - 9.2) ** 2 + (rows - 20.6) ** 2) / 4)
    masks = torch.ones(1, 2, 32, 32)
    masks[:, 1] = 0  # an object that is nowhere
    position = localiser(frame[None], masks, background)
    torch.testing.assert_close(position[0, 0], torch.tensor([9.2, 20.6]), atol=1e-2, rtol=0)
    torch.testing.assert_close(position[0, 1], torch.tensor([16.0, 16.0]))


@pytest.mark.parametrize("coordinates", ["exact", "released"])
@pytest.mark.parametrize("edge", ["taper", "cut"])
def test_a_template_turned_by_zero_is_a_plain_one_and_a_quarter_turn_is_exact(coordinates, edge):
    torch.manual_seed(0)
    turning, plain = (kind(2, 3, 16, coordinates, edge) for kind in (TurningDecoder, TemplateDecoder))
    plain.load_state_dict(turning.state_dict())
    with torch.no_grad():
        places = torch.rand(5, 2, 2) * 16
        straight = torch.cat([places, torch.zeros(5, 2, 1)], -1)
        torch.testing.assert_close(turning(straight), plain(places), atol=1e-6, rtol=0)
        torch.testing.assert_close(turning(places), plain(places))
        if coordinates == "exact":  # only there does a pose exist at the image's centre
            middle, quarter = (torch.tensor([[[8.0, 8.0, turn]] * 2]) for turn in (0.0, math.pi / 2))
            turned = turning.objects(middle, turning.appearance())[1].rot90(1, (-2, -1))
            torch.testing.assert_close(turning.objects(quarter, turning.appearance())[1], turned, atol=1e-5, rtol=0)


def test_a_turned_template_moves_with_its_position_pixel_by_pixel():
    torch.manual_seed(0)
    decoder = TurningDecoder(1, 3, 32, "exact", "taper")
    with torch.no_grad():
        here, there = (decoder.objects(torch.tensor([[[x, 14.3, 0.7]]]), decoder.appearance())[1] for x in (12.6, 17.6))
        torch.testing.assert_close(there[..., 5:], here[..., :-5], atol=1e-4, rtol=0)
