"""Measures clips whose truth is known: ``pig clips``. A clip that cannot be measured counts, too.

One table of JSON lines, a row per clip, numbers only; existing rows are not measured again.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pandas as pd

from pig_core.data import example_videos
from pig_core.evaluate import matching
from pig_core.system import DataError, PigError, Progress, commit, provenance, replacing, results_folder
from pig_core.tasks import TASKS, Task

from ..report.results import nan_to_null, read_table
from .bodies import Bodies
from .laws import LAWS, family
from .measure import Measurement, measure
from .options import Options
from .rendered import KINDS, Rendered, render
from .results import fingerprint, summary

COUNT = 10  # rendered clips of each kind
CLIPS = 3  # videos of each simulated task
Row = dict[str, object]


def clips_table(folder: Path | None = None) -> Path:
    """Path of the table of measured clips."""
    return (folder or results_folder()) / "clips.jsonl"


def add_missing(path: Path, run: str, clips: Iterable[tuple[str, Callable[[], Row]]], count: int) -> list[Row]:
    """Measure the clips that the table does not hold yet, and add each as soon as it is done.

    Args:
        run: which clips these are; names are unique within a run.
        clips: name, and what measures it.
    Returns:
        all rows of this run.
    """
    rows = read_table(path) if path.is_file() else []
    held = {row["name"] for row in rows if row["run"] == run}
    with Progress(run, count, 1) as progress:
        for name, take in clips:
            if name not in held:
                rows.append({"run": run, "name": name, **take()})
                with replacing(path) as temporary:
                    temporary.write_text("".join(json.dumps(nan_to_null(row)) + "\n" for row in rows))
            progress.advance(name)
    return [row for row in rows if row["run"] == run]


def judged(
    true_law: str | None,
    truth: Mapping[str, float],
    take: Callable[[], Measurement],
    more: Callable[[Measurement], Row] = lambda found: {},
) -> Row:
    """A measurement beside the truth, or the reason why it failed.

    Args:
        true_law: None if it is not known.
        more: further columns of a measurement.
    """
    began = time.process_time()
    about = {"true_law": true_law, "truth": dict(truth), "commit": commit(), **provenance()}
    try:
        found = take()
    except PigError as error:
        return {**about, "failed": str(error), "cpu_seconds": time.process_time() - began}
    constants = {
        name: {**value, "true": truth[name], "covered": bool(value["low"] <= truth[name] <= value["high"])}
        for name, value in found.parameters.items()
        if name in truth
    }
    return {
        **about,
        "law": family(found.fit.law.name),
        "variant": found.fit.law.name,
        "parameters": constants,
        "frames_used": int(found.fit.used.sum()),
        "warnings": found.warnings,
        **more(found),
        "cpu_seconds": time.process_time() - began,
    }


def bench_rendered(path: Path, count: int = COUNT, first: int = 0) -> list[Row]:
    """Render and measure the clips of all kinds with ``count`` seeds from ``first`` on."""

    def take(kind: str, seed: int) -> Row:
        clip = render(kind, seed)
        with tempfile.TemporaryDirectory() as scratch:
            clip.write(Path(scratch) / "clip.mp4")
            return {"kind": kind, "seed": seed, **judged_rendering(clip, Path(scratch) / "clip.mp4")}

    names = [(kind, seed) for seed in range(first, first + count) for kind in KINDS]
    return add_missing(path, "rendered", ((f"{k}-s{s}", partial(take, k, s)) for k, s in names), len(names))


def judged_rendering(clip: Rendered, path: Path) -> Row:
    """The measurement of one rendered clip beside its truth; the scale is given, the law is not."""

    def more(found: Measurement) -> Row:
        seen, truth = np.all([track.seen for track in found.tracks], 0), clip.positions[found.clip.numbers]
        off = (found.positions[:, matching(truth, found.positions)] - truth)[seen]  # objects are found in any order
        return {
            "position_rms_px": float(np.sqrt((off**2).mean())),
            "position_bias_px": off.mean((0, 1)).tolist(),
            "frames": len(seen),
            "frames_seen": int(seen.sum()),
            "unseen_px": found.unseen_px,
        }

    options = Options(str(path), objects=clip.positions.shape[1], px_per_m=clip.px_per_m)
    return judged(clip.law, clip.truth, lambda: measure(options), more)


def bench_simulated(path: Path, count: int = CLIPS, names: Iterable[str] = tuple(TASKS)) -> list[Row]:
    """Measure single videos of the simulated tasks with constants, without training; the law is not given."""
    tasks = [TASKS[name] for name in names if TASKS[name].truth]

    def clips() -> Iterable[tuple[str, Callable[[], Row]]]:
        for task in tasks:
            frames, positions, _ = example_videos(task, count)
            for number in range(count):
                take = partial(judged_video, task, frames[number].numpy(), positions[number].numpy(), number)
                yield f"{task.name}-{number}", take

    return add_missing(path, "simulated", clips(), count * len(tasks))


def judged_video(task: Task, frames: np.ndarray, positions: np.ndarray, number: int) -> Row:
    """The measurement of one video (T, H, W, 3) with true positions (T, K, 2), pixels, beside its truth."""

    def take() -> Measurement:
        with tempfile.TemporaryDirectory() as folder:
            for t, frame in enumerate(frames):
                imageio.imwrite(Path(folder) / f"{t:03}.png", frame)
            return measure(Options(folder, objects=task.n_objects, fps=1 / task.dt))

    def more(found: Measurement) -> Row:
        gaps = np.linalg.norm(found.positions[:, :, None] - (positions - 0.5)[:, None], axis=-1)  # (T, found, true)
        return {
            "near": float((gaps.min(-1) < 1).mean()),  # share of the positions within a pixel of some object
            "diameters_px": found.diameters,
            "frames": len(frames),
            "residual_px": found.fit.residual,
        }

    law = next(name for name, law in LAWS.items() if issubclass(law, Bodies) and law.states is task.law)
    return {"task": task.name, "clip": number, **judged(law, task.truth, take, more)}


REAL = {
    "iris_pendulum.gif": {"known": "g=9.81"},
    "ball_toss_15fps.mp4": {"px_per_m": 398.71},
    "ball_toss_30fps.mp4": {"px_per_m": 398.71},
    "ornament_pendulum.mp4": {},
    "iris_Two_Moving_Pendulums.gif": {"objects": 2},
}


def bench_real(path: Path, clips: Path) -> list[Row]:
    """Measure real clips that lie in a folder; only numbers are kept."""

    def take(name: str) -> Row:
        began = time.process_time()
        try:
            about = summary(measure(Options(str(clips / name), **REAL[name])))
        except PigError as error:
            about = {"failed": str(error), "commit": commit()}
        about.get("options", {}).pop("video", None)
        return {**about, "video": name, "cpu_seconds": time.process_time() - began}

    return add_missing(path, "real", ((Path(name).stem, partial(take, name)) for name in REAL), len(REAL))


# Folders of clips by class, as benchmarks of real clips come (IRIS, Delfys75): measured in one command, with a table of
# errors. Each folder holds a file of true constants and options, a row per clip.

TRUTHS, EVERY = "parameters.csv", "*"
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif", ".m4v"}
_NUMBERS = {"objects": int, **dict.fromkeys(("fps", "px_per_m", "start", "end"), float)}
_KINDS = {**_NUMBERS, **dict.fromkeys(("law", "crop", "at", "known"), str)}


def read_classes(folder: Path) -> list[tuple[str, Path, dict[str, object], dict[str, float]]]:
    """Class, clip, options and true constants of all clips.

    Raises:
        DataError: if there are none, or a file of constants cannot be understood.
    """
    found = []
    for path in sorted(Path(folder).glob(f"*/{TRUTHS}")):
        rows = {row.pop("clip", ""): row for row in csv.DictReader(path.open(newline=""))}
        if "" in rows:
            raise DataError(f"{path} needs a column clip with the name of a file, or {EVERY}, in every row")
        clips = sorted(file for file in path.parent.iterdir() if file.suffix.lower() in VIDEOS)
        missing = set(rows) - {clip.name for clip in clips} - {EVERY}
        if missing:
            raise DataError(f"{path} speaks of clips that are not beside it: {', '.join(sorted(missing))}")
        for clip in clips:
            if row := rows.get(clip.name, rows.get(EVERY)):
                found.append((path.parent.name, clip, *_told(row, path)))
    if not found:
        raise DataError(f"{folder} has no folders of clips with a file {TRUTHS} each (see pig_lab/measure/classes.py)")
    return found


def _told(row: dict[str, str], path: Path) -> tuple[dict[str, object], dict[str, float]]:
    options, truth = {}, {}
    for name, text in row.items():
        if not (text or "").strip():
            continue
        try:
            if name in _KINDS:
                options[name] = _KINDS[name](text)
            else:
                truth[name] = float(text)
        except ValueError:
            raise DataError(f"{path}: {name} must be a number, got {text!r}") from None
    return options, truth


def bench_classes(folder: Path, path: Path) -> pd.DataFrame:
    """Measure all clips of all classes; existing rows are not measured again. Returns :func:`errors_table`."""

    def take(kind: str, clip: Path, options: Row, truth: dict[str, float]) -> Row:
        about = {"class": kind, "clip": clip.name, "sha256": fingerprint(clip), "options": options}
        return {**about, **judged(options.get("law"), truth, lambda: measure(Options(str(clip), **options)))}

    clips = read_classes(folder)
    rows = ((f"{kind}/{clip.name}", partial(take, kind, clip, *more)) for kind, clip, *more in clips)
    return errors_table(add_missing(path, "classes", rows, len(clips)))


def errors_table(results: list[dict]) -> pd.DataFrame:
    """One row for each class and constant: clips, of which measured, errors in percent, bars that cover."""
    rows = []
    for kind in dict.fromkeys(result["class"] for result in results):
        those = [result for result in results if result["class"] == kind]
        for name in dict.fromkeys(name for result in those for name in result["truth"]):
            known = [result for result in those if name in result["truth"]]
            found = [result["parameters"][name] for result in known if name in result.get("parameters", {})]
            off = pd.Series([100 * abs(v["value"] / v["true"] - 1) for v in found if v["true"]], dtype=float)
            covered = sum(v["covered"] for v in found)
            rows.append((kind, name, len(known), len(found), off.median(), off.mean(), off.max(), covered))
    errors = [f"{which} error %" for which in ("median", "mean", "worst")]
    columns = ["class", "constant", "clips", "measured", *errors, "bars cover"]
    return pd.DataFrame(rows, columns=columns)


def main(arguments: list[str]) -> None:
    """Measure clips of one sort."""
    parser = argparse.ArgumentParser("pig clips", description=__doc__, allow_abbrev=False)
    parser.add_argument("--count", type=int, default=COUNT, help="rendered clips of each kind (needs mujoco and EGL)")
    parser.add_argument("--first", type=int, default=0, help="first seed of the rendered clips")
    parser.add_argument("--simulated", action="store_true", help="single videos of the simulated tasks instead")
    parser.add_argument(
        "--real", type=Path, help="filmed clips in a folder instead, which do not come with the project"
    )
    parser.add_argument("--classes", type=Path, help="clips in a folder for each class, as IRIS and Delfys75, instead")
    parser.add_argument("--save_dir", type=Path, help="folder of the table clips.jsonl; default: the project's results")
    options = parser.parse_args(arguments)
    path = clips_table(options.save_dir or options.classes)
    if options.classes:
        print(bench_classes(options.classes, path).to_string(index=False))
    elif options.simulated:
        bench_simulated(path)
    elif options.real:
        bench_real(path, options.real)
    else:
        bench_rendered(path, options.count, options.first)
