"""What may be asked of a measurement, checked before anything is read."""

import math
from pathlib import Path

from pig_core.system import ConfigError, nearest, option, options, runs_folder

from . import bodies  # noqa: F401  registers the laws of several objects
from .laws import LAWS

AUTO = "auto"


@options
class Options:
    """The options of a measurement; all but the clip may be left out.

    Raises:
        ConfigError: that says what is allowed.
    """

    video: str = option("", "the clip: a file that FFmpeg reads, or a folder of images")
    objects: int = option(1, "number of objects to follow", ge=1)
    law: str = option(AUTO, f"the law of motion ({', '.join(LAWS)}), or auto: the best of all is chosen")
    start: float | None = option(None, "seconds; empty: found", ge=0, allow_inf_nan=False)
    end: float | None = option(None, "seconds; empty: found", ge=0, allow_inf_nan=False)
    crop: str | None = option(None, "the part of the image to look at: left,top,width,height in pixels")
    at: str | None = option(None, "the object to follow, if another one was found: seconds,x,y in pixels")
    px_per_m: float | str | None = option(None, "pixels per metre, with an error (95 %) if it has one, e.g. 250+-3")
    known: str | None = option(
        None, "a constant of the law that is known in metres and seconds, e.g. g=9.81: gives the scale"
    )
    fps: float | None = option(None, "frames per second, in place of the file's time stamps", gt=0, allow_inf_nan=False)
    save_dir: str | None = option(None, "folder of the results; empty: reports/runs/measure/<name of the clip>")

    def __post_init__(self) -> None:
        if not self.video:
            raise ConfigError("which clip? Set video to a file or a folder of images")
        if self.law != AUTO and self.law not in LAWS:
            allowed = [AUTO, *LAWS]
            raise ConfigError(
                f"there is no law {self.law!r}; allowed: {', '.join(allowed)}{nearest(self.law, allowed)}"
            )
        if self.law != AUTO and not LAWS[self.law].suits(self.objects):
            raise ConfigError(
                f"the law {self.law} is about {LAWS[self.law].objects or 'two or more'} objects, "
                f"got objects={self.objects}"
            )
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ConfigError(f"end must be after start, got start={self.start:g}, end={self.end:g}")
        if self.known and self.px_per_m:
            raise ConfigError("px_per_m and known both say what the scale is: leave one of them out")
        self.scale()
        self.known_constant()
        self.crop_box()
        self.pointed()

    def scale(self) -> tuple[float | None, float]:
        """Pixels a metre, None if that is not told, and its relative error.

        Raises:
            ConfigError: if it is not written so.
        """
        if self.px_per_m is None:
            return None, 0.0
        value, _, error = str(self.px_per_m).replace("±", "+-").partition("+-")
        try:
            number, more = float(value), float(error or 0)
        except ValueError:
            number = more = math.nan
        if not (0 < number < math.inf and 0 <= more < number):
            raise ConfigError(
                f"px_per_m must be a number above 0, got {self.px_per_m}; with its error it is written 250+-3"
            )
        return number, more / number

    def known_constant(self) -> tuple[str, float] | None:
        """Name and value of the constant that is known.

        Raises:
            ConfigError: if it is not written so, or no constant of the law that gives a scale.
        """
        if self.known is None:
            return None
        name, equals, text = (part.strip() for part in self.known.partition("="))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (name and equals and math.isfinite(value) and value):
            raise ConfigError(f"known is written name=value, e.g. g=9.81, got {self.known!r}")
        laws = [law for law in LAWS.values() if law.suits(self.objects)] if self.law == AUTO else [LAWS[self.law]]
        scaling = {name: None for law in laws for name, about in law.constants.items() if about.length_power}
        if name not in scaling:
            which = "of a law" if self.law == AUTO else f"of {self.law}"
            raise ConfigError(
                f"known must be a constant {which} that a length enters: {', '.join(scaling)}, got {name!r}"
            )
        return name, value

    def crop_box(self) -> tuple[int, int, int, int] | None:
        """Left, top, width and height; None: the whole image."""
        if self.crop is None:
            return None
        try:
            left, top, width, height = (int(part) for part in self.crop.split(","))
        except ValueError:
            raise ConfigError(f"crop is written left,top,width,height in whole pixels, got {self.crop!r}") from None
        return left, top, width, height

    def pointed(self) -> tuple[float, float, float] | None:
        """Seconds, x and y of the object that is meant; None: it is found."""
        if self.at is None:
            return None
        try:
            time, x, y = (float(part) for part in self.at.split(","))
        except ValueError:
            raise ConfigError(f"at is written seconds,x,y with x and y in pixels, got {self.at!r}") from None
        return time, x, y

    def folder(self) -> Path:
        """Where the results go."""
        return Path(self.save_dir) if self.save_dir else runs_folder() / "measure" / (Path(self.video).stem or "clip")
