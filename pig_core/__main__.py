"""Train one run from the command line: ``python -m pig_core --task spring_color --seed 1``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import typing

from .common.errors import command_line
from .config import Config, make_config


def _truth_value(text: str) -> bool:
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"must be True or False, got {text!r}")
    return values[text.lower()]


def parse(arguments: list[str] | None = None) -> Config:
    """The options of the command line; every field of Config is one."""
    parser = argparse.ArgumentParser("python -m pig_core", description=__doc__, allow_abbrev=False)
    kinds = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        kind, about = kinds[field.name], field.metadata
        choices = f" ({', '.join(map(str, about['choices']))})" if about["choices"] else ""
        parser.add_argument(
            f"--{field.name}",
            type=_truth_value if kind is bool else kind,
            metavar=kind.__name__,
            help=f"{about['help']}{choices}; default of improved: {field.default!r}",
        )
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    return make_config(**given)


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Train, evaluate, save."""
    config = parse(arguments)
    from .runs.run import Run  # after the options: a typing mistake is refused before PyTorch is loaded
    from .training import describe

    run = Run.start(config)
    run.train()
    metrics = run.evaluate()
    losses = {name: metrics[name] for name in ("recons_loss", "pred_loss", "extrap_loss")}
    print(describe({**losses, **metrics["learned"]}))
    print(f"results: {run.save()}")


if __name__ == "__main__":
    sys.exit(main())
