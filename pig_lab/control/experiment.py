"""Train on random torques, then control from pixels, and keep what was measured: ``python -m pig_core control``.

Each seed leaves ``reports/results/control/s<seed>.json``. What is measured stands in parts, each kept when it is
done: a command that was interrupted goes on where it was.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from pig_core.model import PAIG
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

from ..control import measures
from .environment import gymnasium
from .learn import learn, pendulum_config, run_folder


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
PARTS: dict[str, Callable[[PAIG, Options, measures.Keep], dict | float | measures.Rows]] = {
    "episodes": lambda model, o, keep: measures.episodes(model, range(o.resets), keep),
    "plan_milliseconds": lambda model, o, keep: keep("plan", lambda: measures.plan_milliseconds(model)),
    "arrow": lambda model, o, keep: keep("arrow", lambda: measures.arrow_effect(model)),
    "goals": lambda model, o, keep: measures.goals(model, range(o.others), keep),
    "gravity": lambda model, o, keep: measures.gravity(model, range(o.resets), range(o.others), keep),
    "efficiency": lambda model, o, keep: measures.efficiency(o.seed, o.numbers("counts"), range(o.others), keep),
    "black_box": lambda model, o, keep: measures.black_box(model, o.seed, o.numbers("boxes"), range(o.others), keep),
    "without_arrow": lambda model, o, keep: measures.without_arrow(o.seed, o.sequences, range(o.others), keep),
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
            np.savez_compressed(temporary, **measures.shown(model, reset=4))
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
