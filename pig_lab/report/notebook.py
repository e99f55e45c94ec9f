"""What notebooks need beyond the package: their parameters, checked, and results put into words."""

import ast
import dataclasses
import symtable
from collections.abc import Iterable, Sequence

from IPython import get_ipython
from IPython.display import Markdown

from pig_core.config import Config, make_config
from pig_core.tasks import RECONS_THRESHOLD, Task

from .tables import table

_MARK = "# Parameters. "  # how the notebook's own parameters cell begins
_HEADER = _MARK + "None: as the recipe says. Every option of `python -m pig_core --help` can be set here or with -p."
_OPTIONS = {field.name: field for field in dataclasses.fields(Config)}
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


def config_from_cells(sources: Sequence[str], namespace: dict[str, object]) -> Config:
    """The options set in the cells of a notebook, wherever that was, so that no setting is ignored.

    Papermill only warns of a misspelt ``-p``; here a cell of assignments alone, which is what it adds and what a
    cell of parameters is, may assign nothing but options.

    Args:
        sources: the source of all cells run so far (IPython's ``In``).
        namespace: the notebook's variables (``globals()``); the values that they have now count.
    Raises:
        ConfigError: for an unknown name or a value that is not allowed.
    """
    names: dict[str, None] = {}
    asked = False  # whether the options were read once: a cell of expressions after that is the reader's own
    for source in sources:
        if source.lstrip().startswith(_MARK):
            names = {}  # run again, perhaps after a correction: what was said before no longer counts
        try:
            body, symbols = ast.parse(source).body, symtable.symtable(source, "cell", "exec").get_symbols()
        except SyntaxError:
            continue  # it did not run
        asked = asked or "notebook_config(" in source
        strict = all(isinstance(s, _ASSIGNMENTS) and (not asked or _is_literal(s.value)) for s in body)
        assigned = (symbol.get_name() for symbol in symbols if symbol.is_assigned())
        names |= dict.fromkeys(name for name in assigned if strict or name in _OPTIONS)
    values = {name: namespace.get(name) for name in names}
    return make_config(**{name: value for name, value in values.items() if value is not None or name not in _OPTIONS})


def _is_literal(value: ast.expr | None) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def notebook_config() -> Config:
    """The options of the notebook that calls this; see :func:`config_from_cells`."""
    variables = get_ipython().user_ns
    return config_from_cells(variables["In"], variables)


def parameters_source(names: Iterable[str]) -> str:
    """The parameters cell of ``train.ipynb`` for these options, with what they mean and which values they may have."""
    lines = [_HEADER]
    for field in (_OPTIONS[name] for name in names):
        value = field.default if field.name in ("task", "recipe", "seed") else None
        choices = ", ".join(field.metadata["choices"])
        text = f'"{value}"' if isinstance(value, str) else value
        lines.append(f"{field.name} = {text}  # {field.metadata['help']}" + (f" ({choices})" if choices else ""))
    return "\n".join(lines)


def changed_options(config: Config) -> Markdown:
    """The options that differ from the defaults of Config, as a table."""
    rows = [
        (f"`{name}`", f"`{getattr(config, name)!r}`", field.metadata["help"])
        for name, field in _OPTIONS.items()
        if getattr(config, name) != field.default or name in ("task", "recipe", "seed")
    ]
    return Markdown(table(["option", "value", "meaning"], rows))


def results_table(metrics: dict[str, object], task: Task) -> Markdown:
    """Learned against true parameters and the losses on the long test file."""
    rows = [
        (
            f"${name}$",
            *(f"{metrics[of][name]:.4g}" for of in ("learned", "truth")),
            about.unit,
            f"{100 * metrics['parameter_error'][name]:+.2f} %",
        )
        for name, about in task.law.constants.items()
        if name in metrics["learned"]
    ]
    parameters = table(["parameter", "learned", "true", "unit", "error"], rows) + "\n\n" if rows else ""
    thresholds = {
        "recons": ("reconstruction", f"below {RECONS_THRESHOLD:g}: objects discovered"),
        "pred": ("prediction", f"below {task.pred_threshold:g}: velocity and physics learned"),
        "extrap": ("extrapolation", "frames beyond the trained range"),
    }
    losses = [(name, f"{metrics[f'{key}_loss']:.3f}", says) for key, (name, says) in thresholds.items()]
    return Markdown(parameters + table(["loss on the long test file", "value", "authors' threshold"], losses))


def verdict(metrics: dict[str, object]) -> Markdown:
    """One paragraph that says what the numbers of this run mean."""
    # A prediction that follows the video needs the objects, also where fine detail keeps the first threshold unmet.
    if not metrics["discovered"] and not metrics["predicted"]:
        return Markdown(
            "**The objects were not found in this run**: the reconstruction is not better than a picture with a part "
            "left empty. Whatever the parameters say, they do not measure anything yet."
        )
    worst = max(map(abs, metrics["parameter_error"].values()), default=None)
    measured = "there is no parameter to measure" if worst is None else (
        f"the physical parameters are within {100 * worst:.2f} % of the truth"
    )  # fmt: skip
    follows = "follow the video through the trained range" if metrics["predicted"] else "do **not** follow the video"
    text = f"**The objects were found**, {measured}, and the predictions {follows}."
    if "position_rms" in metrics:
        ahead = metrics["rollout_rms_per_step"]
        text += (f" Positions are right to {metrics['position_rms']:.3f} pixels; {len(ahead)} frames ahead the "
                 f"rollout is {ahead[-1]:.2f} pixels off (rms per axis).")  # fmt: skip
    return Markdown(f"{text} Training took {metrics['train_seconds']:.0f} s on {metrics['device']}.")
