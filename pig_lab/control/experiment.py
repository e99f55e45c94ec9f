"""Train a pendulum on random torques, then control it from pixels: ``pig control``.

Each seed writes ``reports/results/control/s<seed>.json`` row by row: an interrupted command continues where it stopped.
"""

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pig_core.model import PAIG, to_video
from pig_core.physics import Dynamics
from pig_core.state import State
from pig_core.system import (
    ConfigError,
    Progress,
    commit,
    from_command_line,
    option,
    options,
    replacing,
    results_folder,
    runs_folder,
    write_json,
)

from ..baselines import InteractionNetwork
from .episodes import WAIT, Episodes, Pixels, TrueState, play
from .law import MAX_TORQUE, PENDULUM, TRUE_GRAVITY, Pendulum, Pendulums, gymnasium
from .learn import HELD_OUT, film, learn
from .planner import Planner

HOLDABLE = (0, 10, -10, 20, -20, 160, 180, 200)  # degrees from upright at which the torque outweighs gravity
TOO_STEEP = (60, 90, 270, 300)
WEIGH_AFTER = 20  # frames
TIMED = 30  # frames
CHANGED = (5.0, 15.0)  # gravity, m/s^2
SHOWN_EVERY = 2  # frames of the episodes for the page
UNITS, STEPS, BATCH, RATE, EVERY = 64, 3000, 128, 3e-3, 100  # of the network without physics


def true_model(gravity: float = TRUE_GRAVITY) -> Pendulum:
    """The law with the environment's own constants."""
    return PENDULUM.physics(1, {"g": gravity, "a": 1.0})


def from_pixels(model: PAIG, resets: Sequence[int], degrees: float = 0, arrow: bool = True, **options) -> Episodes:
    """Episodes planned with the learned model from frames alone."""
    return play(Pendulums(len(resets), arrow=arrow), resets, Pixels(model), Planner(), degrees, **options)


def from_truth(
    resets: Sequence[int], degrees: float = 0, gravity: float = TRUE_GRAVITY, late: bool = False, **options
) -> Episodes:
    """The reference: the same planner with the true model and the true state, with the same random numbers.

    Args:
        late: the model has the environment's usual gravity until pixels could give a first estimate of another one.
    """
    driver = TrueState(true_model(), later=true_model(gravity)) if late else TrueState(true_model(gravity))
    return play(Pendulums(len(resets), gravity), resets, driver, Planner(), degrees, **options)


def reference(resets: range, degrees: float = 0, gravity: float = TRUE_GRAVITY, late: bool = False) -> Episodes:
    """The episodes of :func:`from_truth`; the same for every training, so they are played once and stored."""
    name = f"goal{degrees:g}-gravity{gravity:g}-resets{len(resets)}{'-late' if late else ''}.npz"
    path = runs_folder() / "pendulum" / "true-model" / name
    if not path.is_file():
        played = from_truth(resets, degrees, gravity, late)
        stored = {key: getattr(played, key) for key in ("states", "torques", "rewards", "goal")}
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **stored)
    with np.load(path, allow_pickle=False) as file:
        return Episodes(**file)


def compare(model: PAIG, resets: int, degrees: float, gravity: float, steps: int | None) -> dict[str, object]:
    """:func:`compared` episodes from pixels, told the gravity, and those of the reference; ``steps`` long each."""
    driver = Pixels(model, model.physics.given(g=gravity) if gravity != TRUE_GRAVITY else None)
    ours = play(Pendulums(resets, gravity), range(resets), driver, Planner(), degrees, steps=steps)
    return compared(ours, from_truth(range(resets), degrees, gravity, steps=steps))


def compared(ours: Episodes, true: Episodes) -> dict[str, object]:
    """One row: mean returns over the same resets, and how often the goal was held."""
    pixels, reference = ours.returns, true.returns
    return {
        "resets": len(pixels),
        "return_pixels": pixels.mean().item(),
        "return_true_model": reference.mean().item(),
        "relative": (pixels.mean() / reference.mean() - 1).item(),  # above 0: a lower return than the reference
        "held_pixels": int(ours.held.sum()),
        "held_true_model": int(true.held.sum()),
        "missed": int((true.held & ~ours.held).sum()),  # episodes in which only the reference holds the goal
        "returns_pixels": pixels.round(2).tolist(),
        "returns_true_model": reference.round(2).tolist(),
    }


def measurements(model: PAIG | None, given: "Options") -> dict[str, Callable | dict[str, Callable]]:
    """Parts of a result, in the order in which they are measured: a function, or functions by the names of their rows.

    Args:
        model: as trained; None: only the names are needed.
    """
    every, others = range(given.resets), range(given.others)

    def goal(degrees: float) -> dict[str, object]:
        """Another goal with the same model: no new data, no training."""
        row = compared(from_pixels(model, others, degrees), reference(others, degrees))
        return row | {"holdable": degrees in HOLDABLE}

    def gravity(value: float, how: str) -> dict[str, object]:
        """Another gravity in the environment: given to the model, estimated from frames, or unknown to the model."""
        resets = every if how == "told" else others  # one start of 20 that needs a swing more would cost 2 %
        known = {"told": {"physics": model.physics.given(g=value)}, "weighed": {"weigh_after": WEIGH_AFTER}}
        driver = Pixels(model, **known.get(how, {}))
        ours = play(Pendulums(len(resets), value), resets, driver, Planner())
        row = compared(ours, reference(resets, gravity=value))
        if how == "weighed":
            late = reference(resets, gravity=value, late=True).returns.mean().item()
            row |= {"estimated": ours.gravity.round(3).tolist(), "return_told_late": late}
        return row

    def trained(sequences: int, arrow: bool = True) -> dict[str, object]:
        """Another training: on fewer or more sequences, or on frames that do not show the last torque."""
        other, metrics = learn(given.seed, sequences, arrow)
        row = compared(from_pixels(other, others, arrow=arrow), reference(others))
        return row | {name: metrics[name] for name in ("learned", "parameter_error", "train_seconds")}

    def without_physics(sequences: int) -> dict[str, object]:
        """A network instead of physics, trained on the positions that this model encodes."""
        box, errors = train_black_box(model, sequences, given.seed)
        ours = play(Pendulums(len(others)), others, PixelsOfBlackBox(model, box), Planner())
        return compared(ours, reference(others)) | errors

    return {
        "episodes": lambda: compared(from_pixels(model, every), reference(every)),
        "plan_milliseconds": lambda: 1e3 * from_pixels(model, [0], steps=TIMED).plan_seconds / (TIMED - WAIT),
        "goals": {str(degrees): partial(goal, degrees) for degrees in (*HOLDABLE, *TOO_STEEP)},
        "gravity": {
            f"{g:g} {how}": partial(gravity, g, how) for how in ("told", "weighed", "unaware") for g in CHANGED
        },
        "efficiency": {str(n): partial(trained, n) for n in given.numbers("counts")},
        "black_box": {str(n): partial(without_physics, n) for n in given.numbers("boxes")},
        "without_arrow": partial(trained, given.sequences, arrow=False),
    }


class BlackBoxPendulum(Dynamics):
    """An interaction network in pixels instead of physics; the planner also needs the angle of a position.

    Args:
        pivot, arm: of the circle on which the positions lie, pixels, (2,) and ().
    """

    def __init__(self, pivot: Tensor, arm: Tensor):
        super().__init__()
        task = PENDULUM
        self.dt = task.dt
        self.cell = InteractionNetwork(1, UNITS, 1, 2 * arm.item(), task.dt, task.law.n_actions)
        self.register_buffer("pivot", pivot.clone())
        self.register_buffer("arm", arm.clone())

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, actions: Tensor) -> State:
        """As :meth:`pig_core.physics.Law.rollout`, in pixels."""
        corner = self.pivot - self.arm  # so that the network sees a circle of radius 1 around 0
        path, velocities = self.cell.rollout(pos - corner, vel, steps, actions / MAX_TORQUE)
        return path + corner, velocities

    def angles(self, path: Tensor) -> Tensor:
        """Angles from upright, radians, (B, T), of a rollout (B, T, 1, 2)."""
        left, up = (self.pivot - path[:, :, 0]).unbind(-1)
        return torch.atan2(left, up)

    def speeds(self, path: Tensor, velocities: Tensor) -> Tensor:
        """Angular speeds, radians per second, (B, T), of a rollout (B, T, 1, 2)."""
        (left, up), (right, down) = ((self.pivot - path[:, :, 0]).unbind(-1), velocities[:, :, 0].unbind(-1))
        return (left * down - up * right) / self.arm.square()


class PixelsOfBlackBox(Pixels):
    """Gets the same frames; the velocity is the difference of the last two positions, as in the network's training."""

    @torch.no_grad()
    def state(self) -> State:
        before, now = self.positions[-2:]
        return now, (now - before) / self.physics.dt


@torch.no_grad()
def encoded(model: PAIG, split: str, n: int) -> tuple[Tensor, Tensor]:
    """Encoded positions of the first ``n`` sequences, (n, T, 1, 2), and their actions (n, T, 1)."""
    films = film(n, PENDULUM.train_length, split)
    positions = [model.encode_frames(to_video(torch.from_numpy(frames)))[0] for frames in films["x"]]
    return torch.stack(positions), torch.from_numpy(films["actions"])


def train_black_box(model: PAIG, sequences: int, seed: int) -> tuple[BlackBoxPendulum, dict[str, float]]:
    """Train a network to predict P frames of positions; the step with the least validation error is used.

    Returns:
        the network, and rms errors of prediction after P frames, pixels: "error" of the network and "error_physics"
        of the model's physics on the same validation sequences; "box_seconds" of the CPU.
    """
    started = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    box, ahead, dt = BlackBoxPendulum(model.physics.pivot, model.physics.arm), model.pred_steps, PENDULUM.dt
    train, valid = encoded(model, "train", sequences), encoded(model, "valid", HELD_OUT)
    optimizer = torch.optim.Adam(box.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    best, kept = float("inf"), copy.deepcopy(box.state_dict())

    def off(positions: Tensor, actions: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Errors of positions (B, P, 1, 2) and of steps per frame in a rollout from frame ``start``."""
        steps = positions.diff(dim=1)  # (B, T - 1, 1, 2)
        acts = actions[:, start : start + ahead]
        path, velocities = box.rollout(positions[:, start], steps[:, start - 1] / dt, ahead, acts)
        later = slice(start + 1, start + 1 + ahead)
        return path - positions[:, later], dt * velocities - steps[:, start : start + ahead]

    with Progress("black box", STEPS, interval=500) as progress:
        for step in range(STEPS):
            chosen = torch.randint(sequences, (BATCH,), generator=generator)
            start = 1 + step % (train[0].shape[1] - ahead - 1)
            loss = sum(x.square().mean() for x in off(train[0][chosen], train[1][chosen], start))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress.advance()
            if (step + 1) % EVERY == 0:
                with torch.no_grad():
                    error = off(*valid, model.input_steps - 1)[0].square().mean().item()
                if error < best:
                    best, kept = error, copy.deepcopy(box.state_dict())
    box.load_state_dict(kept)
    with torch.no_grad():
        last = off(*valid, model.input_steps - 1)[0][:, -1]
        physics = model.predict(valid[0][:, : model.input_steps], ahead, valid[1])[0][:, -1] - valid[0][:, -1]
    return box.requires_grad_(False), {
        "error": last.square().sum(-1).mean().sqrt().item(),
        "error_physics": physics.square().sum(-1).mean().sqrt().item(),
        "box_seconds": time.process_time() - started,
    }


@torch.no_grad()
def shown(model: PAIG, reset: int) -> dict[str, np.ndarray]:
    """One reset for the page's player, from pixels and with the true model.

    Returns:
        "pixels" and "true": frames (T, S, S, 3) uint8, and with "_angle" radians from upright, (STEPS + 1,);
        "imagined": the frames of "pixels" as the model decodes them.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, episodes in {"pixels": from_pixels(model, [reset]), "true": from_truth([reset])}.items():
        pendulums, frames = Pendulums(1), []
        for t in range(0, episodes.torques.shape[1], SHOWN_EVERY):
            pendulums.put(episodes.states[:, t])
            pendulums.environments[0].unwrapped.last_u = episodes.torques[0, t - 1] if t else None
            frames.append(pendulums.frames()[0])
        arrays[name] = np.stack(frames)
        arrays[f"{name}_angle"] = episodes.states[0, :, 0].astype(np.float32)
    video = to_video(torch.from_numpy(arrays["pixels"]))
    drawn = model.draw(model.encode_frames(video)[0])
    arrays["imagined"] = (drawn.clamp(0, 1) * 255).round().byte().movedim(1, -1).numpy()
    return arrays


@options
class Options:
    """What to measure, on how many episodes."""

    seed: int = option(0, "fixes weights and batches of the training", ge=0, le=2**32 - 1)
    sequences: int = option(500, "training sequences, 14 frames each", ge=5)
    resets: int = option(100, "episodes of the main row and of given gravity: reset seeds 0, 1, ...", ge=1)
    others: int = option(20, "episodes of every other row", ge=1)
    counts: str = option("50,150,15,5,5000", "training sequences to compare with, separated by commas")
    boxes: str = option("50,500", "training sequences of a model without physics, separated by commas")
    parts: str = option("", "parts to measure where the result lacks them, separated by commas; empty: all")
    save_dir: str = option("", "folder of the results; empty: reports/results/control")

    def __post_init__(self) -> None:
        parts = measurements(None, self)
        if unknown := [name for name in filter(None, self.parts.split(",")) if name not in parts]:
            raise ConfigError(f"there is no part {unknown[0]!r}; allowed: {', '.join(parts)}")

    def numbers(self, name: str) -> list[int]:
        """Numbers of sequences, from the text of an option."""
        text = getattr(self, name)
        if not all(count.strip().isdecimal() and int(count) >= 5 for count in text.split(",")):
            raise ConfigError(f"{name} must be whole numbers of at least 5 with commas between, got {text!r}")
        return [int(count) for count in text.split(",")]


def run_experiment(given: Options) -> Path:
    """Train, measure what the result lacks, write the result; returns its path.

    Raises:
        ConfigError, RunError: with one sentence on what to change.
    """
    gymnasium()  # a missing library is reported now, not after an hour
    torch.manual_seed(given.seed)
    folder = Path(given.save_dir) if given.save_dir else results_folder() / "control"
    path = folder / f"s{given.seed}.json"
    model, metrics = learn(given.seed, given.sequences)
    before = json.loads(path.read_text()) if path.is_file() else {}
    played = {name: before.get("options", {}).get(name) for name in ("resets", "others")}
    same = all(before.get(name) == metrics[name] for name in ("learned", "commit"))
    if not same or played != {name: getattr(given, name) for name in played}:
        before = {}  # of another training, or on other episodes
    parts = measurements(model, given)
    measured = {name: before[name] for name in parts if name in before}
    commits = set(before.get("commits_of_rows", []))

    for part in filter(None, given.parts.split(",")) if given.parts else parts:
        single = callable(parts[part])
        rows = measured if single else measured.setdefault(part, {})
        for name, measure in ({part: parts[part]} if single else parts[part]).items():
            if name not in rows:
                print(f"measuring {part}" if single else f"measuring {part}, {name}", flush=True)
                rows[name] = measure()
                commits.add(commit())
            write_json(path, _result(given, metrics, measured, sorted(commits)))
    if given.seed == 0 and not (folder / "episodes.npz").is_file():
        with replacing(folder / "episodes.npz") as temporary:
            np.savez_compressed(temporary, **shown(model, reset=4))
    return path


def _result(given: Options, metrics: dict, measured: dict, commits: list[str]) -> dict[str, object]:
    """The training's numbers, the measured parts, and their provenance."""
    names = "seed learned truth parameter_error recons_loss pred_loss train_seconds train_cpu_seconds steps config"
    main = measured.get("episodes", {})
    return {
        **{name: metrics.get(name) for name in f"{names} device commit".split()},
        "sequences": given.sequences,
        "return_pixels": main.get("return_pixels"),
        "return_true_model": main.get("return_true_model"),
        **measured,
        "options": asdict(given),
        "versions": metrics["versions"] | {name: version(name) for name in ("gymnasium", "pygame")},
        "commits_of_rows": commits,
    }


def load(folder: Path | None = None) -> list[dict]:
    """The results that come with the project, by seed."""
    return [json.loads(p.read_text()) for p in sorted((folder or results_folder() / "control").glob("s*.json"))]


def rows_of(results: Sequence[dict], part: str) -> pd.DataFrame:
    """The rows of one part of the experiment, of all seeds: columns seed, name and those of the part."""
    named = [(run["seed"], name, row) for run in results for name, row in run.get(part, {}).items()]
    return pd.DataFrame([{"seed": seed, "name": name, **row} for seed, name, row in named])


def by_sequences(result: dict) -> dict[str, dict]:
    """Rows of "efficiency" by the number of sequences, with the training of all other parts among them."""
    rows = dict(result.get("efficiency", {}))
    if result.get("episodes"):
        rows[str(result["sequences"])] = {"parameter_error": result["parameter_error"], **result["episodes"]}
    return rows


def main(arguments: list[str]) -> None:
    """Train one seed, measure it, write its result."""
    given = from_command_line(Options, arguments, "python -m pig_core control", __doc__.splitlines()[0])
    print(f"results: {run_experiment(Options(**given))}")
