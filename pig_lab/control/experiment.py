"""Train on random torques, then control from pixels, and keep what was measured: ``python -m pig_core control``.

Each seed leaves ``reports/results/control/s<seed>.json``. What is measured stands in parts, each kept when it is
done: a command that was interrupted goes on where it was.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import numpy as np
import torch

from pig_core.model import PAIG, to_video
from pig_core.system import (
    ConfigError,
    commit,
    from_command_line,
    option,
    options,
    replacing,
    results_folder,
    write_json,
)

from .blackbox import PixelsOfBlackBox, train_black_box
from .episodes import Episodes, Pixels, TrueState, play
from .film import HELD_OUT, film
from .law import PENDULUM, TRUE_GRAVITY, Pendulums, gymnasium
from .learn import learn, pendulum_config, run_folder
from .planner import Planner

# What is measured of a trained pendulum: one function a row of the results, each against the true model and state.

HOLDABLE = (0, 10, -10, 20, -20, 160, 180, 200)  # degrees from upright at which the torque outweighs gravity
TOO_STEEP = (60, 90, 270, 300)
WEIGH_AFTER = 20  # frames
TIMED = 30  # frames
CHANGED = (5.0, 15.0)  # gravity, m/s^2
SHOWN_EVERY = 2  # frames of the episodes that are kept for the page
FANS = (3, 20, 40, 60, 90, 120)  # frames of which the plans are kept
Rows = Iterator[tuple[str, dict]]  # name of a row, and what was measured: a part of the results, as it grows


class Keep(Protocol):
    """What was measured before, or measures it now."""

    def __call__(self, name: str, measure: Callable[[], object], shared: bool = False) -> object:
        """The row of this name; ``shared``: the same for every trained model."""


class Outcome(Protocol):
    """How E episodes went: :class:`Episodes`, or those that were kept."""

    returns: np.ndarray  # (E,)
    held: np.ndarray  # (E,) whether the goal was held at the end
    off_at_end: np.ndarray  # (E,) degrees


def true_model(gravity: float = TRUE_GRAVITY):
    """The environment's own constants in the law."""
    return PENDULUM.physics(1, {"g": gravity, "a": 1.0})


def from_pixels(model: PAIG, resets: Sequence[int], degrees: float = 0, arrow: bool = True, **options) -> Episodes:
    """Episodes planned with the learned model from frames alone."""
    pendulums = Pendulums(len(resets), arrow=arrow)
    return play(pendulums, resets, Pixels(model), Planner(), degrees, name=f"pixels {degrees:g}", **options)


def from_truth(resets: Sequence[int], degrees: float = 0, gravity: float = TRUE_GRAVITY, **options) -> Episodes:
    """The reference: the same planner with the true model, told the true state, with the same random numbers."""
    pendulums, driver = Pendulums(len(resets), gravity), TrueState(true_model(gravity))
    return play(pendulums, resets, driver, Planner(), degrees, name=f"true {degrees:g}", **options)


def reference(keep: Keep, resets: Sequence[int], degrees: float = 0, gravity: float = TRUE_GRAVITY) -> Outcome:
    """The outcomes of :func:`from_truth`, which no training has a say in, played once."""

    def measure() -> dict[str, list]:
        episodes = from_truth(resets, degrees, gravity)
        return {name: getattr(episodes, name).tolist() for name in Outcome.__annotations__}

    kept = keep(f"goal {degrees:g} gravity {gravity:g} resets {len(resets)}", measure, shared=True)
    return SimpleNamespace(**{name: np.array(values) for name, values in kept.items()})


def compared(ours: Outcome, true: Outcome) -> dict[str, object]:
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
        "off_pixels": ours.off_at_end.mean().item(),  # degrees
        "off_true_model": true.off_at_end.mean().item(),
        "returns_pixels": pixels.round(2).tolist(),
        "returns_true_model": reference.round(2).tolist(),
    }


def episodes(model: PAIG, resets: Sequence[int], keep: Keep) -> dict[str, object]:
    """Swung up, from pixels alone."""

    def row() -> dict[str, object]:
        return compared(from_pixels(model, resets), reference(keep, resets))

    return keep(f"episodes {len(resets)}", row)


def goals(model: PAIG, resets: Sequence[int], keep: Keep) -> Rows:
    """Other goals with the same model: no new data, no training."""

    def row(degrees: float) -> dict[str, object]:
        compares = compared(from_pixels(model, resets, degrees), reference(keep, resets, degrees))
        return compares | {"holdable": degrees in HOLDABLE}

    for degrees in (*HOLDABLE, *TOO_STEEP):
        yield str(degrees), keep(f"goal {degrees}", partial(row, degrees))


def gravity(model: PAIG, resets: Sequence[int], others: Sequence[int], keep: Keep) -> Rows:
    """Another gravity in the environment: told, one number is changed in the model; or weighed from 20 frames.

    Where it is told, one start of twenty that needs a swing more would cost 2 % of the return: more starts are played.
    Where it is weighed, beside it stands the true model told as late as pixels give the first estimate.
    """
    drivers = {
        "told": lambda value: Pixels(model, model.physics.given(g=value)),
        "weighed": lambda value: Pixels(model, weigh_after=WEIGH_AFTER),
        "unaware": lambda value: Pixels(model),
    }

    def row(value: float, name: str) -> dict[str, object]:
        played = resets if name == "told" else others
        ours = play(Pendulums(len(played), value), played, drivers[name](value), Planner(), name=f"{name} {value:g}")
        compares = compared(ours, reference(keep, played, gravity=value))
        if ours.gravity is None:
            return compares
        late = keep(f"told late {value:g} resets {len(played)}", partial(told_late, played, value), shared=True)
        return compares | {"estimated": ours.gravity.round(3).tolist(), "return_told_late": late}

    for name in drivers:
        for value in CHANGED:
            yield f"{value:g} {name}", keep(f"gravity {value:g} {name}", partial(row, value, name))


def told_late(resets: Sequence[int], gravity: float) -> float:
    """The mean return of the true model, told another gravity when pixels first give an estimate of it."""
    driver = TrueState(true_model(), later=true_model(gravity))
    pendulums = Pendulums(len(resets), gravity)
    return play(pendulums, resets, driver, Planner(), name=f"late {gravity:g}").returns.mean().item()


def efficiency(seed: int, counts: Sequence[int], resets: Sequence[int], keep: Keep) -> Rows:
    """Fewer (or more) training sequences: errors of the constants, and what a return they are good for."""

    def row(n: int) -> dict[str, object]:
        model, metrics = learn(seed, n)
        learned = {name: metrics[name] for name in ("learned", "parameter_error", "train_seconds")}
        return compared(from_pixels(model, resets), reference(keep, resets)) | learned

    for n in counts:
        yield str(n), keep(f"sequences {n}", partial(row, n))


def black_box(model: PAIG, seed: int, counts: Sequence[int], resets: Sequence[int], keep: Keep) -> Rows:
    """A network instead of physics, trained on the positions that this model sees in so many sequences."""

    def row(n: int) -> dict[str, object]:
        box, errors = train_black_box(model, n, seed)
        ours = play(Pendulums(len(resets)), resets, PixelsOfBlackBox(model, box), Planner(), name=f"black box {n}")
        return compared(ours, reference(keep, resets)) | errors

    for n in counts:
        yield str(n), keep(f"black box {n}", partial(row, n))


def without_arrow(seed: int, sequences: int, resets: Sequence[int], keep: Keep) -> dict[str, object]:
    """Trained and tested on pictures that do not show the last torque."""

    def row() -> dict[str, object]:
        model, metrics = learn(seed, sequences, arrow=False)
        compares = compared(from_pixels(model, resets, arrow=False), reference(keep, resets))
        return compares | {"learned": metrics["learned"], "parameter_error": metrics["parameter_error"]}

    return keep("without arrow", row)


@torch.no_grad()
def arrow_effect(model: PAIG, sequences: int = HELD_OUT) -> dict[str, float]:
    """What the arrow of the last torque does to the states that the model sees: the same videos with and without it.

    A velocity that were read from the arrow would be another one without it.
    """
    states, films = {}, {arrow: film(sequences, PENDULUM.train_length, "valid", arrow) for arrow in (True, False)}
    for arrow, held in films.items():
        positions, _ = model.encode(to_video(torch.from_numpy(held["x"])))
        windows = positions.unfold(1, model.input_steps, 1).movedim(-1, 2).flatten(0, 1)  # (N, L, 1, 2)
        acted = torch.from_numpy(held["actions"]).unfold(1, model.input_steps, 1).movedim(-1, 2).flatten(0, 1)
        states[arrow] = model.state(windows, acted)
    angle, speed = ((with_it - without).flatten() for with_it, without in zip(states[True], states[False], strict=True))
    angle = torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
    last = acted[:, model.input_steps - 2, 0]
    return {
        "states": len(speed),
        "angle_difference": angle.square().mean().sqrt().item(),  # radians, root mean square
        "speed_difference": speed.square().mean().sqrt().item(),  # radians per second
        "speed_difference_per_torque": ((speed * last).sum() / last.square().sum()).item(),
    }


def plan_milliseconds(model: PAIG) -> float:
    """What a step of one episode takes: state and plan, without the encoding and without the environment."""
    return from_pixels(model, [0], steps=TIMED).plan_milliseconds


@torch.no_grad()
def shown(model: PAIG, reset: int) -> dict[str, np.ndarray]:
    """One reset, three ways, for people to look at: arrays of a few 100 kB.

    Returns:
        "pixels", "true" and "random": frames (T, S, S, 3) uint8; "imagined": the same frames drawn by the model from
        what it believes; "fans": angles where every tenth candidate of a plan leads, (frames, candidates, H), radians,
        those with much noise first.
    """
    arrays: dict[str, np.ndarray] = {}
    ours, true = from_pixels(model, [reset], keep_plans=True), from_truth([reset])
    random = play(Pendulums(1), [reset], TrueState(true_model()), None)
    for name, episodes in {"pixels": ours, "true": true, "random": random}.items():
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
    fans = []
    for t in FANS:
        plan = ours.plans[t - FANS[0]]
        some = plan.candidates[0, ::10]
        start = torch.from_numpy(ours.states[:, t]).float().expand(len(some), 2)
        path, _ = model.physics.rollout(start[:, :1, None], start[:, 1:, None], some.shape[1], some)
        fans.append(path[..., 0, 0].numpy())
    return arrays | {"fans": np.stack(fans).astype(np.float32), "fan_frames": np.array(FANS)}


@options
class Options:
    """What to measure, on how many episodes."""

    seed: int = option(0, "fixes weights and batches of the training", ge=0, le=2**32 - 1)
    sequences: int = option(500, "training sequences, 14 frames each", ge=5)
    resets: int = option(100, "episodes of the main row and of told gravity: reset seeds 0, 1, ...", ge=1)
    others: int = option(20, "episodes of every other row", ge=1)
    counts: str = option("50,150,15,5,5000", "training sequences to compare with, separated by commas")
    boxes: str = option("50,500", "training sequences of a model without physics, separated by commas")
    parts: str = option("", "parts to measure, separated by commas; empty: all of them")
    save_dir: str = option("", "folder of the results; empty: reports/results/control")

    def __post_init__(self) -> None:
        self.numbers("counts"), self.numbers("boxes")
        if unknown := [name for name in filter(None, self.parts.split(",")) if name not in PARTS]:
            raise ConfigError(f"there is no part {unknown[0]!r}; allowed: {', '.join(PARTS)}")

    def numbers(self, name: str) -> list[int]:
        """Numbers of sequences, from the text of an option."""
        text = getattr(self, name)
        if not all(count.strip().isdecimal() and int(count) >= 5 for count in text.split(",")):
            raise ConfigError(f"{name} must be whole numbers of at least 5 with commas between, got {text!r}")
        return [int(count) for count in text.split(",")]


# Name -> what it measures, of the model and the options: one row, or one after the other.
PARTS: dict[str, Callable[[PAIG, Options, Keep], dict | float | Rows]] = {
    "episodes": lambda model, o, keep: episodes(model, range(o.resets), keep),
    "plan_milliseconds": lambda model, o, keep: keep("plan", lambda: plan_milliseconds(model)),
    "arrow": lambda model, o, keep: keep("arrow", lambda: arrow_effect(model)),
    "goals": lambda model, o, keep: goals(model, range(o.others), keep),
    "gravity": lambda model, o, keep: gravity(model, range(o.resets), range(o.others), keep),
    "efficiency": lambda model, o, keep: efficiency(o.seed, o.numbers("counts"), range(o.others), keep),
    "black_box": lambda model, o, keep: black_box(model, o.seed, o.numbers("boxes"), range(o.others), keep),
    "without_arrow": lambda model, o, keep: without_arrow(o.seed, o.sequences, range(o.others), keep),
}


def run_experiment(options: Options) -> Path:
    """Train, measure what is missing, write the result; returns its path.

    Raises:
        ConfigError, RunError: with one sentence on what to change.
    """
    gymnasium()  # misses what is missing before an hour has passed
    pendulum_config(options.seed, options.sequences)
    torch.manual_seed(options.seed)
    folder = Path(options.save_dir) if options.save_dir else results_folder() / "control"
    model, metrics = learn(options.seed, options.sequences)
    own = run_folder(options.seed, options.sequences) / f"rows-{options.others}"
    path = folder / f"s{options.seed}.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    same = before.get("learned") == metrics["learned"] and before.get("commit") == metrics["commit"]
    measured = {name: before[name] for name in PARTS if same and name in before}  # in a command with other parts
    commits = set(before["commits_of_rows"]) if same else set()

    def keep(name: str, measure: Callable[[], object], shared: bool = False) -> object:
        file = (own.parent.parent / "true-model" if shared else own) / f"{name.replace(' ', '_')}.json"
        if not file.is_file():
            write_json(file, {"value": measure(), "commit": commit()})
        row = json.loads(file.read_text())
        commits.add(row["commit"])
        return row["value"]

    for name in filter(None, options.parts.split(",")) if options.parts else PARTS:
        part = PARTS[name](model, options, keep)
        if isinstance(part, Iterator):  # rows of an earlier command stay, each new one is written when it is done
            for row, value in part:
                measured[name] = measured.get(name, {}) | {row: value}
                write_json(path, _result(options, metrics, measured, sorted(commits)))
        else:
            measured[name] = part
            write_json(path, _result(options, metrics, measured, sorted(commits)))
    if options.seed == 0 and not (folder / "episodes.npz").is_file():
        with replacing(folder / "episodes.npz") as temporary:
            np.savez_compressed(temporary, **shown(model, reset=4))
    return path


def _result(options: Options, metrics: dict, measured: dict, commits: list[str]) -> dict[str, object]:
    """The training's numbers, what was measured, and by which commits."""
    learned = ("seed", "learned", "truth", "parameter_error", "recons_loss", "pred_loss", "train_seconds", "steps",
               "config")  # fmt: skip
    main = measured.get("episodes", {})
    return {
        **{name: metrics[name] for name in learned},
        "train_cpu_seconds": metrics.get("train_cpu_seconds"),
        "sequences": options.sequences,
        "return_pixels": main.get("return_pixels"),
        "return_true_model": main.get("return_true_model"),
        **measured,
        "options": asdict(options),
        "device": metrics["device"],
        "versions": metrics["versions"] | library_versions(),
        "commit": metrics["commit"],
        "commits_of_rows": commits,
    }


def library_versions() -> dict[str, str]:
    """Of what draws and moves the pendulum."""
    library = gymnasium()  # first: it silences the greeting
    import pygame

    return {"gymnasium": library.__version__, "pygame": pygame.version.ver}


def load(folder: Path | None = None) -> list[dict]:
    """The results that come with the project, by seed."""
    return [json.loads(p.read_text()) for p in sorted((folder or results_folder() / "control").glob("s*.json"))]


def by_sequences(result: dict) -> dict[str, dict]:
    """The rows of "efficiency", and among them the training that all other parts are about."""
    rows = dict(result.get("efficiency", {}))
    if result.get("episodes"):
        rows[str(result["sequences"])] = {"parameter_error": result["parameter_error"], **result["episodes"]}
    return rows


def main(arguments: list[str]) -> None:
    """Train one seed, measure it, write its result."""
    given = from_command_line(Options, arguments, "python -m pig_core control", __doc__.splitlines()[0])
    print(f"results: {run_experiment(Options(**given))}")
