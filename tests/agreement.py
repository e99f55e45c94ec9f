"""How closely the recipe ``paper`` agrees with the authors' program, for the report: ``python -m tests.agreement``.

Writes reports/results/benchmarks/vectors.json. Needs the reference vectors, which are not part of the project; what the
tests hold to bounds (tests/test_model.py) is measured here with the same functions.
"""

import numpy as np
import torch

from pig_core.system import commit, provenance, results_folder, write_json

from .conftest import golden
from .test_model import BOUNDS, paper_forward, relative, twelve_steps


def agreement(task: str) -> dict[str, float]:
    """The largest differences, relative to the largest value, or, of losses, to the loss itself."""
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    output, losses = paper_forward(task, vectors)
    states = torch.cat([output.rollout.flatten(2), output.rollout_vel.flatten(2)], -1).numpy()
    ours, theirs = np.array(twelve_steps(task)[1]), vectors["train/losses"]
    steps = np.abs(ours / theirs - 1).max(1)
    return {
        "positions": float(relative(output.positions.flatten(2).numpy(), vectors["fwd/enc_pos"])),
        "reconstruction": float(relative(output.recons.movedim(2, -1).numpy(), vectors["fwd/recons"])),
        "predicted states": float(relative(states, vectors["fwd/pos_vel"][:, 1:])),
        "prediction": float(relative(output.prediction.movedim(2, -1).numpy(), vectors["fwd/output"])),
        "losses": max(abs(value.item() / float(vectors[f"fwd/{name}"]) - 1) for name, value in losses.items()),
        "losses, 6 steps": float(steps[:6].max()),
        "losses, 12 steps": float(steps.max()),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    about = {"commit": commit(), **provenance(torch.device("cpu"))}
    write_json(
        results_folder() / "benchmarks" / "vectors.json",
        {"result": {task: agreement(task) for task in BOUNDS}, **about},
    )
