"""Simulated trajectories of every task: initial states, physics with 10 substeps, rejection (paper-spec, section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from ..common.errors import SimulationError
from ..physics import PHYSICS, Dynamics
from ..tasks import Task

SUBSTEPS = 10  # of the simulation; the model uses 5
BATCH = 20_000  # candidates simulated at a time; most of them touch a wall and are thrown away
MAX_BATCHES = 2000  # give up after so many candidates: the parameters asked for do not fit into the image

States = tuple[np.ndarray, np.ndarray]  # positions and velocities, (n, K, 2) each


def _directions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Unit vectors (*shape, 2), uniform in angle."""
    angle = rng.uniform(0, 2 * np.pi, shape)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _start_spring(task: Task, truth: dict[str, float], rng: np.random.Generator, n: int) -> States:
    margin = truth["l"] + (11.0 if task.sprite == "digit" else task.radius)
    if 2 * margin >= task.image_size:
        raise SimulationError(
            f"a spring with l = {truth['l']:g} does not fit into an image of {task.image_size} pixels: "
            f"l must be below {task.image_size / 2 - margin + truth['l']:g}"
        )
    centre = rng.uniform(margin, task.image_size - margin, (n, 1, 2))
    half = truth["l"] * rng.uniform(0.5, 1.5, (n, 1)) * _directions(rng, n)
    pos = centre + np.stack([half, -half], 1)
    return pos, task.speed * _directions(rng, n, 2)


def _start_gravity(task: Task, truth: dict[str, float], rng: np.random.Generator, n: int) -> States:
    angle = rng.uniform(0, 2 * np.pi, (n, 1)) + np.arange(3) * 2 * np.pi / 3
    angle[:, 1:] += rng.uniform(-0.25, 0.25, (n, 2))
    outward = np.stack([np.cos(angle), np.sin(angle)], -1)  # (n, 3, 2)
    radius = rng.uniform(0.75, 1.25, (n, 1, 1)) * task.image_size / 4
    sense = rng.choice([-1.0, 1.0], (n, 1, 1))
    tangent = sense * np.stack([-outward[..., 1], outward[..., 0]], -1)
    noise = rng.uniform(-0.5, 0.5, (n, 1, 2))  # one for all three: it moves their centre of mass
    return task.image_size / 2 + radius * outward, task.speed * tangent + noise


def _start_bouncing(task: Task, truth: dict[str, float], rng: np.random.Generator, n: int) -> States:
    pos = rng.uniform(task.radius, task.image_size - task.radius, (n, task.n_objects, 2))
    return pos, task.speed * _directions(rng, n, task.n_objects)


STARTS: dict[str, Callable[[Task, dict[str, float], np.random.Generator, int], States]] = {
    "spring": _start_spring,
    "gravity": _start_gravity,
    "bouncing": _start_bouncing,
}


def _accept(task: Task, path: np.ndarray, frame: int) -> np.ndarray:
    """Which candidates still belong to the task after ``frame``; ``path`` holds its substeps, (n, substeps, K, 2)."""
    if task.physics == "bouncing":
        return np.ones(len(path), bool)
    flat = path.reshape(len(path), math.prod(path.shape[1:]))
    keep = (flat.min(1) >= task.radius) & (flat.max(1) <= task.image_size - task.radius)
    if task.physics == "gravity":
        i, j = np.triu_indices(task.n_objects, 1)
        square = np.square(path[:, :, i] - path[:, :, j])
        keep &= (square[..., 0] + square[..., 1]).min(axis=(1, 2)) > (task.radius + 1) ** 2
    if task.half_pane and frame < task.input_steps + task.pred_steps:
        keep &= path[..., 0].max(axis=(1, 2)) + task.radius <= task.image_size / 2
    return keep


def simulate(
    task: Task, truth: dict[str, float], n: int, length: int, rng: np.random.Generator, crossing: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate ``n`` sequences that meet the task's conditions.

    Args:
        truth: the physical parameters to simulate with, one for each name in ``task.truth``.
        length: frames per sequence.
        crossing: spring_color_half only: a disc must later reach the half of the image that it starts outside of.
    Returns:
        positions (pixels) and velocities (pixels/s) at every frame, (n, length, K, 2) float64 each.
    Raises:
        SimulationError: if the conditions cannot be met with these parameters.
    """
    # One "frame" of this physics is one substep of the task.
    physics = PHYSICS[task.physics](task.dt / SUBSTEPS, 1, task.image_size, task.radius, truth).double()
    batch = min(BATCH, 20 * n + 100)
    kept_pos, kept_vel, found = [], [], 0
    for _ in range(MAX_BATCHES):
        pos, vel = _simulate_batch(task, physics, *STARTS[task.physics](task, truth, rng, batch), length)
        if crossing:  # later at least one disc is wholly in the half of the image that training never shows
            reached = pos[..., 0].max(axis=(1, 2)) - task.radius > task.image_size / 2
            pos, vel = pos[reached], vel[reached]
        kept_pos.append(pos)
        kept_vel.append(vel)
        found += len(pos)
        if found >= n:
            return np.concatenate(kept_pos)[:n], np.concatenate(kept_vel)[:n]
    raise SimulationError(
        f"only {found} of {MAX_BATCHES * batch} simulated sequences of {length} frames stay inside the image with "
        f"{truth}; choose parameters closer to {dict(task.truth)}"
    )


def survivors(task: Task, truth: dict[str, float], pos: np.ndarray, vel: np.ndarray, length: int) -> np.ndarray:
    """Start positions (n kept, K, 2) of those candidates, (n, K, 2) each, that last ``length`` frames."""
    physics = PHYSICS[task.physics](task.dt / SUBSTEPS, 1, task.image_size, task.radius, truth).double()
    return _simulate_batch(task, physics, pos, vel, length)[0][:, 0]


@torch.no_grad()
def _simulate_batch(task: Task, physics: Dynamics, pos: np.ndarray, vel: np.ndarray, length: int) -> States:
    """Roll candidates out frame by frame, dropping each as soon as it breaks a rule: (n kept, length, K, 2)."""
    positions, velocities = [], []
    keep = _accept(task, pos[:, None], 0)  # most starts are hopeless at once: they are not worth a step
    pos, vel = pos[keep], vel[keep]
    for frame in range(length):
        path, speeds = (x.numpy() for x in physics.rollout(torch.from_numpy(pos), torch.from_numpy(vel), SUBSTEPS))
        keep = _accept(task, np.concatenate([pos[:, None], path], 1), frame)
        positions, velocities = [p[keep] for p in [*positions, pos]], [v[keep] for v in [*velocities, vel]]
        pos, vel = path[keep, -1], speeds[keep, -1]
    return np.stack(positions, 1), np.stack(velocities, 1)
