"""A track as a table: written with velocities and accelerations, and read again to be fitted without its clip."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from pig_core.system import DataError, replacing

from .look import QUARTERS, TURNS, Appearance
from .track import Track
from .video import Clip

WINDOW = 7  # frames of the parabola that a velocity and an acceleration are read off
DIAMETER = 5.0  # pixels of the file, of the disc that stands for an object of which only places are known
CANVAS = 160  # pixels across of the empty image that a table's positions are shown in


def derivatives(times: np.ndarray, positions: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Velocity and acceleration of one object, and their errors (one standard deviation), from local parabolas.

    Args:
        positions: (T, 2) pixels, where ``seen`` (T,).
    Returns:
        (T, 2, 2): of velocity and acceleration, across and down; NaN where too few frames are near. Errors likewise.
    """
    found, errors = np.full((2, len(times), 2, 2), np.nan)
    for t in np.flatnonzero(seen):
        near = np.arange(max(0, t - WINDOW // 2), min(len(times), t + WINDOW // 2 + 1))
        near = near[seen[near]]
        if len(near) < 5:
            continue
        design = (times[near] - times[t])[:, None] ** np.arange(3)
        solved, *_ = np.linalg.lstsq(design, positions[near], rcond=None)
        rest = positions[near] - design @ solved
        spread = (
            np.sqrt(np.diag(np.linalg.inv(design.T @ design)))[:, None]
            * rest.std(0)
            * np.sqrt(len(near) / (len(near) - 3))
        )
        found[t], errors[t] = solved[1:] * [[1], [2]], spread[1:] * [[1], [2]]
    return found, errors


def write_table(path: Path, clip: Clip, tracks: list[Track], positions: np.ndarray, used: np.ndarray, scale) -> None:
    """Time, place, velocity and acceleration of each object with errors, pixels, and metres where a scale is known."""
    columns: dict[str, object] = {"frame": clip.numbers, "time_s": clip.times.round(6)}
    for k, track in enumerate(tracks):
        moved, errors = derivatives(clip.times, positions[:, k], track.seen)
        for unit, by in {"px": 1.0, **({"m": scale} if scale else {})}.items():
            for i, axis in enumerate("xy"):
                named = {
                    f"{axis}{k + 1}_{unit}": positions[:, k, i],
                    f"v{axis}{k + 1}_{unit}/s": moved[:, 0, i],
                    f"v{axis}{k + 1}_error": errors[:, 0, i],
                    f"a{axis}{k + 1}_{unit}/s2": moved[:, 1, i],
                    f"a{axis}{k + 1}_error": errors[:, 1, i],
                }
                for name, values in named.items():
                    name = name.replace("_error", f"_error_{unit}")
                    columns[name] = np.where(track.seen, values / by, np.nan).round(5)
    columns["in_fit"] = used.astype(int)
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, quoting=csv.QUOTE_MINIMAL)


def read_table(path: Path) -> tuple[Clip, list[Track]]:
    """A clip without images and its tracks, from a table of this kind or one with the columns t, x and y.

    Raises:
        DataError: if it has no such columns, or no numbers in them.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = pd.read_csv(path, sep=None, engine="python", comment="#")
        table = table.rename(columns={"t": "time_s", "x": "x1_px", "y": "y1_px"})
        count = sum(f"x{k}_px" in table for k in range(1, len(table.columns) + 1))
        names = [f"{axis}{k + 1}_px" for k in range(count) for axis in "xy"]
        values = table[["time_s", *names]].astype(float).sort_values("time_s", kind="stable").to_numpy()
    except (OSError, ValueError, KeyError, pd.errors.ParserError) as error:
        text = f"{path} is no table of a track: columns time_s, x1_px and y1_px (or t, x and y) are needed ({error})"
        raise DataError(text) from error
    times, places = values[:, 0], values[:, 1:].reshape(len(values), count, 2)
    if not count or len(times) < 2 or not np.isfinite(times).all() or np.diff(times).min() <= 0:
        raise DataError(f"{path} needs times that increase and one object or more")
    seen = np.isfinite(places).all(-1)  # (T, K)
    low, high = np.nanmin(places, (0, 1)), np.nanmax(places, (0, 1))
    margin = 0.1 * max(float((high - low).max()), 1.0)
    corner, size = low - margin, high - low + 2 * margin
    scale = float(size.max()) / CANVAS
    wide, tall = np.ceil(size / scale).astype(int)
    frames = np.broadcast_to(np.uint8(255), (len(times), tall, wide, 3)).copy()
    numbers = table["frame"].to_numpy(int) if "frame" in table else np.arange(len(times))
    clip = Clip(frames, times - times[0], numbers, np.full(2, scale), corner, (int(high[0]) + 1, int(high[1]) + 1))
    share = np.pi * (DIAMETER / 2 / scale) ** 2 / 9
    look = Appearance(np.zeros((5, 5, 3), np.float32), np.pad(np.full((3, 3), share, np.float32), 1))
    tracks = []
    for k in range(count):
        filled = pd.DataFrame(places[:, k]).interpolate(limit_direction="both").to_numpy()
        still = np.zeros((TURNS, QUARTERS, len(times), 2))
        tracks.append(Track(look, clip.from_file(filled), seen[:, k].astype(float), seen[:, k], 1.0, 1.0, still))
    return clip, tracks
