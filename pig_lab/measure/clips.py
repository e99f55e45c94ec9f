"""Measured clips of known truth as tables and figures, for ``notebooks/real_clips.ipynb``."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..report.results import read_table
from ..report.style import PALETTE
from .bench import Row, clips_table
from .measure import Measurement
from .track import Scene

CLOSE = 0.5  # pixels rms within which the track of a rendered clip should be
OBJECT = 5.0  # pixels rms beyond which a track is that of something else


def load_clips(run: str, folder: Path | None = None) -> list[Row]:
    """The measured clips of one run, failures first, then wrong laws, then tracks or bars that miss the truth.

    Args:
        run: "rendered" (seeds 0 to 9), "first" (the first run over these), "sides" and "fresh" (seeds 10 to 14 and 15
            to 24, each measured once), "real" or "simulated".
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


def counts(clips: Sequence[Row]) -> dict[str, object]:
    """Right laws, objects (not shadows), close tracks and covering bars of one run over rendered clips."""
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
