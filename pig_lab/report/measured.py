"""A measured clip as people look at it, and the verb: ``python -m pig_core measure clip.mp4``.

``python -m pig_core measure --table INDEX.html FOLDER ...`` makes one table of the measurements in some folders.
"""

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure

from pig_core.system import RunError

from ..measure import results
from ..measure.measure import Measurement, measure
from ..measure.options import Options
from .clip_whatif import PLAYED, WIDE, clip_what_if
from .page import render
from .panels import player
from .style import PALETTE, figure_html, use_style
from .tables import table

PAGE = "index.html"
FAILED = "failed.txt"  # what measure.smk leaves of a clip that could not be measured the last time
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


def laws_table(about: dict[str, object]) -> Markdown:
    """All laws that were tried, the best first."""
    tried = sorted(about["laws_tried"], key=lambda law: (bool(law["refused"]), law["bic"] or np.inf))
    rows = [
        (law["law"], f"{law['bic']:.0f}" if np.isfinite(law["bic"]) else "", law["frames"],
         f"{law['residual_px']:.2f}" if np.isfinite(law["residual_px"]) else "", law["refused"])
        for law in tried
    ]  # fmt: skip
    return Markdown(table(["law", "BIC", "frames", "residual, pixels", "refused because"], rows))


def constants_table(about: dict[str, object]) -> Markdown:
    """The constants with their bars."""
    rows = [
        (f"`{name}`", f"{value['value']:.5g}", f"{value['low']:.5g} to {value['high']:.5g}", value["unit"])
        for name, value in about["parameters"].items()
    ]
    return Markdown(table(["constant", "value", "95 %", "unit"], rows))


def unknown(about: dict[str, object]) -> Markdown:
    """What could not be known, in plain words."""
    return Markdown("\n".join([CANNOT, "", *(f"- {_capital(text)}." for text in about["warnings"])]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentences(about: dict[str, object]) -> str:
    """What was found, line by line."""
    lines = [f"{about['variant']}, {about['start']:.2f} to {about['end']:.2f} s, {about['frames_used']} frames"]
    for name, value in about["parameters"].items():
        half = (value["high"] - value["low"]) / 2
        lines.append(f"  {name:8} {value['value']:.5g} ± {half:.2g} {value['unit']}")
    return "\n".join(lines + [f"warning: {text}" for text in about["warnings"]])


def save(found: Measurement, folder: Path) -> dict[str, object]:
    """Write all files and the page of a measurement into a folder; returns the content of measurement.json."""
    about = results.save(found, folder)
    write_page(found, about, folder / PAGE)
    return about


def write_page(found: Measurement, about: dict[str, object], path: Path) -> None:
    """The page of a measurement, made without a kernel."""
    use_style()
    cells = [nbformat.v4.new_markdown_cell(f"# {escape(Path(about['video']).name)}: {about['variant']}")]
    for title, shown in _parts(found, about):
        cells.append(nbformat.v4.new_markdown_cell(f"## {title}"))
        if isinstance(shown, Markdown):
            cells.append(nbformat.v4.new_markdown_cell(shown.data))
            continue
        drawn = shown.data if isinstance(shown, HTML) else figure_html(shown)
        output = nbformat.v4.new_output("display_data", data={"text/html": drawn})
        cells.append(nbformat.v4.new_code_cell("", outputs=[output], metadata={"alt": title}))
        plt.close("all")
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder) / "page.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
        render(notebook, path)


def _parts(found: Measurement, about: dict[str, object]) -> Iterator[tuple[str, object]]:
    yield "The clip", clip_player(found)
    yield "Constants", constants_table(about)
    yield "What was drawn", looks(found)
    yield "Path and fit", paths(found)
    yield "What if?", clip_what_if(found)
    yield "Laws that were tried", laws_table(about)
    yield "What could not be known", unknown(about)


def write_table(path: Path, folders: list[Path]) -> None:
    """One page with one row for each measured clip; a folder without a measurement has what went wrong instead."""
    rows = []
    for folder in folders:
        failed = folder / FAILED
        try:
            if failed.is_file():
                raise ValueError
            about = json.loads((folder / results.MEASUREMENT).read_text())
            values = "; ".join(f"{n} {v['value']:.4g} ({v['low']:.4g} to {v['high']:.4g}) {v['unit']}"
                               for n, v in about["parameters"].items())  # fmt: skip
            link = (
                f"[{escape(Path(about['video']).name)}]({escape(folder.name, quote=True).replace(' ', '%20')}/{PAGE})"
            )
            rows.append((link, about["variant"], values, f"{about['residual_px']:.2f}", len(about["warnings"])))
        except (OSError, ValueError, KeyError):
            why = failed.read_text().strip().splitlines()[-1:] if failed.is_file() else ["not measured"]
            kept = ["(an earlier measurement is kept)"] if (folder / results.MEASUREMENT).is_file() else []
            rows.append((escape(folder.name), "", escape(" ".join([*why, *kept])), "", ""))
    shown = table(["clip", "law", "constants (95 %)", "residual, pixels", "warnings"], rows)
    cells = [nbformat.v4.new_markdown_cell(text) for text in ("# Measured clips", shown, CANNOT)]
    with tempfile.TemporaryDirectory() as scratch:
        notebook = Path(scratch) / "table.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
        render(notebook, path)


def parser() -> argparse.ArgumentParser:
    """A command line whose options are the fields of :class:`Options`."""
    made = argparse.ArgumentParser("python -m pig_core measure", description=__doc__, allow_abbrev=False)
    for field in dataclasses.fields(Options):
        kind = field.metadata["kind"]
        if field.name == "video":
            made.add_argument("video", type=kind, help=field.metadata["help"])
        else:
            made.add_argument(f"--{field.name}", type=kind, default=field.default, help=field.metadata["help"])
    return made


def main(arguments: list[str]) -> None:
    """Measure one clip and write what was found, or make the table of several."""
    if arguments[:1] == ["--table"]:
        if len(arguments) < 3:
            raise RunError("write: python -m pig_core measure --table INDEX.html FOLDER ...")
        write_table(Path(arguments[1]), [Path(name) for name in arguments[2:]])
        return
    options = Options(**vars(parser().parse_args(arguments)))
    found = measure(options)
    folder = options.folder()
    about = save(found, folder)
    print(sentences(about))
    print(f"results: {folder}, page: {folder / PAGE}")
