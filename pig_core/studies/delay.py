"""Tables and figures of why the learned velocity is late (computed in ``late.py`` and ``stencils.py``)."""

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from ..report.labels import label_ends
from ..report.results import curves_of
from ..report.style import PALETTE
from .costs import benchmark
from .tables import rows_table


def found() -> pd.DataFrame:
    """What was measured, a row for each network; "k": learned, or, where constants were known, best with its states."""
    rows = pd.DataFrame(benchmark("late")["result"]["spring_color"])
    learned = rows["learned"].where(rows["learned"].notna(), rows["with_network"])
    return rows.assign(k=learned.map(lambda values: values["k"]))


def table(rows: pd.DataFrame, noise: float) -> Markdown:
    """The ways at one level of noise, medians over the seeds (smallest and largest)."""
    digits = {"late by, s": ("lag", 3), "share of the squared error": ("lag_share", 2), "error, px/s": ("error_rms", 2)}
    lines = []
    for name, group in rows[rows["noise"] == noise].groupby("way", sort=False):
        cells = {label: _spread(group[column], places) for label, (column, places) in digits.items()}
        own = group["with_network"].map(lambda values: values["k"])
        learned = "" if group["learned"].isna().all() else _spread(group["k"], 3)
        lines.append({"way": name, **cells, "$k$, learned": learned, "$k$, best with its own states": _spread(own, 3)})
    return rows_table(lines)


def _spread(values: pd.Series, places: int) -> str:
    low, middle, high = (f"{value:.{places}f}" for value in (values.min(), values.median(), values.max()))
    return f"{middle} ({low} to {high})"


def medians(rows: pd.DataFrame, noise: float) -> dict[str, pd.Series]:
    """Way by way the median "lag" and "k" at one level of noise, as a run, to be compared with what was expected."""
    middle = rows[rows["noise"] == noise].groupby("way", sort=False)[["lag", "k"]].median()
    return {way: pd.Series({**row, "learned": {}}) for way, row in middle.iterrows()}


def figure(rows: pd.DataFrame, runs: pd.DataFrame, noise: float) -> Figure:
    """Delay and k against noise, a line a way (medians) and a dot a network, and the course of k while it is learned.

    Args:
        runs: full runs that predict; their delay and k are the grey bands, and the course of the first one is shown.
        noise: level at which the course of the first seed of a way is shown.
    """
    shown, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4))
    colors = dict(zip(rows["way"].unique(), PALETTE, strict=False))
    for ax, column, values in ((left, "lag", runs["lag"]), (middle, "k", runs["learned"].map(lambda v: v["k"]))):
        ax.axhspan(values.min(), values.max(), color="0.85", zorder=0)
        for way, group in rows.groupby("way", sort=False):
            ax.plot(group["noise"], group[column], ".", color=colors[way], ms=4)
            ax.plot(group.groupby("noise")[column].median(), color=colors[way], lw=1.2, label=way)
        ax.set_xlabel("noise of positions in pixels")
        label_ends(ax)
    left.set_ylabel("velocity late by, in seconds")
    middle.set_ylabel("k")
    full = curves_of(runs.iloc[0])
    right.plot(full["step"], full["k"], color="0.5", lw=1.2, label="full run")
    for row in rows[(rows["noise"] == noise) & (rows["seed"] == 0) & rows["learned"].notna()].itertuples():
        steps, values = zip(*row.course, strict=True)
        right.plot(steps, [each["k"] for each in values], color=colors[row.way], lw=1.2, label=row.way)
    right.set(xlabel="updates", ylabel="k")
    label_ends(right)
    return shown
