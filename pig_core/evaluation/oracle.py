"""The best that can be measured: physics fitted to the simulator's own positions instead of to pictures.

For judging only. The model takes fewer substeps than the simulation, so even this fit is not the truth exactly.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import least_squares

from ..config import make_config
from ..data.simulate import simulate
from ..physics import PHYSICS
from ..tasks import TASKS
from ..velocity import fit_state, path_through


@torch.no_grad()
def oracle_fit(name: str, n: int = 100, seed: int = 0) -> dict[str, float]:
    """Physical parameters that fit exact positions of ``n`` training scenes best, with the model's substeps.

    Each scene's state at frame L is fitted, too, to all its frames.
    """
    task, config = TASKS[name], make_config(name)
    frames = task.input_steps + task.pred_steps
    pos, vel = simulate(task, dict(task.truth), n, frames, np.random.default_rng(seed))
    pos, vel = torch.from_numpy(pos), torch.from_numpy(vel)
    names, at = list(task.truth), task.input_steps - 1

    def misfit(logs: np.ndarray) -> np.ndarray:
        values = {name: math.exp(log) for name, log in zip(names, logs, strict=True)}
        physics = PHYSICS[task.physics](task.dt, config.substeps, task.image_size, task.radius, values).double()
        state = fit_state(pos, at, (pos[:, at], vel[:, at]), physics)
        return (path_through(*state, at, frames, physics) - pos).flatten().numpy()

    logs = least_squares(misfit, [math.log(task.truth[name]) for name in names], diff_step=1e-4).x
    return {name: math.exp(log) for name, log in zip(names, logs, strict=True)}
