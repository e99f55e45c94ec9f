"""Tables and figures about how far the constants can be trusted: other truths, other videos, a plain tracker."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.tasks import TASKS

from ..report.overview import titles
from ..report.results import constants_of
from .costs import benchmark
from .tables import counted, rows_table


def signed_errors(runs: pd.DataFrame) -> pd.DataFrame:
    """Signed errors of all constants in percent: columns task, variant, seed, name, learned, truth, percent."""
    found = constants_of(runs, keys=["task", "variant", "seed"])
    return found.assign(percent=100 * found["error"])


def errors_table(runs: pd.DataFrame, best: Mapping[str, Mapping[str, float]] | None = None) -> Markdown:
    """Every constant of every variant: true value, the signed error of each seed, their mean and scatter.

    Args:
        best: task -> constant -> what a model with 5 substeps can measure at best.
    """
    best = best or {}
    return rows_table([
        {
            "task": TASKS[task].title, "": f"${name}$", "runs": variant, "true": f"{part['truth'].iloc[0]:g}",
            "error of each seed in %": ", ".join(f"{value:+.2f}" for value in part["percent"]),
            "mean ± sd": f"{part['percent'].mean():+.2f} ± {part['percent'].std():.2f}",
            **({"best with 5 steps": f"{100 * (best[task][name] / part['truth'].iloc[0] - 1):+.2f}"} if best else {}),
        }
        for (task, name, variant), part in signed_errors(runs).groupby(["task", "name", "variant"], sort=False)
    ])  # fmt: skip


def errors_figure(runs: pd.DataFrame) -> Figure:
    """The same as dots: a row per task and constant, a colour per variant."""
    shown = signed_errors(runs)
    shown = shown.assign(row=titles(shown) + ": " + shown["name"])
    figure, ax = plt.subplots(figsize=(8, 0.5 * shown["row"].nunique() + 1.3))
    ax.axvline(0, color="0.4", lw=1)
    sns.stripplot(shown, x="percent", y="row", hue="variant", dodge=True, jitter=False, alpha=0.8, ax=ax)
    ax.set(xlabel="learned against true value, error in % (a dot is a seed)", ylabel="")
    ax.legend()
    return figure


def found_table(runs: pd.DataFrame) -> Markdown:
    """Which seeds of every variant found the objects, how well they see them, and the errors of their constants."""
    errors = signed_errors(runs).groupby(["task", "variant", "seed"])["percent"].apply(lambda each: each.abs().max())
    return rows_table([
        {
            "task": TASKS[task].title, "videos": variant,
            **{met: counted(part, met) for met in ("discovered", "predicted")},
            "position error": f"{part['position_rms'].median():.2g} px ({part['position_rms'].max():.2g})",
            "worst constant": _of_all(errors.get((task, variant), pd.Series(dtype=float))),
        }
        for (task, variant), part in runs.groupby(["task", "variant"], sort=False)
    ])  # fmt: skip


def _of_all(errors: pd.Series) -> str:
    return f"{errors.median():.2f} % ({errors.max():.2f})" if len(errors) else ""


_SAID = {"color": "colour"}  # of the options that say what videos look like


def tracker_table(improved: pd.DataFrame) -> Markdown:
    """What the plain tracker measures in colour and in grey, beside the recipe ``improved`` (median over seeds)."""
    ours, rows = constants_of(improved).groupby(["task", "name"])["error"].median(), []
    for task, kinds in benchmark("tracker")["result"].items():
        for kind, found in kinds.items():
            rows += [
                {
                    "task": TASKS[task].title, "videos": _SAID.get(kind, kind),
                    "tracked without a loss": f"{100 * found['kept']:.0f} %",
                    "position error": "" if found["rms"] is None else f"{found['rms']:.2g} px", "": f"${name}$",
                    "tracker": _percent(found["learned"].get(name, math.nan) / true - 1),
                    "`improved`, in colour": _percent(ours[task, name]),
                }
                for name, true in TASKS[task].truth.items()
            ]  # fmt: skip
    return rows_table(rows)


def tracker_errors(*tasks: str, kinds: Sequence[str] = ("color", "grey")) -> float:
    """The largest relative error of a constant that the plain tracker makes on these tasks and kinds of videos."""
    found = benchmark("tracker")["result"]
    pairs = [(found[task][kind]["learned"], TASKS[task].truth) for task in tasks for kind in kinds]
    return max(abs(learned[name] / true - 1) for learned, truth in pairs for name, true in truth.items())


def noise_errors(task: str) -> pd.DataFrame:
    """Errors in percent of constants learned from seen, true and noisy positions: columns positions, name, percent."""
    found, truth = benchmark("noise")["result"][task], TASKS[task].truth
    each = {kind: values if isinstance(values, list) else [values] for kind, values in found["learned"].items()}
    return pd.DataFrame([
        {"positions": kind, "name": name, "percent": 100 * (learned[name] / true - 1)}
        for kind, runs in each.items() for learned in runs for name, true in truth.items()
    ])  # fmt: skip


def noise_table(task: str) -> Markdown:
    """The same for people to read."""
    rms = f"{benchmark('noise')['result'][task]['rms']:.3f} px"
    said = {
        "seen": f"as the model sees them ({rms} off)",
        "true": "true",
        "noise": f"true, with independent noise of {rms}",
    }
    return rows_table([
        {"positions": said[kind], "": f"${name}$", "errors in %": ", ".join(f"{x:+.3f}" for x in part["percent"])}
        for (kind, name), part in noise_errors(task).groupby(["positions", "name"], sort=False)
    ])  # fmt: skip


def _percent(error: float) -> str:
    return "not measured" if math.isnan(error) else f"{100 * error:+.2f} %"
