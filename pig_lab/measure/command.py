"""``pig measure CLIP ...``: constants of one clip, or of several with one table, a process per core.

A clip that was measured before is not measured again when several are given.
"""

import glob
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from pig_core.system import PigError, Progress, RunError, from_command_line, runs_folder

from .options import Options

PAGE, FAILED, REFUSED, MEASUREMENT = "index.html", "failed.txt", "refused.png", "measurement.json"


def main(arguments: list[str]) -> None:
    """Measure one clip and write what was found, or several and their table."""
    text = "Measure constants in clips of your own: give a file that FFmpeg reads or a folder of images, or several."
    given = from_command_line(Options, arguments, "pig measure CLIP ...", text, positional="video")
    videos = given.pop("video", [])
    if len(videos) > 1:
        many(videos, Options(video=videos[0], **given))
        return
    options = Options(video="".join(videos), **given)
    print(measure_one(options))
    print(f"results: {options.folder()}, page: {options.folder() / PAGE}")


def measure_one(options: Options) -> str:
    """Measure one clip, write its files and its page; returns the constants in sentences."""
    from .measure import MeasureError, measure
    from .page import save, sentences
    from .results import write_refusal

    try:
        found = measure(options)
    except MeasureError as error:
        if error.clip is None:
            raise
        path = options.folder() / REFUSED
        path.parent.mkdir(parents=True, exist_ok=True)
        write_refusal(path, error.clip, error.tracks)
        raise MeasureError(f"{error}; {path} shows what was followed") from None
    (options.folder() / REFUSED).unlink(missing_ok=True)
    return sentences(save(found, options.folder()))


def many(videos: Sequence[str], options: Options, measured: Callable[[Options], str] = measure_one) -> None:
    """Measure several clips with the same options, into a folder each, and write the table.

    Args:
        options: ``save_dir`` is the folder of the folders and of the table.
        measured: measures one clip.
    Raises:
        RunError: after all others were measured, if a clip could not be.
    """
    top = Path(options.save_dir).expanduser() if options.save_dir else runs_folder() / "measure"
    folders = folders_of(videos, top)
    waiting = {video: folder for video, folder in folders.items() if not (folder / MEASUREMENT).is_file()}
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the children: each has one core
    failed = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context) as pool, Progress("clips", len(waiting), 1) as progress:
        jobs = {
            video: pool.submit(_kept, measured, replace(options, video=video, save_dir=str(folder)))
            for video, folder in waiting.items()
        }
        for video, job in jobs.items():
            if why := job.result():
                failed.append(video)
                print(f"{video}: {why}", file=sys.stderr)
            progress.advance(video)
    from .page import write_table

    write_table(top / PAGE, list(folders.values()))
    print(f"table: {top / PAGE}")
    if failed:
        raise RunError(f"{len(failed)} of {len(folders)} clips could not be measured: {', '.join(failed)}")


def folders_of(videos: Sequence[str], top: Path) -> dict[str, Path]:
    """The folder of each clip; patterns that no shell expanded are expanded, clips of one name keep apart.

    Raises:
        RunError: if no file has such a name.
    """
    found: dict[str, Path] = {}
    for pattern in videos:
        names = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern))
        if not names:
            raise RunError(f"no file is called {pattern}")
        for video in names:
            name = Path(video).stem
            while top / name in found.values():
                name += "_"
            found[video] = top / name
    return found


def _kept(measured: Callable[[Options], str], options: Options) -> str:
    """Measure one clip in a process of its own; returns why that failed, empty if it did not."""
    folder = options.folder()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        measured(options)
    except (PigError, OSError) as error:
        (folder / FAILED).write_text(f"{error}\n")
        return str(error)
    (folder / FAILED).unlink(missing_ok=True)
    return ""
