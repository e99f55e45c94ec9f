"""Tables and figures of why the learned velocity is late (computed in ``late.py`` and ``stencils.py``)."""

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from ..report.results import curves_of
from ..report.style import PALETTE
from .costs import benchmark
from .tables import rows_table


def found() -> pd.DataFrame:
    """What was measured: a row for each network, and for each linear estimator one without a seed.

    "own" is the k that suits the estimated states best, "k" the one learned, or, where constants were known, "own".
    """
    linear = pd.DataFrame(benchmark("linear")["result"]["spring_color"]["rows"])
    networks = pd.DataFrame(benchmark("late")["result"]["spring_color"])
    rows = pd.concat([networks, linear.assign(way="linear, " + linear["way"])], ignore_index=True)
    own, learned = (
        rows[name].map(lambda values: values["k"], na_action="ignore") for name in ("with_network", "learned")
    )
    return rows.assign(own=own.astype(float), k=learned.fillna(own).astype(float))


def table(rows: pd.DataFrame, noise: float) -> Markdown:
    """Way by way at one level of noise, medians over the seeds (smallest and largest)."""
    digits = {
        "late by, s": ("lag", 3), "share of the squared outward error": ("lag_share", 2),
        "error, px/s": ("error_rms", 2),
    }  # fmt: skip
    lines = []
    for name, group in rows[rows["noise"] == noise].groupby("way", sort=False):
        cells = {label: _spread(group[column], places) for label, (column, places) in digits.items()}
        learned = "" if group["learned"].isna().all() else _spread(group["k"], 3)
        lines.append(
            {"way": name, **cells, "$k$, learned": learned, "$k$, best with its own states": _spread(group["own"], 3)}
        )
    return rows_table(lines)


def _spread(values: pd.Series, places: int) -> str:
    low, middle, high = (f"{value:.{places}f}" for value in (values.min(), values.median(), values.max()))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def medians(rows: pd.DataFrame, noise: float) -> dict[str, pd.Series]:
    """Way by way the median "lag" and "k" at one level of noise, as a run, to be compared with what was expected."""
    middle = rows[rows["noise"] == noise].groupby("way", sort=False)[["lag", "k"]].median()
    return {way: pd.Series({**row, "learned": {}}) for way, row in middle.iterrows()}


def costs() -> dict[str, float]:
    """What an error of the velocity by one pixel per second costs the prediction (:mod:`pig_lab.studies.stencils`)."""
    return benchmark("linear")["result"]["spring_color"]["cost"]


def costs_table() -> Markdown:
    """The same, as a table."""
    about = {
        "outward": "outward, or inward", "turning": "around their middle",
        "common": "in the same direction",
    }  # fmt: skip
    return rows_table([
        {"both velocities wrong by 1 px/s": about[name], "squared error of both positions, px²": f"{value:.2f}"}
        for name, value in costs().items()
    ])  # fmt: skip


def drift_table(runs: pd.DataFrame) -> Markdown:
    """How far each error of a run carries its predictions away (:func:`pig_lab.studies.explain.drifts`)."""
    labels = {
        "constants": "the constants", "delay": "the velocity, as far as it is late",
        "constants, delay": "both of these", "but the delay": "the velocity, but for its delay",
        "share": "of that, what both discs share",
        "turning": "of that, what turns them around each other", "outward": "of that, what is outward",
        "velocity": "the whole velocity", "everything": "everything",
    }  # fmt: skip
    return rows_table([
        {"what is wrong": label, **{f"seed {run.seed}": f"{run.drift[name]:.2f}" for run in runs.itertuples()}}
        for name, label in labels.items()
    ])  # fmt: skip


def figure(rows: pd.DataFrame, runs: pd.DataFrame, noise: float) -> Figure:
    """Delay and k of the states against noise, a line a way (medians), a dot a network; the course of k where learned.

    Args:
        runs: full runs that predict; their delay and the k of their states are the grey bands, and the first one's
            course is shown.
        noise: level at which the course of the first seed of a way is shown.
    """
    shown, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.8))
    look = {
        way: {"color": color, "ls": "--" if way.startswith("linear") else "-", "lw": 1.4}
        for way, color in zip(rows["way"].unique(), PALETTE, strict=False)
    }
    for ax, column, values in ((left, "lag", runs["lag"]), (middle, "own", runs["with_network"].map(lambda v: v["k"]))):
        ax.axhspan(values.min(), values.max(), color="0.85", zorder=0)
        for way, group in rows.groupby("way", sort=False):
            ax.plot(group["noise"], group[column], ".", color=look[way]["color"], ms=4)
            ax.plot(group.groupby("noise")[column].median(), **look[way], label=way if ax is left else None)
        ax.set_xlabel("noise of positions in pixels")
    left.set_ylabel("velocity late by, in seconds")
    middle.set_ylabel("k that suits the states best")
    course = curves_of(runs.iloc[0])
    right.plot(course["step"], course["k"], color="0.5", lw=1.4, label=f"full run, seed {runs['seed'].iloc[0]}")
    for row in rows[(rows["noise"] == noise) & (rows["seed"] == 0) & rows["learned"].notna()].itertuples():
        steps, values = zip(*row.course, strict=True)
        right.plot(steps, [each["k"] for each in values], **look[row.way])
    right.set(xlabel="updates", ylabel="learned k")
    shown.legend(loc="outside lower center", ncols=4)
    return shown
