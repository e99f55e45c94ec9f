"""What measuring clips gave, clip by clip: tables and pictures of the page "From a real clip"."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.system import results_folder

from ..measure.bench import COUNT, REAL
from ..measure.measure import Measurement
from ..measure.rendered import KINDS
from ..measure.search import Scene
from .style import PALETTE
from .tables import short_commit, table

CLOSE = 0.5  # pixels rms within which the track of a rendered clip should be
# Published by others, for their methods on their clips; errors in percent.
PEERS = [
    ("IRIS (ECCV 2026), its baseline", "IRIS, pendulum, rope 0.5 m", "mean error of parameters", "69 to 121"),
    ("IRIS (ECCV 2026), its multi-step model", "the same", "mean error of parameters", "79 to 4390"),
    ("published with Delfys75 (CVPR 2025)", "Delfys75, pendulums", "error of the length", "67 to 160"),
]  # fmt: skip


def load_clips(folder: Path | None = None) -> list[dict[str, object]]:
    """All results of clips in a folder, failures first, then wrong laws, then the rest by name."""
    found = []
    for path in sorted((folder or results_folder() / "clips").glob("*.json")):
        found.append({"name": path.stem, **json.loads(path.read_text())})
    return sorted(found, key=lambda clip: (_standing(clip), clip["name"]))


def _standing(clip: dict[str, object]) -> int:
    """0: failed; 1: wrong law; 2: the track is off, or a bar misses; 3: nothing wrong is known."""
    if "failed" in clip:
        return 0
    if clip["law"] != clip.get("true_law", clip["law"]):
        return 1
    missed = any(not value.get("covered", True) for value in clip["parameters"].values())
    return 2 if missed or clip.get("position_rms_px", 0) > CLOSE else 3


def clips_table(clips: list[dict[str, object]]) -> Markdown:
    """One row for each clip: law, track, constants with bars beside the truth, what was warned of."""
    rows = []
    for clip in clips:
        off, unseen = clip.get("position_rms_px"), clip.get("unseen_px")
        rows.append((
            clip["name"].removeprefix("real-").replace("_", " "), "rendered" if "kind" in clip else "filmed",
            _law(clip),
            "" if off is None else f"{off:.2f}", "" if unseen is None else f"{unseen:.1f}",
            "<br>".join(_constant(name, value) for name, value in clip.get("parameters", {}).items()),
            f"{clip['cpu_seconds']:.0f}", "; ".join(clip.get("warnings", [])),
        ))  # fmt: skip
    header = ["clip", "origin", "law", "track, rms px", "unseen, px", "constants (95 %)", "CPU s", "warnings"]
    return Markdown(table(header, rows))


def _law(clip: dict[str, object]) -> str:
    if "failed" in clip:
        return f"**failed**: {clip['failed']}"
    law, true = clip["law"], clip.get("true_law", clip["law"])
    return (f"`{law}`" if law == true else f"**`{law}`, not `{true}`**") + (
        f" (as `{clip['variant']}`)" if clip["variant"] != law else ""
    )


def _constant(name: str, value: dict[str, object]) -> str:
    if value["high"] == value["low"]:
        return f"`{name}` {value['value']:.4g} {value['unit']}, told"
    unit = "" if value["unit"] == "1" else f" {value['unit']}"
    text = f"`{name}` {value['value']:.4g} ± {(value['high'] - value['low']) / 2:.2g}{unit}"
    if "true" in value:
        text += f" (true {value['true']:.4g}{'' if value['covered'] else ', **not covered**'})"
    return f'<span class="together">{text}</span>'


def constants_of_clips(clips: list[dict[str, object]]) -> pd.DataFrame:
    """Constants of rendered clips with the right law: kind, name, error as a share of the truth, and in half-widths."""
    rows = [
        (clip["kind"], name, v["value"] / v["true"] - 1 if v["true"] else np.nan,
         (v["value"] - v["true"]) / max((v["high"] - v["low"]) / 2, 1e-12), v["covered"],
         (v["high"] - v["low"]) / 2, abs(v["value"] - v["true"]))
        for clip in clips if "kind" in clip and "failed" not in clip and clip["law"] == clip["true_law"]
        for name, v in clip["parameters"].items() if "true" in v
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["kind", "constant", "error", "halves", "covered", "half", "off"])


def kinds_table(clips: list[dict[str, object]]) -> Markdown:
    """Rendered clips by kind: how many, right laws, tracks, errors and coverage of each constant."""
    constants, rows = constants_of_clips(clips), []
    for kind in KINDS:
        those = [clip for clip in clips if clip.get("kind") == kind]
        able = [clip for clip in those if "failed" not in clip]
        right = sum(clip["law"] == clip["true_law"] for clip in able)
        tracks = [clip["position_rms_px"] for clip in able]
        cells = [kind.replace("_", " "), f"{len(those)} of {COUNT}", len(those) - len(able), right]
        cells.append(f"{np.median(tracks):.2f} ({max(tracks):.2f})" if tracks else "")
        for part in (_errors, _coverage):
            parts = constants[constants["kind"] == kind].groupby("constant", sort=False)
            cells.append("; ".join(f"`{name}` {part(group)}" for name, group in parts))
        rows.append(cells)
    header = ["kind", "measured", "failed", "right law", "track, median (worst) rms px",
              "error, median (worst) %", "bars that cover; half-width by rms error"]  # fmt: skip
    return Markdown(table(header, rows))


def _errors(group: pd.DataFrame) -> str:
    error = 100 * group["error"].abs()
    return f"{error.median():.2g} ({error.max():.2g})"


def _coverage(group: pd.DataFrame) -> str:
    ratio = group["half"].median() / max(float(np.sqrt((group["off"] ** 2).mean())), 1e-12)
    return f"{group['covered'].sum()} of {len(group)}; {ratio:.2g}"


def title(clips: list[dict[str, object]]) -> Markdown:
    """What came out, as the title of the page."""
    rendered = [clip for clip in clips if "kind" in clip]
    right, constants = sum(_standing(clip) > 1 for clip in rendered), constants_of_clips(clips)
    return Markdown(
        f"# From a clip to constants: the right law in {right} of {len(rendered)} rendered clips, "
        f"and {int(constants['covered'].sum())} of {len(constants)} error bars cover the truth"
    )


def verdict(clips: list[dict[str, object]]) -> Markdown:
    """How many clips failed, were given a wrong law, missed a bar, and have not been measured."""
    rendered = [clip for clip in clips if "kind" in clip]
    constants, names = constants_of_clips(clips), {clip["name"] for clip in clips}
    missing = [f"{kind}-s{seed}" for kind in KINDS for seed in range(COUNT) if f"{kind}-s{seed}" not in names]
    missing += [Path(name).stem for name in REAL if f"real-{Path(name).stem}" not in names]
    standing = [_standing(clip) for clip in clips]
    close = sum(clip.get("position_rms_px", np.inf) < CLOSE for clip in rendered)
    commits = ", ".join(sorted({short_commit(clip["commit"]) for clip in clips}))
    return Markdown(
        f"{len(clips)} clips were measured, {len(rendered)} of them rendered: {standing.count(0)} failed, "
        f"{standing.count(1)} got a wrong law. {close} of the {len(rendered)} rendered ones are tracked to {CLOSE} "
        f"pixels rms. {int(constants['covered'].sum())} of {len(constants)} bars cover the true value (nominal: 95 %). "
        f"**Not measured so far:** {', '.join(missing) or 'nothing of what was planned'}. Measured at commit {commits}."
    )


def coverage(clips: list[dict[str, object]]) -> Figure:
    """How far each constant of a rendered clip is from the truth, in half-widths of its own bar."""
    constants = constants_of_clips(clips)
    names = [
        f"{kind}: {name}" for kind, name in dict.fromkeys(zip(constants["kind"], constants["constant"], strict=True))
    ]
    figure, ax = plt.subplots(figsize=(7, 0.9 + 0.3 * len(names)))
    label = constants["kind"] + ": " + constants["constant"]
    for row, name in enumerate(names):
        those = constants[label == name]
        colors = [PALETTE[0] if covered else PALETTE[3] for covered in those["covered"]]
        ax.scatter(those["halves"].clip(-6, 6), np.full(len(those), row), color=colors, alpha=0.8)
    ax.axvspan(-1, 1, color=PALETTE[0], alpha=0.12)
    ax.set(
        yticks=range(len(names)), xlim=(-6.4, 6.4), xlabel="error, half-widths of the 95 % bar (beyond 6: at the edge)"
    )
    ax.set_yticklabels([name.replace("_", " ") for name in names])
    ax.invert_yaxis()
    return figure


def stages(found: Measurement) -> Figure:
    """How an object is found: a frame, what differs from the background, what is drawn, what is left."""
    scene = Scene.of(found.clip)
    t = int(np.flatnonzero(found.fit.used)[found.fit.used.sum() // 2])
    frame = found.clip.frames[t] / 255
    for track in found.tracks:
        scene.paint_out(track.look, track.positions)
    pictures = {
        "frame": frame,
        "background: median": scene.background,
        "what differs": np.clip(0.5 + (frame - scene.background), 0, 1),
        "object painted out": np.clip(0.5 + scene.moved(t), 0, 1),
    }
    figure, axes = plt.subplots(1, len(pictures), figsize=(10, 2.2))
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        ax.imshow(picture)
        ax.set(xticks=[], yticks=[], title=title)
        ax.grid(False)
    return figure


def peers_table() -> Markdown:
    """What others publish for real clips, marked as theirs."""
    return Markdown(table(["theirs", "clips", "what", "%"], PEERS))
