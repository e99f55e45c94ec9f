"""Why the learned velocity is late: the network of the recipe ``paper``, taught in several ways, without pictures.

Positions are simulated, with more or less noise. Network, optimiser, rates and number of updates are the recipe's, as
is the limit of the gradient's elements, but the loss is in squared pixels of positions. The network is *taught* the
velocities that fit a scene best; or it learns from predicted positions, as in the recipe from pictures, with constants
that are *known* or that are learned *together* with it, from 1. What differs only in noise and seed is trained side by
side, as one batch of networks. ``python -m pig_core bench late``, 40 minutes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import clip_grad_value_

from pig_core.config import Config, make_config
from pig_core.data import simulate
from pig_core.physics import Law
from pig_core.state import MLPVelocity, State, fit_state, guess_state
from pig_core.system import Progress
from pig_core.tasks import Task
from pig_core.training import OPTIMIZERS

from ..estimate import best_possible
from .explain import FITS, constants_given, lag_of

STEPS, BATCH = 25_000, 20  # as in the full runs
SCENES, FRESH = 5_000, 600  # to learn from, as in the recipe, and to judge with
NOISE = (0.0, 0.03, 0.06, 0.12)  # of positions, pixels
SEEDS = (0, 1, 2)
POINTS = 50  # of the course of constants that are kept, of the first seed


class Pupil(nn.Module):
    """The recipe's velocity network and a law with its constants."""

    def __init__(self, task: Task, config: Config, constants: dict[str, float] | None, seed: int):
        super().__init__()
        self.seed = seed
        torch.manual_seed(seed)
        self.velocity = MLPVelocity(task.input_steps, task.n_objects, task.dt)
        self.law = task.physics(config.substeps, constants)
        self.law.requires_grad_(constants is None)
        self.first, self.ahead = task.input_steps, task.pred_steps

    def forward(self, positions: Tensor, best: Tensor, loss: Callable[["Pupil", Tensor, Tensor], Tensor]) -> Tensor:
        """One of the losses below; a forward pass, so that many pupils can take it at once."""
        return loss(self, positions, best)

    def state(self, positions: Tensor) -> State:
        """At frame L, (B, K, 2) each, from positions (B, L+P, K, 2)."""
        return self.velocity(positions[:, : self.first], self.law)


def told(pupil: Pupil, positions: Tensor, best: Tensor) -> Tensor:
    """The squared error of the velocity; ``best`` (B, K, 2) are those of the states that fit the positions best."""
    return (pupil.state(positions)[1] - best).square().sum((-2, -1)).mean()


def predicting(pupil: Pupil, positions: Tensor, best: Tensor) -> Tensor:
    """The squared error of the predicted positions."""
    rollout, _ = pupil.law.rollout(*pupil.state(positions), pupil.ahead)
    return (rollout - positions[:, pupil.first :]).square().sum((-2, -1)).mean()


@dataclass(frozen=True)
class Way:
    """How the network learns."""

    loss: Callable[[Pupil, Tensor, Tensor], Tensor]
    constants_known: bool = True
    batch: int = BATCH


WAYS = {
    "taught": Way(told),
    "constants known": Way(predicting),
    "together": Way(predicting, constants_known=False),
    "together, batch 100": Way(predicting, constants_known=False, batch=100),
}


def late_velocity(
    task: Task, steps: int = STEPS, noise: Sequence[float] = NOISE, seeds: Sequence[int] = SEEDS
) -> list[dict[str, object]]:
    """All ways with all levels of noise and all seeds.

    Returns:
        for each "way", "noise" (pixels) and "seed": the "learned" constants and their "course", [update, {name: value}]
        (empty where they are known), the constants that suit the network's states best ("with_network"), and the error
        of its velocities on fresh scenes as :func:`pig_lab.studies.explain.explain` gives it.
    """
    config, known = make_config(task, "paper"), best_possible(task)
    law = task.physics(config.substeps, known)
    (positions, best), (fresh, truth) = scenes(task, law, noise)
    velocities = torch.stack([velocity for _, velocity in best])  # (levels, n, K, 2)
    rows = []
    for name, way in WAYS.items():
        start = known if way.constants_known else None
        pupils = [Pupil(task, config, start, seed) for _ in noise for seed in seeds]
        course = _train(pupils, way, config, positions, velocities, steps, name)
        for number, pupil in enumerate(pupils):
            level, seed = divmod(number, len(seeds))
            rows.append({
                "way": name, "noise": noise[level], "seed": seeds[seed],
                **({} if way.constants_known else {"learned": pupil.law.values()}),
                "course": [[step, values[number]] for step, values in course if not seed],
                **judged(pupil.state(fresh[level]), fresh[level][:, task.input_steps :], truth[level], task, law),
            })  # fmt: skip
    return rows


def scenes(task: Task, law: Law, noise: Sequence[float]) -> list[tuple[Tensor, list[State]]]:
    """Scenes to learn from, and fresh ones.

    Returns:
        of each kind, positions (levels, n, L+P, K, 2), pixels, with more or less noise, and, level by level, the states
        at frame L, (n, K, 2) each, that fit them best.
    """
    rng, generator, last, made = np.random.default_rng(1), torch.Generator().manual_seed(1), task.input_steps - 1, []
    for n in (SCENES, FRESH):
        exact = torch.from_numpy(simulate(task, n, task.seen_steps, rng).positions).float()
        drawn = torch.randn(exact.shape, generator=generator)
        positions = torch.stack([exact + level * drawn for level in noise])
        with torch.no_grad():
            best = [fit_state(each, last, guess_state(each, last, law), law, FITS) for each in positions]
        made.append((positions, best))
    return made


def _train(
    pupils: list[Pupil], way: Way, config: Config, positions: Tensor, best: Tensor, steps: int, name: str
) -> list[tuple[int, list[dict[str, float]]]]:
    """Train pupils, those of one level of noise after those of another, in place; returns the course of constants."""
    stacked, _ = stack_module_state(pupils)
    learned = [value for value in stacked.values() if value.requires_grad]
    levels, n = len(positions), positions.shape[1]
    seeds = len(pupils) // levels
    optimizer = OPTIMIZERS[config.optimizer]([{"params": learned}], lr=config.base_lr)
    generators = [torch.Generator().manual_seed(pupil.seed) for pupil in pupils[:seeds]]
    course = []

    def losses(weights: dict[str, Tensor], seen: Tensor, wanted: Tensor) -> Tensor:
        return functional_call(pupils[0], weights, (seen, wanted, way.loss))

    with Progress(name, steps, 1000) as progress:
        for step in range(steps):
            if step == int(0.75 * steps):  # as the recipe does
                for group in optimizer.param_groups:
                    group["lr"] *= 0.2
            chosen = torch.stack([torch.randint(n, (way.batch,), generator=each) for each in generators])
            seen, wanted = (part[:, chosen].flatten(0, 1) for part in (positions, best))  # (levels * seeds, batch, ...)
            optimizer.zero_grad()
            vmap(losses)(stacked, seen, wanted).sum().backward()
            clip_grad_value_(learned, config.clip_value)
            optimizer.step()
            if not way.constants_known and (step % max(1, steps // POINTS) == 0 or step == steps - 1):
                _hand_back(pupils, stacked)
                values = [pupil.law.values() for pupil in pupils]
                course.append((step, [{key: float(f"{x:.5g}") for key, x in each.items()} for each in values]))
            progress.advance()
    _hand_back(pupils, stacked)
    return course


@torch.no_grad()
def _hand_back(pupils: list[Pupil], stacked: dict[str, Tensor]) -> None:
    for number, pupil in enumerate(pupils):
        for name, parameter in pupil.named_parameters():
            parameter.copy_(stacked[name][number])


@torch.no_grad()
def judged(states: State, later: Tensor, truth: State, task: Task, law: Law) -> dict[str, object]:
    """The error of states against the best ones, and the constants that carry them best to later positions."""
    error = states[1] - truth[1]
    about = lag_of(truth[0], law.acceleration(*truth), error)
    return {
        "with_network": constants_given(states, later, task.physics(law.substeps, law.values())),
        "error_rms": error.square().mean().sqrt().item(),
        "lag": about["lag"], "lag_share": about["lag_share"],
    }  # fmt: skip
