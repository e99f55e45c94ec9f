"""TensorFlow's RMSProp against its formula, written out in numpy."""

import numpy as np
import torch

from pig_core.training import OPTIMIZERS


def test_rmsprop_starts_its_accumulator_at_one_and_keeps_epsilon_inside():
    grads = np.random.default_rng(0).normal(size=(20, 5)) * np.array([1e-6, 1e-3, 1, 10, 0])
    parameter = torch.nn.Parameter(torch.zeros(5, dtype=torch.float64))
    optimizer = OPTIMIZERS["rmsprop"]([{"params": [parameter], "lr": 0.01}], lr=1.0)
    mean_square, expected = np.ones(5), np.zeros(5)
    for grad in grads:
        parameter.grad = torch.from_numpy(grad)
        optimizer.step()
        mean_square = 0.9 * mean_square + 0.1 * grad**2
        expected -= 0.01 * grad / np.sqrt(mean_square + 1e-10)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-12, atol=1e-15)


def test_every_optimizer_goes_downhill():
    for make in OPTIMIZERS.values():
        parameter = torch.nn.Parameter(torch.tensor([3.0]))
        optimizer = make([{"params": [parameter], "lr": 0.05}], lr=1.0)
        for _ in range(30):
            optimizer.zero_grad()
            parameter.square().sum().backward()
            optimizer.step()
        assert parameter.abs().item() < 2.5
