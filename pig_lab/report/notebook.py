"""What ``train.ipynb`` needs beyond the package: its parameters, checked, and a run's results in tables and words."""

import ast
import symtable
from collections.abc import Sequence

import pandas as pd
from IPython import get_ipython
from IPython.display import HTML, Markdown

from pig_core.config import AUTHORS_NAMES, Config, make_config
from pig_core.system import ConfigError, allowed, fields_of, nearest
from pig_core.tasks import RECONS_THRESHOLD, Task

from .style import plain, table

_MARK = "# Parameters. "  # the beginning of the notebook's own parameters cell
_HEADER = _MARK + "None: as the recipe says. Every option of `python -m pig_core --help` can be set here or with -p."
_OPTIONS = fields_of(Config)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


def config_from_cells(sources: Sequence[str], namespace: dict[str, object]) -> Config:
    """The options set in any cell of a notebook, so that no setting is ignored.

    Papermill only warns of a misspelt ``-p``. Here a cell that only assigns plain values, such as the one that
    papermill adds, may assign nothing but options.

    Args:
        sources: the source of all cells run so far (IPython's ``In``).
        namespace: the notebook's variables (``globals()``); the values that they have now count.
    Raises:
        ConfigError: for an unknown name or a value that is not allowed.
    """
    names: dict[str, None] = {}
    known = {*_OPTIONS, *AUTHORS_NAMES}
    for source in sources:
        if source.lstrip().startswith(_MARK):
            names = {}  # run again, perhaps after a correction: what was said before no longer counts
        try:
            body, symbols = ast.parse(source).body, symtable.symtable(source, "cell", "exec").get_symbols()
        except SyntaxError:
            continue  # it did not run
        strict = all(isinstance(part, _ASSIGNMENTS) and _is_literal(part.value) for part in body)
        assigned = (symbol.get_name() for symbol in symbols if symbol.is_assigned())
        names |= dict.fromkeys(name for name in assigned if strict or name in known)
    for name in names.keys() - known:
        raise ConfigError(f"unknown option {name!r}{nearest(name, known)}. Allowed: {', '.join(_OPTIONS)}")
    values = {name: namespace.get(name) for name in names}
    return make_config(**{name: value for name, value in values.items() if value is not None})


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


def parameters_source() -> str:
    """The parameters cell of ``train.ipynb``: every option, with its meaning and its allowed values."""
    lines = [_HEADER]
    for name, field in _OPTIONS.items():
        value = field.default if name in ("task", "recipe", "seed") else None
        text = f'"{value}"' if isinstance(value, str) else value
        values = "" if name == "task" else allowed(field).partition("one of ")[2]
        if values or "=" in field.description:  # papermill cannot read a line with two "="
            lines += [f"# {field.description}:", f"{name} = {text}" + (f"  # {values}" if values else "")]
        else:
            lines.append(f"{name} = {text}  # {field.description}")
    lines += [f"{name} = None  # for users of the authors' code" for name in AUTHORS_NAMES]
    return "\n".join(lines)


def changed_options(config: Config) -> HTML:
    """The options that differ from the defaults of Config, as a table."""
    rows = [
        {"option": name, "value": repr(getattr(config, name)), "meaning": field.description}
        for name, field in _OPTIONS.items()
        if getattr(config, name) != field.default or name in ("task", "recipe", "seed")
    ]
    return table(pd.DataFrame(rows))


def constants_table(metrics: dict[str, object], task: Task) -> HTML:
    """Learned against true constants of a run."""
    learned, true = metrics["learned"], metrics["truth"]
    names = [name for name in task.law.constants if name in learned]
    frame = pd.DataFrame({
        "constant": names, "unit": [task.law.constants[name].unit for name in names],
        "learned": [learned[name] for name in names], "true": [true[name] for name in names],
        "error": [100 * metrics["parameter_error"][name] for name in names],
    })  # fmt: skip
    return table(frame, {"learned": ".4g", "true": ".4g", "error": "+.2f"}, {"error": "%"})


def losses_table(metrics: dict[str, object], task: Task) -> HTML:
    """The losses of a run on the long test file, with the authors' thresholds."""
    frame = pd.DataFrame({
        "loss": ["reconstruction", "prediction", "extrapolation"],
        "squared error per frame": [metrics[f"{name}_loss"] for name in ("recons", "pred", "extrap")],
        "threshold": [RECONS_THRESHOLD, task.pred_threshold, None],
        "below it": ["objects discovered", "velocity and physics learned", ""],
    })  # fmt: skip
    return table(frame, {"squared error per frame": ".3f", "threshold": "g"})


def verdict(metrics: dict[str, object]) -> Markdown:
    """The result of a run in one paragraph."""
    # A prediction that follows the video needs the objects, even where fine detail keeps the first threshold unmet.
    if not metrics["discovered"] and not metrics["predicted"]:
        return Markdown(
            "**The objects were not found in this run**: the reconstruction is no better than an image with a part "
            "left empty. The constants are meaningless."
        )
    worst = max(map(abs, metrics["parameter_error"].values()), default=None)
    measured = "there is no constant to measure" if worst is None else (
        f"the constants are within {100 * worst:.2f} % of the truth"
    )  # fmt: skip
    follows = "follow the video through the trained range" if metrics["predicted"] else "do **not** follow the video"
    text = f"**The objects were found**, {measured}, and the predictions {follows}."
    if "position_rms" in metrics:
        ahead = metrics["rollout_rms_per_step"]
        text += (f" The rms error per axis is {metrics['position_rms']:.3f} px for encoded positions and "
                 f"{ahead[-1]:.2f} px for the rollout {len(ahead)} frames ahead.")  # fmt: skip
    tested = metrics["config"]["test_mode"]
    how = "Tested on" if tested else f"Training took {metrics['train_seconds']:.0f} s on"
    return Markdown(f"{text} {how} {plain(metrics['device'])}.")
