"""Optimisers by name, and the one of TensorFlow 1 that PyTorch lacks."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer


class TensorFlowRMSProp(Optimizer):
    """RMSProp as in TensorFlow 1: the accumulator starts at ONE and epsilon is inside the root.

    The first hundred steps are therefore small. ``torch.optim.RMSprop`` starts at zero and adds epsilon outside.
    """

    def __init__(self, params, lr: float, decay: float = 0.9, eps: float = 1e-10):
        super().__init__(params, {"lr": lr, "decay": decay, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if not self.state[p]:
                    self.state[p]["mean_square"] = torch.ones_like(p)
            squares = [self.state[p]["mean_square"] for p in params]
            grads = [p.grad for p in params]
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, grads, grads, 1 - group["decay"])
            roots = torch._foreach_sqrt(torch._foreach_add(squares, group["eps"]))
            torch._foreach_addcdiv_(params, grads, roots, -group["lr"])


# Name (the authors' option ``optimizer``) -> constructor taking parameter groups and a learning rate.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": lambda groups, lr: Adam(groups, lr, betas=(0.9, 0.99)),
    "rmsprop": TensorFlowRMSProp,
    "momentum": lambda groups, lr: SGD(groups, lr, momentum=0.9),
    "sgd": SGD,
}
