"""What notebooks need beyond the package: their parameters, checked, and results put into words."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence

from IPython import get_ipython
from IPython.display import Markdown

from ..config import Config, make_config
from ..tasks import RECONS_THRESHOLD, TASKS
from .tables import table

# The notebook's own parameters cell begins with the first, the one that papermill adds after it with the second.
OWN_MARK, CELL_MARK = "# Parameters. ", "# Parameters"


def config_from_cells(sources: Sequence[str], namespace: dict[str, object]) -> Config:
    """The options set in a notebook's parameter cells.

    Papermill only warns of a misspelt ``-p``; here every name assigned in a parameter cell must be an option.

    Args:
        sources: the source of all cells run so far (IPython's ``In``).
        namespace: the notebook's variables (``globals()``).
    Raises:
        ConfigError: for an unknown name or a value that is not allowed.
    """
    options = {}
    for source in sources:
        if source.lstrip().startswith(OWN_MARK):
            options = {}  # run again, perhaps after a correction: what it said before no longer counts
        if source.lstrip().startswith(CELL_MARK):
            for statement in ast.parse(source).body:
                names = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
                options.update({name: namespace[name] for name in names})
    return make_config(**{name: value for name, value in options.items() if value is not None})


def notebook_config() -> Config:
    """The options of the notebook that calls this; see :func:`config_from_cells`."""
    variables = get_ipython().user_ns
    return config_from_cells(variables["In"], variables)


def changed_options(config: Config) -> Markdown:
    """The options that differ from the defaults of Config, as a table."""
    rows = [
        (f"`{field.name}`", f"`{getattr(config, field.name)!r}`", field.metadata["help"])
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default or field.name in ("task", "recipe", "seed")
    ]
    return Markdown(table(["option", "value", "meaning"], rows))


def results_table(metrics: dict[str, object]) -> Markdown:
    """Learned against true parameters and the losses on the long test file."""
    rows = [
        (
            f"${name}$",
            f"{metrics['learned'][name]:.4g}",
            f"{true:.4g}",
            f"{100 * metrics['parameter_error'][name]:+.2f} %",
        )
        for name, true in metrics["truth"].items()
        if name in metrics["learned"]
    ]
    parameters = table(["parameter", "learned", "true", "error"], rows) + "\n\n" if rows else ""
    threshold = TASKS[metrics["task"]].pred_threshold
    losses = [
        ("reconstruction", f"{metrics['recons_loss']:.3f}", f"below {RECONS_THRESHOLD:g}: objects discovered"),
        ("prediction", f"{metrics['pred_loss']:.3f}", f"below {threshold:g}: velocity and physics learned"),
        ("extrapolation", f"{metrics['extrap_loss']:.3f}", "frames beyond the trained range"),
    ]
    return Markdown(parameters + table(["loss on the long test file", "value", "authors' threshold"], losses))


def verdict(metrics: dict[str, object]) -> Markdown:
    """One paragraph that says what the numbers of this run mean."""
    # A prediction that follows the video needs the objects, also where fine detail keeps the first threshold unmet.
    if not metrics["discovered"] and not metrics["predicted"]:
        return Markdown(
            "**The objects were not found in this run**: the reconstruction is not better than a picture with a part "
            "left empty. Whatever the parameters say, they do not measure anything yet."
        )
    errors = metrics["parameter_error"]
    worst = max(errors.values(), key=abs, default=None)
    measured = "there is no parameter to measure" if worst is None else (
        "the physical parameters are within " f"{100 * abs(worst):.2f} % of the truth"
    )  # fmt: skip
    follows = "follow the video through the trained range" if metrics["predicted"] else "do **not** follow the video"
    text = f"**The objects were found**, {measured}, and the predictions {follows}."
    if "position_rms" in metrics:
        ahead = metrics["rollout_rms_per_step"]
        text += (f" Positions are right to {metrics['position_rms']:.3f} pixels; {len(ahead)} frames ahead the "
                 f"rollout is {ahead[-1]:.2f} pixels off (rms per axis).")  # fmt: skip
    return Markdown(f"{text} Training took {metrics['train_seconds']:.0f} s on {metrics['device']}.")
