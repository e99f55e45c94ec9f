"""Measures clips whose truth is known: ``pig clips``. A clip that cannot be measured counts, too.

One table of JSON lines, a row per clip, numbers only; existing rows are not measured again.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pig_core.data import example_videos
from pig_core.evaluate import matching
from pig_core.system import PigError, Progress, commit, provenance, replacing, results_folder
from pig_core.tasks import TASKS, Task

from ..measure.bodies import Bodies
from ..measure.laws import LAWS, family
from ..measure.measure import Measurement, measure
from ..measure.options import Options
from ..measure.results import summary
from ..measure.track import Scene
from ..report.results import nan_to_null, read_table
from ..report.style import PALETTE
from .rendered import KINDS, Rendered, render

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
        "verdict": found.verdict,
        "reasons": [note.name for note in found.notes if note.doubt],
        "warnings": [note.text for note in found.notes],
        **more(found),
        "cpu_seconds": time.process_time() - began,
    }


def bench_rendered(path: Path, count: int = COUNT, first: int = 0, run: str = "rendered") -> list[Row]:
    """Render and measure the clips of all kinds with ``count`` seeds from ``first`` on, as rows of one run."""

    def take(kind: str, seed: int) -> Row:
        clip = render(kind, seed)
        with tempfile.TemporaryDirectory() as scratch:
            clip.write(Path(scratch) / "clip.mp4")
            return {"kind": kind, "seed": seed, **judged_rendering(clip, Path(scratch) / "clip.mp4")}

    names = [(kind, seed) for seed in range(first, first + count) for kind in KINDS]
    return add_missing(path, run, ((f"{k}-s{s}", partial(take, k, s)) for k, s in names), len(names))


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


SWING, G, LEVEL = {"omega2": 9.81 / 0.6, "length": 0.6}, {"g": 9.81}, {"px_per_m": 250, "law": "projectile"}
# Clips that were made to mislead, each named after its fault: options and right values.
FAULTS = {
    **{f"{name}.mp4": ({"known": "g=9.81"}, SWING) for name in
       ("plain", "slowmo_android", "duplicated", "doubled60", "held", "pole", "exposure", "mirrored", "shake")},
    **{name: ({"known": "g=9.81"}, SWING) for name in ("gif_vary.gif", "apng.png", "anim.webp", "truncated.mp4")},
    **{f"{name}.mp4": (LEVEL, G) for name in
       ("dropped_restamped", "duplicated_fall", "drop_drag", "yawed_toss", "tumbling")},
    "shadow_slanted.mp4": ({**LEVEL, "px_per_m": 145}, G),
    "linear_drag.mp4": ({"px_per_m": 250}, {"a": 1.40, "terminal": 0.35}),
    "glider.mp4": ({"px_per_m": 250}, {"a": 1.48}),
    "rest.mp4": ({"px_per_m": 250}, {"a": 0.5}),
    "bounces.mp4": ({"px_per_m": 250}, G),
    "smallhd.mp4": ({"px_per_m": 1000}, {"omega2": SWING["omega2"]}),
}  # fmt: skip


def bench_faults(path: Path, clips: Path) -> list[Row]:
    """Measure clips with known faults that lie in a folder; only numbers are kept."""

    def take(name: str) -> Row:
        options, truth = FAULTS[name]
        return judged(None, truth, lambda: measure(Options(str(clips / name), **options)))

    return add_missing(path, "faults", ((name, partial(take, name)) for name in FAULTS), len(FAULTS))


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


# The table read again, for ``notebooks/real_clips.ipynb``.

CLOSE = 0.5  # pixels rms within which the track of a rendered clip should be
OBJECT = 5.0  # pixels rms beyond which a track is that of something else


def load_clips(run: str, folder: Path | None = None) -> list[Row]:
    """The measured clips of one run, failures first, then wrong laws, then tracks or bars that miss the truth.

    Args:
        run: "rendered" (seeds 0 to 9), "first" (the first run over these), "sides", "fresh" and "held out" (seeds 10 to
            14, 15 to 24 and 30 to 39, each measured once), "faults", "real" or "simulated".
    """
    rows = [row for row in read_table(clips_table(folder)) if row["run"] == run]
    return sorted(rows, key=lambda row: (standing(row), row["name"]))


def standing(clip: Row) -> int:
    """0: failed; 1: wrong law; 2: the track or a bar misses the truth; 3: nothing wrong is known."""
    if "failed" in clip:
        return 0
    if clip["law"] != clip.get("true_law", clip["law"]):
        return 1
    missed = any(not value.get("covered", True) for value in clip["parameters"].values())
    return 2 if missed or clip.get("position_rms_px", 0) > CLOSE else 3


def constants_of(clips: Sequence[Row]) -> pd.DataFrame:
    """Constants of known truth in clips with the right law, a row each.

    Returns:
        columns clip, kind, constant, value, true, error (relative), halves (the error in half-widths of the bar),
        covered, half (the half-width), off (absolute error).
    """
    rows = []
    for clip in clips:
        if "failed" in clip or clip["law"] != clip["true_law"]:
            continue
        for name, value in clip["parameters"].items():
            half, off = (value["high"] - value["low"]) / 2, value["value"] - value["true"]
            rows.append(
                {
                    "clip": clip["name"],
                    "kind": clip.get("kind", clip.get("task")),
                    "constant": name,
                    "value": value["value"],
                    "true": value["true"],
                    "error": off / value["true"] if value["true"] else np.nan,
                    "halves": off / max(half, 1e-12),
                    "covered": value["covered"],
                    "half": half,
                    "off": abs(off),
                }
            )
    return pd.DataFrame(rows)


def errors_by_kind(clips: Sequence[Row]) -> pd.DataFrame:
    """Errors in percent, coverage and calibration of the bars, a row per kind of clip and constant."""

    def row(group: pd.DataFrame) -> pd.Series:
        percent = 100 * group["error"].abs()
        return pd.Series(
            {
                "median error": percent.median(),
                "worst error": percent.max(),
                "bars that cover": f"{group['covered'].sum()} of {len(group)}",
                "half-width / rms error": group["half"].median() / (group["off"] ** 2).mean() ** 0.5,
            }
        )

    constants = constants_of(clips)
    return constants.groupby(["kind", "constant"], sort=False)[list(constants)].apply(row).reset_index()


def silently_wrong(clip: Row) -> bool:
    """Whether a clip counts as measured although its law, or a constant by more than its bar and 2 %, is wrong."""
    if "failed" in clip or clip.get("verdict") != "measured":
        return False
    off = [abs(v["value"] / v["true"] - 1) for v in clip["parameters"].values() if v["true"] and not v["covered"]]
    known = isinstance(clip["true_law"], str)  # of clips with faults only constants are
    return (known and clip["true_law"] != clip["law"]) or max(off, default=0.0) > 0.02


def counts(clips: Sequence[Row]) -> dict[str, object]:
    """Right laws, objects (not shadows), close tracks, covering bars and verdicts of one run over rendered clips."""
    able = [clip for clip in clips if "failed" not in clip]
    constants = constants_of(clips)
    whole = [all(value["covered"] for value in clip["parameters"].values()) for clip in able]
    return {
        "clips": len(clips),
        "right law": sum(clip["law"] == clip["true_law"] for clip in able),
        "the object": sum(clip["position_rms_px"] < OBJECT for clip in able),
        "close track": sum(clip["position_rms_px"] < CLOSE for clip in able),
        "all bars cover": sum(whole),
        "bars": len(constants),
        "bars that cover": int(constants["covered"].sum()),
        "doubtful": sum(clip.get("verdict") == "doubtful" for clip in able),
        "silently wrong": sum(map(silently_wrong, able)),
    }


def coverage(clips: Sequence[Row]) -> Figure:
    """Error of each constant in half-widths of its own 95 % bar."""
    constants = constants_of(clips)
    label = constants["kind"].str.replace("_", " ") + ": " + constants["constant"]
    names = list(label.unique())
    figure, ax = plt.subplots(figsize=(7, 0.9 + 0.3 * len(names)))
    colors = [PALETTE[0] if covered else PALETTE[3] for covered in constants["covered"]]
    ax.scatter(constants["halves"].clip(-1.5, 1.5), label.map(names.index), c=colors, alpha=0.8)
    ax.axvspan(-1, 1, color=PALETTE[0], alpha=0.12)
    ax.set(yticks=range(len(names)), xlim=(-1.6, 1.6), xlabel="error in half-widths of the 95 % bar")
    ax.set_yticklabels(names)
    ax.invert_yaxis()
    return figure


def stages(found: Measurement) -> Figure:
    """How an object is found: a frame, the background, the difference, and the frame without the object."""
    scene = Scene.of(found.clip)
    t = int(np.flatnonzero(found.fit.used)[found.fit.used.sum() // 2])
    frame = found.clip.frames[t] / 255
    for track in found.tracks:
        scene.paint_out(track.look, track.positions)
    images = {
        "frame": frame,
        "background: median": scene.background,
        "difference": np.clip(0.5 + (frame - scene.background), 0, 1),
        "object removed": np.clip(0.5 + scene.moved(t), 0, 1),
    }
    figure, axes = plt.subplots(1, len(images), figsize=(10, 2.2))
    for ax, (title, image) in zip(axes, images.items(), strict=True):
        ax.imshow(image)
        ax.set(xticks=[], yticks=[], title=title)
        ax.grid(False)
    return figure


def main(arguments: list[str]) -> None:
    """Measure clips of one sort."""
    parser = argparse.ArgumentParser("pig clips", description=__doc__, allow_abbrev=False)
    parser.add_argument("--count", type=int, default=COUNT, help="rendered clips of each kind (needs mujoco and EGL)")
    parser.add_argument("--first", type=int, default=0, help="first seed of the rendered clips")
    parser.add_argument("--run", default="rendered", help="name of the rows of rendered clips in the table")
    parser.add_argument("--faults", type=Path, help="clips with known faults in a folder instead")
    parser.add_argument("--simulated", action="store_true", help="single videos of the simulated tasks instead")
    parser.add_argument(
        "--real", type=Path, help="filmed clips in a folder instead, which do not come with the project"
    )
    parser.add_argument("--save_dir", type=Path, help="folder of the table clips.jsonl; default: the project's results")
    options = parser.parse_args(arguments)
    path = clips_table(options.save_dir)
    if options.simulated:
        bench_simulated(path)
    elif options.faults:
        bench_faults(path, options.faults)
    elif options.real:
        bench_real(path, options.real)
    else:
        bench_rendered(path, options.count, options.first, options.run)
