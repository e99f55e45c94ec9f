"""Tables of control, from the committed results."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown

from .episodes import WEIGHED


def played_table(rows: Mapping[str, Mapping[str, object]]) -> pd.DataFrame:
    """One row for each name: what :func:`pig_lab.control.measures.compared` says of the episodes."""
    return pd.DataFrame([
        {
            "": name,
            "return from pixels": round(row["return_pixels"], 1),
            "true model": round(row["return_true_model"], 1),
            "held from pixels": f"{row['held_pixels']} of {row['resets']}",
            "by the true model": f"{row['held_true_model']} of {row['resets']}",
        }
        for name, row in rows.items()
    ]).set_index("")  # fmt: skip


def seeds_table(results: Sequence[dict]) -> pd.DataFrame:
    """One row a seed: what was learned, and the return from pixels against the reference."""
    rows = [
        {
            "seed": r["seed"], "g": r["learned"]["g"], "a": r["learned"]["a"],
            "error of g, %": 100 * r["parameter_error"]["g"], "error of a, %": 100 * r["parameter_error"]["a"],
            "training, s": r["train_seconds"], "of the CPU": r.get("train_cpu_seconds"),
            "episodes": r.get("episodes", {}).get("resets"),
            "return from pixels": r["return_pixels"], "return, true model": r["return_true_model"],
            "swing-ups missed": r.get("episodes", {}).get("missed"), "plan, ms": r.get("plan_milliseconds"),
        }
        for r in results
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("seed").round(3).astype(object).fillna("") if rows else pd.DataFrame()


def rows_table(results: Sequence[dict], part: str) -> pd.DataFrame | Markdown:
    """The rows of a part, such as "goals"; in each the numbers of all seeds, in the order of the seeds."""
    found: dict[str, dict[str, dict]] = {}
    for result in results:
        for name, row in result.get(part, {}).items():
            found.setdefault(name, {})[result["seed"]] = row
    if not found:
        return not_measured(part)
    table = [
        {
            part.replace("_", " "): name,
            "seeds": _listed(rows),
            "resets": _listed(sorted({row["resets"] for row in rows.values()})),
            "return, true model": _listed(sorted({round(row["return_true_model"], 1) for row in rows.values()})),
            "return from pixels": _listed(f"{row['return_pixels']:.1f}" for row in rows.values()),
            "lower by, %": _listed(f"{100 * row['relative']:.1f}" for row in rows.values()),
            "held, true model": _listed(sorted({row["held_true_model"] for row in rows.values()})),
            "held from pixels": _listed(row["held_pixels"] for row in rows.values()),
        }
        | _more(rows.values())
        for name, rows in sorted(found.items(), key=_place)
    ]
    return pd.DataFrame(table).set_index(part.replace("_", " ")).fillna("")


def rows_of(results: Sequence[dict], part: str) -> pd.DataFrame:
    """All rows of a part, those of every seed: its name, the seed, and what was measured."""
    return pd.DataFrame([
        {"seed": result["seed"], "name": name, **row}
        for result in results
        for name, row in result.get(part, {}).items()
    ])  # fmt: skip


def arrow_table(results: Sequence[dict]) -> pd.DataFrame | Markdown:
    """What the arrow of the last torque changes in the states that are seen, and what a model without it learns."""
    rows = [
        {
            "seed": run["seed"],
            "speeds differ by, rad/s": run["arrow"]["speed_difference"],
            "of it for each N m of torque": run["arrow"]["speed_difference_per_torque"],
            "angles differ by, rad": run["arrow"]["angle_difference"],
        }
        | _without_arrow(run.get("without_arrow"))
        for run in results
        if "arrow" in run
    ]
    return pd.DataFrame(rows).set_index("seed").round(4).fillna("") if rows else not_measured("arrow")


def worst_error(row: Mapping[str, Mapping[str, float]]) -> float:
    """The largest relative error of a constant."""
    return max(abs(error) for error in row["parameter_error"].values())


def not_measured(part: str) -> Markdown:
    """Says which command measures a part that no result has."""
    return Markdown(f"This has not been measured yet: `python -m pig_core control --parts {part}` does.")


def _without_arrow(row: dict | None) -> dict[str, float]:
    """A model that was trained and tested on pictures without the arrow."""
    if row is None:
        return {}
    return {
        "trained without it: worst error of g and a, %": 100 * worst_error(row),
        "return": row["return_pixels"],
        "return, true model": row["return_true_model"],
        "swing-ups missed": row["missed"],
    }


def _place(row: tuple[str, object]) -> float:
    """Rows that are named by numbers are in their order, others as they were measured."""
    try:
        return float(row[0])
    except ValueError:
        return 0.0


def _more(rows: Iterable[dict]) -> dict[str, str]:
    """What only some parts measure."""
    rows, more = list(rows), {}
    if "estimated" in rows[0]:
        more["gravity, median"] = _listed(f"{np.median(row['estimated']):.2f}" for row in rows)
        late = sorted({round(row["return_told_late"], 1) for row in rows})
        more[f"return, true model told after {WEIGHED[0]} frames"] = _listed(late)
    if "parameter_error" in rows[0]:
        more["worst error of g and a, %"] = _listed(f"{100 * worst_error(row):.2g}" for row in rows)
    if "error" in rows[0]:
        more["off after 10 frames, pixels"] = _listed(f"{row['error']:.2f}" for row in rows)
        more["and with physics"] = _listed(f"{row['error_physics']:.2f}" for row in rows)
    return more


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
