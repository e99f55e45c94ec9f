"""Simulated scenes of a task: starts and physics of its law with 10 substeps, and the rules by which they are kept."""

from typing import NamedTuple

import numpy as np
import torch

from ..common.errors import SimulationError
from ..tasks import Task

SUBSTEPS = 10  # of the simulation; the model uses 5
BATCH = 20_000  # candidates simulated at a time; most of them touch a wall and are thrown away
MAX_BATCHES = 2000  # give up after so many candidates: the constants asked for do not fit into the image
SURE = 50  # batches, after which it is clear whether these will do


class Scenes(NamedTuple):
    """What was simulated, at every frame."""

    positions: np.ndarray  # (n, T, K, 2) float64, pixels
    velocities: np.ndarray  # (n, T, K, D) float64, in the law's coordinates per second: pixels, if it has no others
    actions: np.ndarray | None  # (n, T, A) what acts from each frame to the next; None for a law without actions


def simulate(task: Task, n: int, length: int, rng: np.random.Generator, crossing: bool = False) -> Scenes:
    """Simulate ``n`` sequences that meet the task's conditions, with the constants of ``task.truth``.

    Args:
        length: frames per sequence.
        crossing: for half panes: an object must later reach the half of the image that it starts outside of.
    Raises:
        SimulationError: if the conditions cannot be met with these constants.
    """
    batch = min(BATCH, 20 * n + 100)
    kept, found = [], 0
    for done in range(1, MAX_BATCHES + 1):
        scenes = _keep_valid(task, *task.law.start(task, rng, batch), length, rng)
        if crossing:  # later at least one object is wholly in the half of the image that training never shows
            reached = scenes.positions[..., 0].max(axis=(1, 2)) - task.radius > task.image_size / 2
            scenes = Scenes(*(None if part is None else part[reached] for part in scenes))
        kept.append(scenes)
        found += len(scenes.positions)
        if found >= n:
            return Scenes(*(None if part[0] is None else np.concatenate(part)[:n] for part in zip(*kept, strict=True)))
        if done >= SURE and found * MAX_BATCHES < n * done:
            break
    raise SimulationError(
        f"only {found} of {done * batch} simulated sequences of {length} frames stay inside the image with "
        f"{dict(task.truth)}; choose constants for which more of them do"
    )


def survivors(task: Task, pos: np.ndarray, vel: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Start positions (n kept, K, 2) of those candidates, states (n, K, D), that last ``length`` frames."""
    return _keep_valid(task, pos, vel, length, rng).positions[:, 0]


@torch.no_grad()
def _keep_valid(task: Task, pos: np.ndarray, vel: np.ndarray, length: int, rng: np.random.Generator) -> Scenes:
    """Roll candidates out frame by frame, dropping each as soon as it breaks a rule."""
    law = task.law(task.dt / SUBSTEPS, 1, task.image_size, task.radius, task.truth).double()  # a "frame" is a substep
    actions = task.law.actions(task, rng, len(pos), length) if task.law.n_actions else None

    def pose(coordinates: np.ndarray) -> np.ndarray:
        return law.pose(torch.from_numpy(coordinates)).numpy()

    keep = _accepted(task, pose(pos[:, None]), 0)  # most starts are hopeless at once: they are not worth a step
    pos, vel, actions = pos[keep], vel[keep], None if actions is None else actions[keep]
    states: list[tuple[np.ndarray, np.ndarray]] = []  # of the candidates that are left, a frame each
    for frame in range(length):
        pushed = None if actions is None else torch.from_numpy(actions[:, [frame] * SUBSTEPS])
        path, speeds = (x.numpy() for x in law.rollout(torch.from_numpy(pos), torch.from_numpy(vel), SUBSTEPS, pushed))
        keep = _accepted(task, pose(np.concatenate([pos[:, None], path], 1)), frame)
        states = [(p[keep], v[keep]) for p, v in [*states, (pos, vel)]]
        pos, vel, actions = path[keep, -1], speeds[keep, -1], None if actions is None else actions[keep]
    positions, velocities = (np.stack(part, 1) for part in zip(*states, strict=True))
    return Scenes(pose(positions), velocities, actions)


def _accepted(task: Task, path: np.ndarray, frame: int) -> np.ndarray:
    """Which candidates still belong to the task after ``frame``; ``path`` holds its substeps, (n, substeps, K, 2)."""
    keep = np.isfinite(path).all(axis=(1, 2, 3)) & task.law.accept(task, path)
    if task.half_pane and frame < task.seen_steps:
        keep &= path[..., 0].max(axis=(1, 2)) + task.radius <= task.image_size / 2
    return keep
