"""What was asked of measuring clips beside what it gave, run by run, and the simulated tasks' videos clip by clip."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown

from pig_core.system import results_folder
from pig_core.tasks import TASKS

from .clips import CLOSE, constants_of_clips
from .results import load_results
from .tables import table

WITHIN = {"toss": 3.0, "slope": 3.0}  # percent asked of a constant; of the other kinds 1
OBJECT = 5.0  # pixels rms beyond which a track is that of something else


def goals(clips: list[dict[str, object]]) -> dict[str, float]:
    """Counts and shares of one run over rendered clips; errors are without damping, which near zero has no percents."""
    those = [clip for clip in clips if "kind" in clip]
    able = [clip for clip in those if "failed" not in clip]
    constants = constants_of_clips(clips)
    sized = constants[constants["constant"] != "damping"]
    near = sized["error"].abs() * 100 < sized["kind"].map(WITHIN).fillna(1.0)
    share = sized["half"] / (sized["off"] / sized["error"].abs().clip(lower=1e-12))  # of the true value
    return {
        "clips": len(those),
        "right law": sum(clip["law"] == clip["true_law"] for clip in able),
        "tracked": sum(clip["position_rms_px"] < CLOSE for clip in able),
        "object": sum(clip["position_rms_px"] < OBJECT for clip in able),
        "constants": len(sized),
        "near": int(near.sum()),
        "bars": len(constants),
        "bars cover": int(constants["covered"].sum()),
        "all bars cover": sum(
            all(value.get("covered", True) for value in clip["parameters"].values()) for clip in able
        ),
        "width": float(share.median() / np.sqrt((sized["error"] ** 2).mean())),
    }


def goals_table(runs: dict[str, list[dict[str, object]]]) -> Markdown:
    """What was asked, and what each run over the rendered clips gave."""
    found = [goals(clips) for clips in runs.values()]
    rows = [
        ("clips measured", "50", *(str(run["clips"]) for run in found)),
        ("the right law", "45 of 50", *(f"{run['right law']} of {run['clips']}" for run in found)),
        ("the object, not its shadow", "all", *(f"{run['object']} of {run['clips']}" for run in found)),
        (f"track under {CLOSE} px rms", "all", *(f"{run['tracked']} of {run['clips']}" for run in found)),
        ("constants (but damping) within 1 %, toss and slope 3 %", "all",
         *(f"{run['near']} of {run['constants']}" for run in found)),
        ("clips all of whose 95 % bars cover", "45 of 50",
         *(f"{run['all bars cover']} of {run['clips']}" for run in found)),
        ("bars that cover", "", *(f"{run['bars cover']} of {run['bars']}" for run in found)),
        ("median half-width by rms error (but damping)", "at most 3", *(f"{run['width']:.2g}" for run in found)),
    ]  # fmt: skip
    return Markdown(table(["", "asked", *runs], rows))


def load_simulated(folder: Path | None = None) -> pd.DataFrame:
    """One row for each constant of each clip of a simulated task; failed clips have no value.

    ``doubted``: whether the measurement itself says that it is not to be trusted.
    """
    rows = []
    for path in sorted((folder or results_folder() / "clips" / "simulated").glob("*.json")):
        about = json.loads(path.read_text())
        doubted = any("not to be trusted" in line for line in about.get("warnings", []))
        for name, true in about["truth"].items():
            value = about.get("parameters", {}).get(name, {})
            rows.append((about["task"], about["clip"], about.get("law", "none"), about["true_law"], name, true,
                         *(value.get(key) for key in ("value", "low", "high")), value.get("covered", 0),
                         doubted))  # fmt: skip
    columns = ["task", "clip", "law", "true_law", "constant", "true", "value", "low", "high", "covered", "doubted"]
    return pd.DataFrame(rows, columns=columns)


def simulated_table(found: pd.DataFrame) -> Markdown:
    """Single clips of the simulated tasks beside what a training learns from one video, where that was run."""
    rows = []
    for (task, name), group in found.groupby(["task", "constant"], sort=False):
        right = group[group["law"] == group["true_law"]].dropna(subset="value")
        errors = 100 * (right["value"] / right["true"] - 1)
        halves = 50 * (right["high"] - right["low"]) / right["true"]
        rows.append((
            TASKS[task].title, f"`{name}`", f"{len(right)} of {len(group)}",
            ", ".join(f"{error:+.2g}" for error in errors), ", ".join(f"{half:.2g}" for half in halves),
            f"{int(right['covered'].sum())} of {len(right)}", _trained(task, name),
        ))  # fmt: skip
    header = [
        "task",
        "constant",
        "right law",
        "error %",
        "half of the bar %",
        "bars cover",
        "trained on one video, error %",
    ]
    return Markdown(table(header, rows))


def _trained(task: str, name: str) -> str:
    runs = load_results("datapoints").query("variant == '1' and task == @task")
    errors = [100 * error[name] for error in runs["error"]]
    return ", ".join(f"{error:+.2g}" for error in errors) or "not run"
