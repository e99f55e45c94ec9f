"""Physics against closed forms, conservation laws, numerical gradients and the authors' own cells."""

import numpy as np
import pytest
import torch

from pig_core.physics import LAWS, Bouncing, Gravity, Spring

from .authors import reference

TRUTH = {"spring": {"k": 4.0, "l": 6.0}, "gravity": {"g": 60.0}, "bouncing": {}}
DT = {"spring": 0.3, "gravity": 0.5, "bouncing": 0.3}


def states(generator, n=4, k=2):
    pos = torch.rand(n, k, 2, generator=generator, dtype=torch.float64) * 24 + 4
    vel = torch.randn(n, k, 2, generator=generator, dtype=torch.float64) * 4
    return pos, vel


@pytest.mark.parametrize("name", LAWS)
def test_agrees_with_the_authors_cells(name):
    vectors = reference("parts")
    physics = LAWS[name](DT[name], 5, 32, 2.0, TRUTH[name])
    start = [torch.from_numpy(vectors[f"{name}_{what}0"]).unflatten(1, (-1, 2)) for what in ("pos", "vel")]
    pos, vel = physics.rollout(*start, 10)
    np.testing.assert_allclose(pos.detach().flatten(2).numpy(), vectors[f"{name}_pos"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(vel.detach().flatten(2).numpy(), vectors[f"{name}_vel"], atol=1e-4, rtol=0)


def test_spring_oscillates_as_in_the_textbook():
    """Two masses 1 on a spring: their distance swings about 2 l with angular frequency sqrt(2 k)."""
    k, half_rest, amplitude = 4.0, 6.0, 1.5
    physics = Spring(0.05, 2000, values={"k": k, "l": half_rest}).double()
    distance = 2 * half_rest + amplitude
    pos = torch.tensor([[[16 - distance / 2, 16.0], [16 + distance / 2, 16.0]]], dtype=torch.float64)
    path, _ = physics.rollout(pos, torch.zeros_like(pos), 20)
    times = 0.05 * np.arange(1, 21)
    expected = 2 * half_rest + amplitude * np.cos(np.sqrt(2 * k) * times)
    np.testing.assert_allclose((path[0, :, 1, 0] - path[0, :, 0, 0]).detach(), expected, atol=2e-3)


def test_two_bodies_on_a_circle_stay_on_it():
    """At distance 2 r two masses 1 circle each other with speed sqrt(g / (4 r))."""
    g, r = 60.0, 5.0
    speed = np.sqrt(g / (4 * r))
    physics = Gravity(0.1, 500, values={"g": g}).double()
    pos = torch.tensor([[[16 + r, 16.0], [16 - r, 16.0]]], dtype=torch.float64)
    vel = torch.tensor([[[0.0, speed], [0.0, -speed]]], dtype=torch.float64)
    path, _ = physics.rollout(pos, vel, 60)
    angle = speed / r * 0.1 * np.arange(1, 61)
    expected = np.stack([16 + r * np.cos(angle), 16 + r * np.sin(angle)], -1)
    np.testing.assert_allclose(path[0, :, 0].detach(), expected, atol=5e-3)


def test_a_bouncing_ball_follows_the_triangle_wave():
    physics = Bouncing(0.3, 5, 32, 2.0).double()
    pos, vel = torch.tensor([[[3.0, 16.0]]], dtype=torch.float64), torch.tensor([[[-7.0, 5.0]]], dtype=torch.float64)
    path, speed = physics.rollout(pos, vel, 40)
    t = 0.3 * np.arange(1, 41)
    for axis, (x, v) in enumerate([(3.0, -7.0), (16.0, 5.0)]):
        unfolded = (x + v * t - 2) % (2 * 28)
        np.testing.assert_allclose(path[0, :, 0, axis], 2 + np.minimum(unfolded, 56 - unfolded), atol=1e-9)
        np.testing.assert_allclose(speed[0, :, 0, axis].abs(), abs(v))


@pytest.mark.parametrize("name", ["spring", "gravity"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_momentum_is_kept_and_energy_hardly_drifts(name, k, generator):
    physics = LAWS[name](0.3, 400, values=TRUTH[name]).double()
    angle = torch.arange(k, dtype=torch.float64) * 2 * np.pi / k
    pos = 16 + 9 * torch.stack([angle.cos(), angle.sin()], -1)[None]
    vel = torch.randn(1, k, 2, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        path, speed = physics.rollout(pos, vel, 10)
    np.testing.assert_allclose(speed.sum(2)[0], vel.sum(1).expand(10, 2), atol=1e-9)

    def energy(pos, vel):
        i, j = np.triu_indices(k, 1)
        distance = (pos[i] - pos[j]).norm(dim=-1)
        potential = 2.0 * (distance - 12) ** 2 if name == "spring" else -60.0 / distance
        return float(potential.sum() + 0.5 * vel.square().sum())

    start = energy(pos[0], vel[0])
    assert abs(energy(path[0, -1], speed[0, -1]) - start) < 5e-3 * abs(start)


@pytest.mark.parametrize("name", LAWS)
def test_a_rollout_can_be_taken_back_exactly(name, generator):
    physics = LAWS[name](DT[name], 5, 32, 2.0, TRUTH[name]).double()
    pos, vel = states(generator, k=3 if name == "gravity" else 2)
    with torch.no_grad():
        path, speed = physics.rollout(pos, vel, 6)
        back, back_speed = physics.rollout(path[:, -1], speed[:, -1], 6, backwards=True)
    torch.testing.assert_close(back[:, -1], pos, atol=1e-8, rtol=0)
    torch.testing.assert_close(back_speed[:, -1], vel, atol=1e-8, rtol=0)
    torch.testing.assert_close(back[:, 0], path[:, -2], atol=1e-8, rtol=0)


@pytest.mark.parametrize("name", ["spring", "gravity"])
def test_gradients_are_the_numerical_ones(name, generator):
    physics = LAWS[name](DT[name], 2, values=TRUTH[name]).double()
    pos, vel = states(generator, n=2)
    names = list(physics.logs)

    def rollout(pos, vel, *logs):
        values = {f"logs.{n}": value for n, value in zip(names, logs, strict=True)}
        return torch.func.functional_call(_Rollout(physics), {f"physics.{n}": v for n, v in values.items()}, (pos, vel))

    inputs = (pos.requires_grad_(), vel.requires_grad_(), *(physics.logs[n].detach().requires_grad_() for n in names))
    assert torch.autograd.gradcheck(rollout, inputs)


class _Rollout(torch.nn.Module):
    def __init__(self, physics):
        super().__init__()
        self.physics = physics

    def forward(self, pos, vel):
        return self.physics.rollout(pos, vel, 2)


@pytest.mark.parametrize("name", ["spring", "gravity"])
def test_coinciding_objects_give_finite_gradients(name):
    physics = LAWS[name](0.3, 5, values=TRUTH[name])
    pos = torch.full((1, 2, 2), 16.0, requires_grad=True)
    path, _ = physics.rollout(pos, torch.zeros(1, 2, 2), 3)
    path.sum().backward()
    assert torch.isfinite(path).all()
    assert torch.isfinite(pos.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in physics.parameters())


def test_the_spring_acts_between_objects_not_between_coordinates():
    """A spring at rest along a diagonal does not move, whatever the order of the coordinates suggests."""
    physics = Spring(0.3, 5, values={"k": 4.0, "l": 5.0})
    pos = torch.tensor([[[8.0, 12.0], [14.0, 20.0]]])  # 6, 8: distance 10 = 2 l
    path, _ = physics.rollout(pos, torch.zeros_like(pos), 10)
    torch.testing.assert_close(path[:, -1], pos, atol=1e-3, rtol=0)


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match="no constant"):
        Spring(0.3, values={"g": 1.0})
