"""A measurement beside the truth, as plain values for a file of results."""

import time
from collections.abc import Callable, Mapping

import torch

from pig_core.system import PigError, commit, provenance

from .law import family
from .measure import Measurement


def beside(parameters: Mapping[str, Mapping[str, object]], truth: Mapping[str, float]) -> dict[str, dict[str, object]]:
    """Measured constants whose truth is known, with it, and whether their bars cover it."""
    return {
        name: {**value, "true": truth[name], "covered": bool(value["low"] <= truth[name] <= value["high"])}
        for name, value in parameters.items()
        if name in truth
    }


def judged(
    true_law: str | None,
    truth: Mapping[str, float],
    take: Callable[[], Measurement],
    more: Callable[[Measurement], dict[str, object]] = lambda found: {},
) -> dict[str, object]:
    """What ``take`` measures, judged, or why it failed; a clip that cannot be measured counts, too.

    Args:
        true_law: None if nobody said it.
        more: what only some results have.
    """
    began = time.process_time()
    about = {"true_law": true_law, "truth": truth, "commit": commit(), **provenance(torch.device("cpu"))}
    try:
        found = take()
    except PigError as error:
        return {**about, "failed": str(error), "cpu_seconds": time.process_time() - began}
    return {
        **about,
        "law": family(found.fit.law.name),
        "variant": found.fit.law.name,
        "parameters": beside(found.parameters, truth),
        "frames_used": int(found.fit.used.sum()),
        "warnings": found.warnings,
        **more(found),
        "cpu_seconds": time.process_time() - began,
    }
