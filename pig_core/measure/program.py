"""``python -m pig_core measure clip.mp4``: a clip of one's own to constants with error bars."""

import argparse
import dataclasses

from . import results
from .measure import measure
from .options import Options


def parser() -> argparse.ArgumentParser:
    """A command line whose options are the fields of :class:`Options`."""
    made = argparse.ArgumentParser("python -m pig_core measure", description=__doc__, allow_abbrev=False)
    for field in dataclasses.fields(Options):
        name = field.name if field.name == "video" else f"--{field.name}"
        about = {"type": field.metadata["kind"], "default": field.default}
        made.add_argument(name, help=field.metadata["help"], **(about if name != "video" else {}))
    return made


def sentences(about: dict[str, object]) -> str:
    """What was found, line by line."""
    lines = [f"{about['variant']}, {about['start']:.2f} to {about['end']:.2f} s, {about['frames_used']} frames"]
    for name, value in about["parameters"].items():
        half = (value["high"] - value["low"]) / 2
        lines.append(f"  {name:8} {value['value']:.5g} ± {half:.2g} {value['unit']}")
    lines += [f"warning: {text}" for text in about["warnings"]]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure one clip and write what was found."""
    options = Options(**vars(parser().parse_args(arguments)))
    about = results.save(measure(options), options.folder())
    print(sentences(about))
    print(f"results: {options.folder()}")
