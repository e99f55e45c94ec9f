"""The page of a measured clip and the table of several."""

import base64
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import imageio.v3 as imageio
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure

from pig_core.system import RunError

from ..measure import results
from ..report.page import render
from ..report.panels import column, panel, player
from ..report.style import PALETTE, figure_html, plain, table, use_style
from ..report.whatif import SPEEDS, slider_range
from .command import FAILED, PAGE
from .laws import ClipLaw
from .measure import Measurement
from .table import derivatives

# The what-if of a measured clip: sliders for its law, drawn over the clip in a page without a kernel.

PLAYED, WIDE = 60, 400  # frames and pixels across, at most, of a clip on a page
MOVING = ("vx", "vy", "rate")  # the numbers of a law that are velocities at its time zero


def clip_what_if(found: Measurement) -> HTML | Markdown:
    """Sliders for the constants of one object's law and its speed, or a sentence where a page does not know the law."""
    fit, clip, law = found.fit, found.clip, found.fit.law
    if law.objects != 1 or hasattr(law, "arcs"):
        return Markdown("*Laws with collisions or several objects are not written in JavaScript.*")
    used = np.flatnonzero(fit.used)
    shown = used[np.unique(np.linspace(0, len(used) - 1, PLAYED).round().astype(int))]
    step = max(1, round(clip.frames.shape[2] / WIDE))
    frames = clip.frames[shown][:, ::step, ::step]
    times = clip.times[shown]
    # Pixels of the file to those of a frame here, whose (0, 0) is the corner of a pixel, not its middle.
    scale = 1 / (clip.scale * step)
    shift = clip.from_file(np.zeros(2)) / step + 0.5
    pause = 1000 * (times[-1] - times[0]) / len(times)
    data = {
        "law": f"{type(law).__module__}.{type(law).__qualname__}",
        "numbers": dict(zip(law.numbers, fit.numbers.tolist(), strict=True)),
        "sliders": _sliders(law, fit.numbers), "times": (times - fit.zero).tolist(),
        "track": found.positions[shown, 0].round(3).tolist(), "labels": [f"{time:.2f} s" for time in times],
        "sheet": _jpeg_url(column(frames)), "height": frames.shape[1], "width": frames.shape[2],
        "scale": scale.tolist(), "shift": shift.tolist(), "radius": found.tracks[0].look.diameter / 2 / step + 2,
        "pause": round(float(np.clip(pause, 30, 500))),
    }  # fmt: skip
    return panel("clip", data, "What if? The constants of a clip's law, to be changed")


def _sliders(law: ClipLaw, numbers: np.ndarray) -> list[dict[str, object]]:
    """One for each constant that is a number of the law, and one for its speed; see ``browser/clip.js``."""
    values, found = dict(zip(law.numbers, numbers.tolist(), strict=True)), []
    for name in [name for name in law.numbers if name in law.constants or name in ("ax", "ay")]:
        value, constant = values[name], law.constants.get(name)
        if constant is not None and constant.positive:
            low, *_, high = slider_range(value)
        else:  # a part of a velocity or an acceleration: as far as the whole one is large, both ways
            whole = np.hypot(*(values.get(name[0] + axis, value) for axis in "xy")) or 1.0
            low, high = value - whole, value + whole
        unit = constant.unit if constant else "pixels/s²"
        found.append({
            "label": name, "names": [name], "unit": "" if unit == "1" else unit, "value": value,
            "low": float(max(low, law.lowest.get(name, -np.inf))), "high": float(high),
            "log": bool(constant and constant.positive and value > 0),
        })  # fmt: skip
    if moving := [name for name in law.numbers if name in MOVING]:
        found.append({"label": "speed", "names": moving, "factor": True, "unit": "times", "value": 1.0,
                      "low": SPEEDS[0], "high": SPEEDS[-1]})  # fmt: skip
    return found


def _jpeg_url(picture: np.ndarray) -> str:
    """A picture of filmed frames, uint8 (H, W, 3), as a JPEG file that stands in a page itself: a tenth of a PNG."""
    file = io.BytesIO()
    imageio.imwrite(file, picture, extension=".jpg", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


CANNOT = (
    "Error bars say how far noise may have moved a constant. They do not know whether the scale is right, whether the "
    "clip's clock is the camera's, or whether the camera looked at the motion at a right angle: no single clip tells."
)


def clip_player(found: Measurement) -> HTML:
    """The clip with the drawn object, its path and the predicted last quarter."""
    shown = np.unique(np.linspace(0, len(found.clip.frames) - 1, PLAYED).round().astype(int))
    frames = np.stack(list(results.overlay(found, shown)))
    labels = [f"{found.clip.times[t]:.2f} s, {_part(found, t)}" for t in shown]
    pause = 1000 * (found.clip.times[-1] - found.clip.times[0]) / len(shown)
    caption = (
        "The clip. Pink: where the object is drawn; blue: its path; orange: predicted from the first three quarters."
    )
    small = _smaller(frames, max(1, round(frames.shape[2] / WIDE)))
    return player(small, labels, caption, round(float(np.clip(pause, 30, 500))))


def _smaller(frames: np.ndarray, step: int) -> np.ndarray:
    """Means of ``step`` x ``step`` pixels; a line may be thinner than a step."""
    height, width = (side // step * step for side in frames.shape[1:3])
    parts = [frames[:, i:height:step, j:width:step] for i in range(step) for j in range(step)]
    return np.mean(parts, 0).round().astype(np.uint8)


def _part(found: Measurement, t: int) -> str:
    if not found.fit.used[t]:
        return "left out"
    return "predicted" if found.unseen is not None and np.isfinite(found.unseen[t]).all() else "fitted"


def looks(found: Measurement) -> Figure:
    """What was drawn: content and mask of each object."""
    figure, axes = plt.subplots(1, 2 * len(found.tracks), figsize=(3.2 * len(found.tracks), 1.9), squeeze=False)
    for k, track in enumerate(found.tracks):
        mask = track.look.mask[..., None]
        for ax, picture, title in zip(
            axes[0, 2 * k :], (track.look.content * mask + 1 - mask, mask[..., 0]), ("content", "mask"), strict=False
        ):
            ax.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[], title=f"object {k + 1}: {title}")
            ax.grid(False)
    return figure


def paths(found: Measurement) -> Figure:
    """Path and fit in the picture, and what the fit leaves over time."""
    fit, times = found.fit, found.clip.times
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    fitted = fit.path(times[fit.first : fit.last + 1])
    for k, track in enumerate(found.tracks):
        color = PALETTE[k]
        left.plot(*found.positions[track.seen, k].T, ".", color="0.7", ms=4, label="left out" if k == 0 else None)
        left.plot(*found.positions[fit.used, k].T, ".", color=color, label=f"object {k + 1}")
        left.plot(*fitted[:, k].T, color="0.2", lw=1, label="fit" if k == 0 else None)
        if found.unseen is not None:
            left.plot(*found.unseen[:, k].T, color=PALETTE[1], lw=2, label="predicted" if k == 0 else None)
        rest = found.positions[fit.used, k] - fit.path(times[fit.used])[:, k]
        for axis, style in enumerate("-:"):
            label = f"object {k + 1}, {'xy'[axis]}"
            right.plot(times[fit.used], rest[:, axis], style, color=color, lw=1, label=label)
    left.set(xlabel="x, pixels", ylabel="y, pixels", title="Path")
    left.set_aspect("equal", adjustable="datalim")  # the axes keep their size, so that a flat path leaves room
    left.invert_yaxis()
    right.set(xlabel="seconds", ylabel="pixels", title="Residuals")
    for ax in (left, right):
        ax.legend()
    return figure


def energies(found: Measurement) -> Figure:
    """Kinetic and potential energy by mass of one object and their sum, over the frames that the law was fitted to."""
    used, unit = found.fit.used, "m" if found.px_per_m else "pixels"
    scale = (found.px_per_m or 1.0) ** 2
    moved, errors = derivatives(found.clip.times, found.positions[:, 0], found.tracks[0].seen)
    kinetic = (moved[:, 0] ** 2).sum(-1) / 2 / scale
    error = 2 * np.sqrt(((moved[:, 0] * errors[:, 0]) ** 2).sum(-1)) / scale
    potential = found.fit.law.potential(found.fit.numbers, found.positions[:, 0]) / scale
    potential = potential - potential[used].min()
    times = np.where(used, found.clip.times, np.nan)
    figure, ax = plt.subplots(figsize=(6, 2.8))
    ax.plot(times, kinetic, color=PALETTE[0], label="kinetic")
    ax.plot(times, potential, color=PALETTE[1], label="potential")
    ax.plot(times, kinetic + potential, color="0.2", label="sum")
    ax.fill_between(times, kinetic + potential - error, kinetic + potential + error, color="0.2", alpha=0.15, lw=0)
    ax.set(xlabel="seconds", ylabel=f"energy by mass, {unit}²/s²", ylim=(0, None))
    ax.legend()
    return figure


def laws_table(about: dict[str, object]) -> HTML:
    """All laws that were tried, the best first."""
    tried = sorted(about["laws_tried"], key=lambda law: (bool(law["refused"]), law["bic"] or np.inf))
    frame = pd.DataFrame(tried)[["law", "bic", "frames", "residual_px", "refused"]].replace([np.inf, -np.inf], np.nan)
    frame.columns = ["law", "BIC", "frames", "residual", "refused because"]
    return table(frame, {"BIC": ".0f", "residual": ".2f"}, {"residual": "pixels"})


def constants_table(about: dict[str, object]) -> HTML:
    """The constants with their bars."""
    rows = [
        {
            "constant": name,
            "value": value["value"],
            "95 %": f"{value['low']:.5g} to {value['high']:.5g}",
            "unit": value["unit"],
        }
        for name, value in about["parameters"].items()
    ]
    return table(pd.DataFrame(rows, columns=["constant", "value", "95 %", "unit"]), {"value": ".5g"})


def verdict(about: dict[str, object]) -> Markdown:
    """Whether the constants can be trusted, and why not."""
    if about["verdict"] == "measured":
        return Markdown("**Measured**: nothing in the clip speaks against these constants.")
    reasons = [f"- *{reason['name']}*: {plain(reason['text'])}." for reason in about["reasons"]]
    return Markdown("\n".join(["**Doubtful**, because:", "", *reasons]))


def unknown(about: dict[str, object]) -> Markdown:
    """What could not be known, in plain words."""
    return Markdown("\n".join([CANNOT, "", *(f"- {plain(_capital(text))}." for text in about["warnings"])]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentences(about: dict[str, object]) -> str:
    """What was found, line by line; the verdict first."""
    lines = [about["verdict"] + (", because" if about["reasons"] else "")]
    lines += [f"  {reason['name']}: {reason['text']}" for reason in about["reasons"]]
    lines += [f"{about['variant']}, {about['start']:.2f} to {about['end']:.2f} s, {about['frames_used']} frames"]
    for name, value in about["parameters"].items():
        half = (value["high"] - value["low"]) / 2
        lines.append(f"  {name:8} {value['value']:.5g} ± {half:.2g} {value['unit']}")
    return "\n".join(lines + [f"note: {text}" for text in about["warnings"]])


def save(found: Measurement, folder: Path) -> dict[str, object]:
    """Write all files and the page of a measurement into a folder; returns the content of measurement.json."""
    about = results.save(found, folder)
    write_page(found, about, folder / PAGE)
    return about


def write_page(found: Measurement, about: dict[str, object], path: Path) -> None:
    """The page of a measurement, made without a kernel."""
    use_style()
    _write_page(path, f"{Path(about['video']).name}: {about['variant']}", _parts(found, about))


def _write_page(path: Path, title: str, parts: Iterable[tuple[str, object]]) -> None:
    cells = [nbformat.v4.new_markdown_cell(f"# {plain(title)}")]
    for head, shown in parts:
        if head:
            cells.append(nbformat.v4.new_markdown_cell(f"## {head}"))
        if isinstance(shown, Markdown):
            cells.append(nbformat.v4.new_markdown_cell(shown.data))
            continue
        drawn = shown.data if isinstance(shown, HTML) else figure_html(shown)
        output = nbformat.v4.new_output("display_data", data={"text/html": drawn})
        cells.append(nbformat.v4.new_code_cell("", outputs=[output], metadata={"alt": head}))
        plt.close("all")
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder) / "page.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
        render(notebook, path)


def _parts(found: Measurement, about: dict[str, object]) -> Iterator[tuple[str, object]]:
    yield "", verdict(about)
    yield "Constants", constants_table(about)
    yield "The clip", clip_player(found)
    yield "What was drawn", looks(found)
    yield "Path and fit", paths(found)
    if found.fit.law.objects == 1:
        yield "Energy", energies(found)
    yield "What if?", clip_what_if(found)
    yield "Laws that were tried", laws_table(about)
    yield "What could not be known", unknown(about)


def write_table(path: Path, folders: list[Path]) -> None:
    """One page with a row per clip; a folder without a measurement has the reason of the failure instead."""
    rows, links = [], []
    for folder in folders:
        failed = folder / FAILED
        try:
            if failed.is_file():
                raise RunError(failed.read_text().strip().splitlines()[-1])
            about = json.loads((folder / results.MEASUREMENT).read_text())
            constants = "; ".join(
                f"{name} {value['value']:.4g} ({value['low']:.4g} to {value['high']:.4g}) {value['unit']}"
                for name, value in about["parameters"].items()
            )
            why = ", ".join(dict.fromkeys(reason["name"] for reason in about["reasons"]))
            verdict_of = about["verdict"] + (f": {why}" if why else "")
            row = (Path(about["video"]).name, verdict_of, about["variant"], constants, about["residual_px"])
            links.append(quote(f"{folder.name}/{PAGE}"))
        except (OSError, ValueError, LookupError, AttributeError, RunError) as error:
            why = str(error) if failed.is_file() else "not measured"
            earlier = " (an earlier measurement is kept)" if (folder / results.MEASUREMENT).is_file() else ""
            row = (folder.name, "not measured", "", why + earlier, None)
            links.append(None)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=["clip", "verdict", "law", "constants (95 %)", "residual"])
    shown = table(frame, {"residual": ".2f"}, {"residual": "pixels"}, {"clip": links})
    _write_page(path, "Measured clips", [("", shown), ("", Markdown(CANNOT))])
