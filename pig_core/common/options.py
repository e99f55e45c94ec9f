"""What an option is: a value with a meaning, a type and limits, and one clear sentence where they are not kept."""

import argparse
import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Mapping

from .errors import ConfigError

_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}


# What an option shapes. All but the last decide on what comes out; "run" only on where, and on what is shown meanwhile.
PARTS = ("model", "data", "training", "run")
SHAPING = PARTS[:-1]


def option(
    part: str,
    default,
    help: str,
    *,
    choices: tuple = (),
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    before: object = None,
    keeps_weights: bool = False,
):
    """A field of :class:`pig_core.config.Config`: its part, its meaning and the values it may have.

    Args:
        part: one of ``PARTS``.
        before: the value that does what was done before the option existed; None: the default does.
        keeps_weights: a training that goes on from a checkpoint may have another value than the one before it.
    """
    about = {"help": help, "choices": choices, "least": least, "above": above, "most": most}
    about["keeps_weights"] = keeps_weights
    before = default if before is None else before
    return dataclasses.field(default=default, metadata={"part": part, "before": before, **about})


def differing(ours: object, theirs: object, *parts: str) -> list[str]:
    """Names of the options of some parts in which two sets of options are not equal."""
    fields = (field for field in dataclasses.fields(ours) if field.metadata["part"] in parts)
    return [field.name for field in fields if getattr(ours, field.name) != getattr(theirs, field.name)]


def parser_of(kind: type, program: str, about: str, hidden: Mapping[str, object]) -> argparse.ArgumentParser:
    """A command line whose options are the fields of a dataclass; what is not given is None.

    Args:
        hidden: options that are accepted but not explained, with values of their types.
    """
    parser = argparse.ArgumentParser(program, description=about, allow_abbrev=False)
    kinds = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        type_ = kinds[field.name]
        parser.add_argument(
            f"--{field.name}",
            type=_truth_value if type_ is bool else type_,
            metavar=type_.__name__,
            help=f"{described(field)}; default: {field.default!r}",
        )
    for name, value in hidden.items():
        parser.add_argument(f"--{name}", type=type(value), help=argparse.SUPPRESS)
    return parser


def described(field: dataclasses.Field) -> str:
    """What an option means, and its choices."""
    choices = ", ".join(map(str, field.metadata["choices"]))
    return field.metadata["help"] + (f" ({choices})" if choices else "")


def _truth_value(text: str) -> bool:
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"must be True or False, got {text!r}")
    return values[text.lower()]


def checked(name: str, value: object, kind: type, rules: Mapping[str, object]) -> object:
    """``value`` if the option ``name``, of type ``kind``, allows it; a whole number may become a float.

    Args:
        rules: the metadata of the option's field.
    Raises:
        ConfigError: that says what is allowed.
    """
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{name} must be {_KINDS[kind]}{_allowed(rules)}, got {value!r} ({type(value).__name__})")
    wrong = (
        (rules["choices"] and value not in rules["choices"])
        or (kind is float and not math.isfinite(value))
        or (rules["least"] is not None and value < rules["least"])
        or (rules["above"] is not None and value <= rules["above"])
        or (rules["most"] is not None and value > rules["most"])
    )
    if wrong:
        raise ConfigError(
            f"{name} must be {_KINDS[kind]}{_allowed(rules)}, got {value!r}{hint(str(value), rules['choices'])}"
        )
    return value


def hint(text: str, allowed: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence; empty if nothing is near."""
    near = difflib.get_close_matches(text, allowed, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def without_retired(options: Mapping[str, object], retired: Mapping[str, float]) -> dict[str, object]:
    """Options without those that have become constants.

    Raises:
        ConfigError: where another value than the constant's was asked for.
    """
    for name in retired.keys() & options.keys():
        if options[name] not in (None, retired[name]):
            raise ConfigError(f"{name} is no option any more: it is always {retired[name]:g}, got {options[name]!r}")
    return {name: value for name, value in options.items() if name not in retired}


def _allowed(rules: Mapping[str, object]) -> str:
    if rules["choices"]:
        return " out of " + ", ".join(rules["choices"])
    if rules["least"] is not None:
        return f" of at least {rules['least']:g}" + (f" and at most {rules['most']}" if rules["most"] else "")
    return f" above {rules['above']:g}" if rules["above"] is not None else ""
