"""What the eyes of seeds that fail lack: one origin for the positions of both discs (:mod:`pig_core.corrections`)."""

from collections.abc import Mapping

import pandas as pd
import torch
from IPython.display import Markdown

from ..studies import expectations
from .tables import rows_table

# Names of predictions, as a reader would say them.
NAMES = {
    "s3": "seed 3", "s3_with_a_price": "seed 3 with a price", "s3_fitted_centred": "seed 3 centred",
    "rest_centred": "restart at rest centred", "separate": "separate gradients",
}  # fmt: skip


def table(runs: Mapping[str, pd.Series]) -> Markdown:
    """How far apart templates hold their objects, and what positions measure as they are and centred; runs by name.

    The distance is that of the positions' mean offsets from the truth. "": nothing was fitted.
    """
    return rows_table([
        {
            "run": name, "origins apart": f"{apart(run):.2f} px",
            **{
                f"${constant}$, {way}": _said(*fits[constant], run.truth[constant]) if isinstance(fits, dict) else ""
                for way, fits in (("as they are", run.fitted), ("centred", run.centred))
                for constant in run.learned
            },
        }
        for name, run in runs.items()
    ])  # fmt: skip


def _said(value: float, deviation: float, true: float) -> str:
    return f"{value:.3f} ± {deviation:.3f}" if deviation < true else "undetermined"


def apart(run: pd.Series) -> float:
    """The largest distance between the origins of two of a run's objects, against the truth, pixels."""
    offset = torch.tensor(run.position_offset)  # (K, 2)
    return torch.cdist(offset, offset).max().item()


def compare(
    as_they_are: Mapping[str, pd.Series], centred: pd.Series, restarted: pd.Series, separate: pd.Series | None
) -> pd.DataFrame:
    """What was expected of origins beside what came (:func:`pig_lab.studies.expectations.compare`).

    Args:
        as_they_are: runs whose positions were fitted as they are, by the names under which they were expected.
        centred: the one whose centred positions were fitted, too.
        restarted: what became of a velocity behind its eyes, with centred positions.
        separate: the full run with separate gradients; None: not run to its end.
    """
    first = {name: _numbers(run.fitted) for name, run in as_they_are.items()}
    then = {"s3_fitted_centred": _numbers(centred.centred), "rest_centred": restarted}
    if separate is not None:
        then["separate"] = pd.Series({"learned": {}, "apart": apart(separate)})
    compared = pd.concat([expectations.compare("eyes", first), expectations.compare("origins", then)])
    return compared.assign(run=compared["run"].map(NAMES))


def _numbers(fits: Mapping[str, tuple[float, float]]) -> pd.Series:
    return pd.Series({"learned": {name: value for name, (value, _) in fits.items()}})
