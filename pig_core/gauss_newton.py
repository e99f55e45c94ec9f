"""Least squares by Gauss-Newton, many small problems at once: states of scenes, positions in frames, constants."""

from collections.abc import Callable

import torch
from torch import Tensor


def differences(function: Callable[[Tensor], Tensor], state: Tensor, probe: float) -> tuple[Tensor, Tensor]:
    """A function's values (B, M) at states (B, n), and its Jacobians (B, M, n) by forward differences.

    Args:
        function: (B', n) to (B', M); asked for n + 1 times as many states in one batch.
        probe: what each unknown is moved by, in its own unit.
    """
    directions = torch.eye(state.shape[1], dtype=state.dtype, device=state.device)
    probes = torch.cat([state.unsqueeze(1), state.unsqueeze(1) + probe * directions], 1)  # (B, 1 + n, n)
    values = function(probes.flatten(0, 1)).unflatten(0, probes.shape[:2])  # (B, 1 + n, M)
    return values[:, 0], ((values[:, 1:] - values[:, :1]) / probe).mT


def solve(jacobian: Tensor, residual: Tensor, damping: float = 0.0) -> Tensor:
    """The step (B, n) that takes residuals (B, M) away best to first order, given Jacobians (B, M, n)."""
    unknowns = jacobian.shape[-1]
    normal = jacobian.mT @ jacobian + damping * torch.eye(unknowns, dtype=jacobian.dtype, device=jacobian.device)
    return torch.linalg.solve_ex(normal, jacobian.mT @ residual.unsqueeze(-1)).result.squeeze(-1)


def gauss_newton(
    function: Callable[[Tensor], Tensor], observed: Tensor, state: Tensor, iterations: int, probe: float, damping: float
) -> Tensor:
    """States (B, n) whose values are nearest to what was observed, (B, M).

    Only the last iteration carries gradients; by the implicit function theorem that is, but for second derivatives,
    the gradient of the solution with respect to ``observed`` and whatever else the function depends on.

    Args:
        state: where to start, (B, n).
    """
    for iteration in range(iterations):
        state = state.detach()
        with torch.no_grad():
            values, jacobian = differences(function, state, probe)
        last = iteration == iterations - 1
        residual = observed - (function(state) if last else values)
        state = state + solve(jacobian, residual, damping)
    return state
