"""Sentences and tables about runs, computed from the results: no number in them is typed by hand."""

import math
from collections.abc import Sequence

import pandas as pd
from IPython.display import HTML, Markdown
from scipy.stats import binomtest

from pig_core.tasks import RECONS_THRESHOLD, TASKS

from ..report import style
from .results import constants_of, successes, two_digits


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def of_task(results: pd.DataFrame, task: str) -> pd.DataFrame:
    """The results of one task."""
    return results[results["task"] == task]


def share(met: pd.Series) -> str:
    """How many of the runs meet a condition, with Wilson's 95 % interval: "3 of 5 (23 to 88 %)"."""
    count, total = int(met.sum()), len(met)
    if not total:
        return "no run"
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count} of {total} ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"


def spread(values: pd.Series, form: str = ".4g") -> str:
    """Median and, of several values, their range: "4.2 (4.18 to 4.27)"; nothing for none."""
    values = values.dropna()
    if values.empty:
        return ""
    low, middle, high = (format(value, form) for value in (values.min(), values.median(), values.max()))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def headline(results: pd.DataFrame) -> Markdown:
    """The outcome of the recipe ``improved`` in two sentences."""
    errors = 100 * constants_of(results)["error"].abs().fillna(math.inf)
    constant = results["learned"].map(len) > 0
    return Markdown(
        f"**{len(successes(results))} of {len(results)} runs of the recipe `improved` find their objects and predict "
        f"them, every seed of every task counted; {constant.sum()} of these runs have constants to measure. The "
        f"{len(errors)} constants are off by {errors.median():.2f} % in the median and {errors.max():.2f} % in the "
        f"worst case. A run takes {results['train_seconds'].min():.0f} to {results['train_seconds'].max():.0f} seconds "
        "on two CPU cores, without a GPU.**"
    )


def task_title(results: pd.DataFrame) -> Markdown:
    """The outcome of one task's runs, as the title of its page."""
    good, task = successes(results), TASKS[results["task"].iloc[0]]
    seeds = f"on all {len(good)} seeds" if len(good) == len(results) else f"on {len(good)} of {len(results)} seeds"
    if good.empty:
        return Markdown(f"# {task.title.capitalize()}: no seed finds the objects and predicts them")
    errors = constants_of(good).groupby("name", sort=False)["error"]
    worst = 100 * errors.agg(lambda each: each.abs().max())
    told = ", ".join(f"{name} to {two_digits(percent)}\u00a0%" for name, percent in worst.items())
    if not told:
        steps = good["rollout_rms_per_step"]
        off = max(values[-1] for values in steps)
        told = f"followed for {len(steps.iloc[0])} frames to {two_digits(off)} pixels"
    return Markdown(f"# {task.title.capitalize()}: {told}, {seeds}")


def task_table(results: pd.DataFrame) -> HTML:
    """One task's runs in numbers, a row for each: the median over all seeds, and the worst one."""
    task, rows = TASKS[results["task"].iloc[0]], {}
    for name, errors in constants_of(results).groupby("name", sort=False)["error"]:
        rows[f"error of {name}, %"] = 100 * errors.abs()
    rows |= {
        f"reconstruction loss (found below {RECONS_THRESHOLD:g})": results["recons_loss"],
        f"prediction loss (learned below {task.pred_threshold:g})": results["pred_loss"],
        "extrapolation loss": results["extrap_loss"],
        "training, seconds": results["train_seconds"],
    }
    filled = {name: values.fillna(math.inf) for name, values in rows.items()}  # not finite is infinitely bad
    frame = pd.DataFrame({
        f"{len(results)} seeds": filled.keys(), "median": [two_digits(values.median()) for values in filled.values()],
        "worst": [two_digits(values.max()) for values in filled.values()],
    })  # fmt: skip
    return style.table(frame)


def learned_table(results: pd.DataFrame) -> HTML | Markdown:
    """True and learned values of one task's constants, a row per seed; a sentence if it has none."""
    found = constants_of(results)
    if found.empty:
        return Markdown("This task has no constant to measure.")
    rows = [{"": "true", **found.groupby("name", sort=False)["truth"].first().map("{:g}".format)}]
    for seed, part in found.groupby("seed", sort=False):
        rows.append({"": f"seed {seed}"})
        for each in part.itertuples():
            rows[-1] |= {each.name: f"{each.learned:.4g}", f"error of {each.name}": f"{100 * each.error:+.2f} %"}
    return style.table(pd.DataFrame(rows, columns=list(rows[-1])))
