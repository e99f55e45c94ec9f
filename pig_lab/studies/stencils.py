"""What four positions of one object can say about its velocity, without a network: the best linear estimators.

One has the smallest error of the velocity (*taught*), the other one of the positions that are predicted with it
(*predicting*), to first order in the velocity and with the best constants. Both are least squares, in closed form.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pig_core.config import make_config
from pig_core.physics import Law
from pig_core.state import State
from pig_core.tasks import Task

from ..estimate import best_possible
from .late import NOISE, judged, scenes

PROBE = 1e-4  # pixels per second by which a velocity is moved to see how its rollout changes


@torch.no_grad()
def stencils(task: Task, noise: Sequence[float] = NOISE) -> dict[str, object]:
    """Both estimators at all levels of noise, and what an error of the velocity costs.

    Returns:
        "rows": for each "noise" (pixels) and "way" what :func:`pig_lab.studies.late.judged` gives; "cost": how many
        squared pixels, summed over the objects and averaged over the predicted frames, an error of one pixel per second
        of every object costs: "outward" from the middle, "turning" around it, or in "common".
    """
    config = make_config(task, "paper")
    law, first = task.physics(config.substeps, best_possible(task)), task.input_steps
    (positions, best), (fresh, truth) = scenes(task, law, noise)
    rows = []
    for level, size in enumerate(noise):
        seen, right = design(positions[level, :, :first]), best[level][1]
        start = positions[level, :, first - 1], right  # where a prediction starts, but for the velocity's error
        change, told = response(start, task.pred_steps, law), right.double().flatten(1).unsqueeze(-1)
        missed = positions[level, :, first:] - law.rollout(*start, task.pred_steps)[0]
        wanted = change @ told + missed.double().flatten(1).unsqueeze(-1)
        for way, matrix, target in (("taught", seen, told), ("predicting", change @ seen, wanted)):
            weights = torch.linalg.lstsq(matrix.flatten(0, 1), target.flatten(0, 1))
            velocity = (design(fresh[level, :, :first]) @ weights.solution).reshape(truth[level][1].shape).float()
            states = fresh[level, :, first - 1], velocity
            rows.append({"way": way, "noise": size, **judged(states, fresh[level, :, first:], truth[level], task, law)})
    return {"rows": rows, "cost": _costs(best[0], response(best[0], task.pred_steps, law), task.pred_steps)}


def design(positions: Tensor) -> Tensor:
    """What linear estimators weigh: (n, L, K, 2) to (n, K 2, (2 L + 1) 2), an object's own positions and a constant."""
    n, _, k, d = positions.shape
    own = positions.double().transpose(1, 2).flatten(2)  # (n, K, L 2)
    own = torch.cat([own, own.new_ones(n, k, 1)], -1)
    return torch.einsum("nkf,de->nkdfe", own, torch.eye(d).double()).reshape(n, k * d, -1)


def response(state: State, steps: int, law: Law) -> Tensor:
    """How predicted positions change with the velocity of a state, (n, K, 2) each: (n, steps K 2, K 2), seconds."""
    law, pos, vel = law.double(), *(part.double() for part in state)
    here = law.rollout(pos, vel, steps)[0].flatten(1)
    moved = [vel + PROBE * unit.view(vel.shape[1:]) for unit in torch.eye(vel[0].numel()).double()]
    columns = [(law.rollout(pos, each, steps)[0].flatten(1) - here) / PROBE for each in moved]
    law.float()
    return torch.stack(columns, -1)


def _costs(state: State, change: Tensor, steps: int) -> dict[str, float]:
    pos = state[0].double()
    outward = torch.nn.functional.normalize(pos - pos.mean(1, keepdim=True), dim=-1)
    turning = torch.stack([-outward[..., 1], outward[..., 0]], -1)
    common = torch.zeros_like(outward)
    common[..., 0] = 1
    ways = {"outward": outward, "turning": turning, "common": common}
    cost = {name: (change @ error.flatten(1).unsqueeze(-1)).square().sum((1, 2)) for name, error in ways.items()}
    return {name: each.mean().item() / steps for name, each in cost.items()}
