"""The simulated tasks' own videos, measured like anybody's clip: the constants from a single one, without training."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from pig_core.data import example_videos
from pig_core.system import Progress, results_folder, write_json
from pig_core.tasks import TASKS, Task

from ..measure import judge
from .bodies import Bodies
from .law import LAWS
from .measure import Measurement, measure
from .options import Options

CLIPS = 3  # of each task


def true_law(task: Task) -> str:
    """The law of clips that is made of the task's."""
    return next(name for name, law in LAWS.items() if issubclass(law, Bodies) and law.states is task.law)


def bench_simulated(folder: Path | None = None, clips: int = CLIPS, names: Sequence[str] = tuple(TASKS)) -> None:
    """Measure clips of each task with constants; the law is not told. What is there is not measured again."""
    folder = folder or results_folder() / "clips" / "simulated"
    tasks = [TASKS[name] for name in names if TASKS[name].truth]
    with Progress("simulated", clips * len(tasks), 1) as progress:
        for task in tasks:
            frames, positions, _ = example_videos(task, clips)
            for number in range(clips):
                path = folder / f"{task.name}-{number}.json"
                if not path.is_file():
                    about = judged(task, frames[number].numpy(), positions[number].numpy())
                    write_json(path, {"task": task.name, "clip": number, **about})
                progress.advance(path.stem)


def judged(task: Task, frames: np.ndarray, positions: np.ndarray) -> dict[str, object]:
    """The measurement of one video (T, H, W, 3) with true positions (T, K, 2), beside its truth."""

    def more(found: Measurement) -> dict[str, object]:
        gaps = np.linalg.norm(found.positions[:, :, None] - (positions - 0.5)[:, None], axis=-1)  # (T, found, true)
        return {
            "near": float((gaps.min(-1) < 1).mean()),  # of the places found: share within a pixel of some object
            "diameters_px": found.diameters,
            "frames": len(frames),
            "residual_px": found.fit.residual,
        }

    return judge.judged(true_law(task), task.truth, lambda: measured(task, frames), more)


def measured(task: Task, frames: np.ndarray) -> Measurement:
    """Measure a video as a clip of one's own: a folder of pictures, and how many objects to look for."""
    with tempfile.TemporaryDirectory() as folder:
        for t, frame in enumerate(frames):
            imageio.imwrite(Path(folder) / f"{t:03}.png", frame)
        return measure(Options(folder, objects=task.n_objects, fps=1 / task.dt))
