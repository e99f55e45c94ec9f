"""Folders of clips by class, as benchmarks of real clips come: measured in one command, with a table of errors.

The layout that is read, after what IRIS and Delfys75 say about themselves (a folder for each class of motion, films in
it, the constants that were measured written beside them); neither file's columns are described in their READMEs, so the
names below are assumed, and whoever has the data writes one small file::

    FOLDER/pendulum/0001.mp4 ...
    FOLDER/pendulum/parameters.csv       clip,length,g,law,known     (a row for each clip; "*" stands for all others)
                                         0001.mp4,0.5,,pendulum,g=9.81

Columns that are options of a measurement (``law``, ``known``, ``px_per_m``, ``objects``, ``fps``, ``start``, ``end``,
``crop``) are told to it; all others are constants in metres and seconds that it is judged by. Empty cells say nothing.
"""

import csv
import dataclasses
from functools import partial
from pathlib import Path

import pandas as pd

from pig_core.system import DataError, Progress, write_json

from .judge import judged
from .measure import Measurement, measure
from .options import Options
from .results import fingerprint

TRUTHS, EVERY = "parameters.csv", "*"
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif", ".m4v"}
_KINDS = {field.name: field.metadata["kind"] for field in dataclasses.fields(Options)}


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


def bench_classes(folder: Path, out: Path) -> pd.DataFrame:
    """Measure all clips of all classes; what is in ``out`` is not measured again. Returns :func:`errors_table`."""
    clips = read_classes(folder)
    results = []
    with Progress("classes", len(clips), 1) as progress:
        for kind, clip, options, truth in clips:
            path = out / kind / f"{clip.name}.json"
            if not path.is_file():
                about = {"class": kind, "clip": clip.name, "sha256": fingerprint(clip), "options": options}
                write_json(path, {**about, **judged(options.get("law"), truth, partial(_measured, clip, options))})
            results.append(pd.read_json(path, typ="series"))
            progress.advance(f"{kind}/{clip.name}")
    return errors_table([dict(result) for result in results])


def _measured(clip: Path, options: dict[str, object]) -> Measurement:
    return measure(Options(str(clip), **options))


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
    columns = [
        "class",
        "constant",
        "clips",
        "measured",
        "median error %",
        "mean error %",
        "worst error %",
        "bars cover",
    ]
    return pd.DataFrame(rows, columns=columns)
