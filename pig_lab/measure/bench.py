"""Measures clips whose truth is known: ``python -m pig_core clips``. A clip that cannot be measured counts, too.

One JSON file a clip, numbers only; what is there is not measured again.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from pig_core.evaluate import matching
from pig_core.system import PigError, Progress, commit, results_folder, write_json

from ..measure import judge
from .classes import bench_classes
from .measure import Measurement, measure
from .options import Options
from .rendered import KINDS, Rendered, render
from .results import summary
from .simulated import bench_simulated

COUNT = 10  # clips of each kind


def bench(count: int = COUNT, folder: Path | None = None, first: int = 0) -> None:
    """Render and measure the clips of all kinds with ``count`` seeds from ``first`` on."""
    folder = folder or results_folder() / "clips"
    scratch = folder / "rendered.partial.mp4"
    with Progress("bench", count * len(KINDS), 1) as progress:
        for seed in range(first, first + count):
            for kind in KINDS:
                path = folder / f"{kind}-s{seed}.json"
                if not path.is_file():
                    clip = render(kind, seed)
                    clip.write(scratch)
                    write_json(path, {"kind": kind, "seed": seed, **judged(clip, scratch)})
                    scratch.unlink()
                progress.advance(path.stem)


REAL = {
    "iris_pendulum.gif": {"known": "g=9.81"},
    "ball_toss_15fps.mp4": {"px_per_m": 398.71},
    "ball_toss_30fps.mp4": {"px_per_m": 398.71},
    "ornament_pendulum.mp4": {},
    "iris_Two_Moving_Pendulums.gif": {"objects": 2},
}


def bench_real(clips: Path, folder: Path | None = None) -> None:
    """Measure real clips that lie in a folder; only numbers are kept."""
    folder = folder or results_folder() / "clips"
    with Progress("real", len(REAL), 1) as progress:
        for name, options in REAL.items():
            path = folder / f"real-{Path(name).stem}.json"
            if not path.is_file():
                began = time.process_time()
                try:
                    about = summary(measure(Options(str(clips / name), **options)))
                except PigError as error:
                    about = {"failed": str(error), "commit": commit()}
                about["video"] = about.get("options", {}).pop("video", name) and name
                write_json(path, {**about, "cpu_seconds": time.process_time() - began})
            progress.advance(name)


def judged(clip: Rendered, path: Path) -> dict[str, object]:
    """The measurement of one rendered clip beside its truth; the scale is told, the law is not."""

    def more(found: Measurement) -> dict[str, object]:
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
    return judge.judged(clip.law, clip.truth, lambda: measure(options), more)


def main(arguments: list[str]) -> None:
    """Measure clips of one sort."""
    parser = argparse.ArgumentParser("python -m pig_core clips", description=__doc__, allow_abbrev=False)
    parser.add_argument("--count", type=int, default=COUNT, help="rendered clips of each kind (needs mujoco and EGL)")
    parser.add_argument("--first", type=int, default=0, help="first seed of the rendered clips")
    parser.add_argument("--simulated", action="store_true", help="single videos of the simulated tasks instead")
    parser.add_argument(
        "--real", type=Path, help="filmed clips in a folder instead, which do not come with the project"
    )
    parser.add_argument("--classes", type=Path, help="clips in a folder for each class, as IRIS and Delfys75, instead")
    parser.add_argument("--save_dir", type=Path, help="folder of the results; default: the project's results/clips")
    options = parser.parse_args(arguments)
    if options.classes:
        print(bench_classes(options.classes, options.save_dir or options.classes / "measured").to_string(index=False))
    elif options.simulated:
        bench_simulated(options.save_dir)
    elif options.real:
        bench_real(options.real, options.save_dir)
    else:
        bench(options.count, options.save_dir, options.first)
