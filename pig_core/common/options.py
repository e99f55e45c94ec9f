"""What an option is: a value with a meaning, a type and limits, and one clear sentence where they are not kept."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types

from .errors import ConfigError

_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}


def option(
    default,
    help: str,
    *,
    choices: tuple = (),
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
):
    """A field of :class:`pig_core.config.Config` with its meaning and the values it may have."""
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": choices, "least": least, "above": above, "most": most}
    )


def checked(field: dataclasses.Field, value: object, kind: type) -> object:
    """``value`` if the option, of type ``kind``, allows it (a whole number becomes a float where one is wanted).

    Raises:
        ConfigError: that says what is allowed.
    """
    rules = field.metadata
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(
            f"{field.name} must be {_KINDS[kind]}{_allowed(rules)}, got {value!r} ({type(value).__name__})"
        )
    wrong = (
        (rules["choices"] and value not in rules["choices"])
        or (kind is float and not math.isfinite(value))
        or (rules["least"] is not None and value < rules["least"])
        or (rules["above"] is not None and value <= rules["above"])
        or (rules["most"] is not None and value > rules["most"])
    )
    if wrong:
        near = difflib.get_close_matches(str(value), rules["choices"], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{field.name} must be {_KINDS[kind]}{_allowed(rules)}, got {value!r}{hint}")
    return value


def _allowed(rules: types.MappingProxyType) -> str:
    if rules["choices"]:
        return " out of " + ", ".join(rules["choices"])
    if rules["least"] is not None:
        return f" of at least {rules['least']:g}" + (f" and at most {rules['most']}" if rules["most"] else "")
    return f" above {rules['above']:g}" if rules["above"] is not None else ""
