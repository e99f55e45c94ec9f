"""What was written down before full runs of the recipe ``paper``, and what came out."""

import json
import re
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.system import results_folder
from pig_core.tasks import TASKS

from ..report.style import PALETTE
from .tables import rows_table


def of(name: str) -> Mapping[str, Mapping[str, object]]:
    """What was written down before the runs of one kind: variant or seed -> constant -> [low, high], and "because"."""
    return json.loads((results_folder() / "predictions" / f"{name}.json").read_text())["expected"]


def compare(name: str, runs: Mapping[str, pd.Series | None]) -> pd.DataFrame:
    """Expected range and outcome, one row per run and number: "run", "what", "low", "high", "found", "as expected".

    Args:
        runs: by the names under which they were expected; a missing one was not run, or not to its end.
    """
    rows = []
    for key, ranges in of(name).items():
        run = runs.get(key)
        for what, (low, high) in ((n, r) for n, r in ranges.items() if n != "because"):
            value = None if run is None else run.learned[what] if what in run.learned else run[what]
            rows.append((key, what, low, high, value, None if value is None else low <= value <= high))
    return pd.DataFrame(rows, columns=["run", "what", "low", "high", "found", "as expected"])


def table(compared: pd.DataFrame) -> Markdown:
    """:func:`compare` as a table."""
    return rows_table([
        {
            "run": _named(row.run),
            "": f"${row.what}$" if len(row.what) == 1 else row.what,
            "expected": f"{row.low:g} to {row.high:g}",
            "found": "not run to its end" if row.found is None else f"{row.found:.3f}",
            "as expected?": "" if row.found is None else "yes" if row._6 else "no",
        }
        for row in compared.astype(object).where(compared.notna(), None).itertuples()
    ])  # fmt: skip


def _named(run: str) -> str:
    """The name under which a run was expected, for a reader: "s0_interaction" is "seed 0, interaction"."""
    return TASKS[run].title if run in TASKS else re.sub(r"^s(?=\d)", "seed ", run).replace("_", ", ")


def two_by_two(compared: pd.DataFrame) -> Figure:
    """The constants of the four continuations (dots) with what was expected of them (bars); dotted: true."""
    names = list(compared["what"].unique())
    figure, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names), 2.6), sharey=True)
    for ax, name in zip(axes, names, strict=True):
        part = compared[compared["what"] == name]
        rows = range(len(part))
        ax.hlines(rows, part["low"], part["high"], color=PALETTE[7], lw=9, alpha=0.5)
        ax.plot(part["found"].astype(float), rows, "o", color=PALETTE[0])
        ax.axvline(TASKS["spring_color"].truth[name], color="0.4", ls=":")
        ax.set(title=name, xlabel="learned value")
        ax.set_yticks(rows, part["run"].str.replace("_", ", "))
    axes[0].invert_yaxis()
    return figure
