"""What a measurement leaves behind: measurement.json, track.csv and overlay.mp4, each complete or not there."""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import av
import imageio.v3 as imageio
import numpy as np
from skimage.draw import circle_perimeter_aa, line_aa

from pig_core.system import commit, provenance, replacing, write_json

from .laws import LAWS, family
from .measure import Measurement
from .table import write_table
from .track import Track
from .video import Clip

MEASUREMENT, TRACK, OVERLAY = "measurement.json", "track.csv", "overlay.mp4"
DRAWN, PATH, AHEAD = (230, 60, 180), (1, 115, 178), (222, 143, 5)  # of the object, its path, the predicted quarter
LONG_SIDE = 640  # pixels of the overlay


def summary(found: Measurement) -> dict[str, object]:
    """The content of measurement.json."""
    fit, clip = found.fit, found.clip
    name, base = fit.law.name, family(fit.law.name)
    about = {
        "verdict": found.verdict,
        "reasons": [{"name": note.name, "text": note.text} for note in found.notes if note.doubt],
        "law": base,
        "variant": name,
        "parameters": found.parameters,
        "laws_tried": [
            {"law": tried.law.name, "bic": tried.bic, "residual_px": tried.residual,
             "frames": int(tried.used.sum()), "refused": tried.refused}
            for tried in found.fits
        ],
        "start": float(clip.times[fit.first]),
        "end": float(clip.times[fit.last]),
        "frames": [int(clip.numbers[fit.first]), int(clip.numbers[fit.last])],
        "frames_used": int(fit.used.sum()),
        "residual_px": fit.residual,
        "unseen_px": found.unseen_px,
        "correlation": found.correlation,
        "objects": [
            {"diameter_px": diameter, "score": track.score, "contrast": track.contrast, "seen": int(track.seen.sum())}
            for diameter, track in zip(found.diameters, found.tracks, strict=True)
        ],
        "px_per_m": found.px_per_m,
        "size": list(clip.size),
        "warnings": [note.text for note in found.notes if not note.doubt],
    }  # fmt: skip
    if "length" in LAWS[name].constants and found.unseen_px is not None and fit.law.objects == 1:
        about["unseen_degrees"] = float(np.degrees(found.unseen_px / fit.law.values(fit.numbers)["length"]))
    if hasattr(fit.law, "collisions"):
        inside = (fit.first, fit.last)
        low, high = (float(clip.times[i]) for i in inside)
        found_ones = [[a + fit.zero, b + fit.zero] for a, b in fit.law.collisions]
        about["collisions"] = [pair for pair in found_ones if low <= pair[0] and pair[1] <= high]
    about |= {
        "video": str(found.options.video),
        "sha256": fingerprint(Path(found.options.video)),
        "options": dataclasses.asdict(found.options),
        "seconds": found.seconds,
        "commit": commit(),
        **provenance(),
    }
    about["versions"] |= {name: version(name) for name in ("av", "numpy", "scipy")}
    return about


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as opened:
                while block := opened.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def overlay(found: Measurement, chosen: Sequence[int] | None = None) -> Iterator[np.ndarray]:
    """The clip with the object's outline, its path so far and the predicted last quarter; all at once would be large.

    Args:
        chosen: numbers of the frames, as they are in the measurement; None: all of them.
    Yields:
        (H, W, 3) uint8, even sides.
    """
    clip = found.clip
    zoom = max(1, round(LONG_SIDE / max(clip.frames.shape[1:3])))

    def place(xy: np.ndarray) -> np.ndarray:
        return (clip.from_file(xy) + 0.5) * zoom - 0.5

    at = place(found.positions)
    ahead = None if found.unseen is None else place(found.unseen)
    for t in range(len(clip.frames)) if chosen is None else chosen:
        frame = clip.frames[t].repeat(zoom, 0).repeat(zoom, 1)
        frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
        for k, track in enumerate(found.tracks):
            past = [at[i, k] for i in range(t + 1) if track.seen[i]]
            for a, b in itertools.pairwise(past):
                _line(frame, a, b, PATH)
            if track.seen[t]:
                ring(frame, at[t, k], zoom * track.look.diameter / 2, DRAWN)
            if ahead is not None and np.isfinite(ahead[t, k]).all():
                for radius in (0.5, 0.7):
                    ring(frame, ahead[t, k], zoom * track.look.diameter / 2 * radius, AHEAD)
        yield frame


def ring(frame: np.ndarray, at: np.ndarray, radius: float, color: tuple[int, int, int]) -> None:
    """Draw a ring of two pixels around ``at`` into a frame (H, W, 3) uint8."""
    for wider in (0, 1):
        _ink(frame, *circle_perimeter_aa(round(at[1]), round(at[0]), max(1, round(radius)) + wider), color)


def _line(frame: np.ndarray, a: np.ndarray, b: np.ndarray, color: tuple[int, int, int]) -> None:
    limit = 4 * max(frame.shape)
    x0, y0, x1, y1 = (int(np.clip(round(value), -limit, limit)) for value in (*a, *b))
    _ink(frame, *line_aa(y0, x0, y1, x1), color)


def _ink(frame: np.ndarray, rows, columns, weight, color) -> None:
    inside = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
    rows, columns, weight = rows[inside], columns[inside], weight[inside, None]
    frame[rows, columns] = (1 - weight) * frame[rows, columns] + weight * np.array(color)


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float, quality: int = 23) -> None:
    """Write frames (H, W, 3) uint8, even sides, as H.264; ``quality`` is the encoder's constant rate factor."""
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=max(1, round(fps)))
        stream.pix_fmt = "yuv420p"
        # The conversion averages colours over four pixels; unless it is told, a reader takes them for the left ones'.
        # With mbtree the same frames give other bits each time.
        stream.options = {"crf": str(quality), "x264-params": "chromaloc=1:mbtree=0"}
        for number, frame in enumerate(frames):
            if not number:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode())


def write_refusal(path: Path, clip: Clip, tracks: Sequence[Track]) -> None:
    """An image of a clip in which nothing could be measured: the path of each thing that was followed, in a colour."""
    frame = np.median(clip.frames[:: max(1, len(clip.frames) // 20)], 0).astype(np.uint8)
    zoom = max(1, round(LONG_SIDE / max(frame.shape[:2])))
    frame = frame.repeat(zoom, 0).repeat(zoom, 1)
    for track, color in zip(tracks, itertools.cycle((DRAWN, PATH, AHEAD)), strict=False):
        for xy in (track.positions[track.seen] + 0.5) * zoom - 0.5:
            ring(frame, xy, zoom * track.look.diameter / 2, color)
    with replacing(path) as temporary:
        imageio.imwrite(temporary, frame, extension=".png")


def save(found: Measurement, folder: Path) -> dict[str, object]:
    """Write all files into a folder, measurement.json last: it marks the end. Returns its content."""
    write_table(folder / TRACK, found.clip, found.tracks, found.positions, found.fit.used, found.px_per_m)
    steps = np.diff(found.clip.times)
    write_video(folder / OVERLAY, overlay(found), 1 / max(float(np.median(steps)), 1e-3))
    about = summary(found)
    write_json(folder / MEASUREMENT, about)
    return about
