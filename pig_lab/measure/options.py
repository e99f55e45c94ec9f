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
    ignore: str | None = option(None, "a part of the image to ignore: left,top,width,height in pixels")
    at: str | None = option(
        None, "where the object is, if another one was found: seconds,x,y in pixels; several with ; between them"
    )
    leave_out: str | None = option(None, "frames of the file to leave out, e.g. 12-20,33")
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
        self.box("crop")
        self.box("ignore")
        self.pointed()
        self.left_out()

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

    def box(self, name: str) -> tuple[int, int, int, int] | None:
        """Left, top, width and height of ``crop`` or ``ignore``; None: not given.

        Raises:
            ConfigError: if it is not written so.
        """
        text = getattr(self, name)
        if text is None:
            return None
        try:
            left, top, width, height = (int(part) for part in text.split(","))
        except ValueError:
            raise ConfigError(f"{name} is written left,top,width,height in whole pixels, got {text!r}") from None
        return left, top, width, height

    def pointed(self) -> list[tuple[float, float, float]]:
        """Seconds, x and y of each place that ``at`` points to; none: the object is found.

        Raises:
            ConfigError: if it is not written so.
        """
        places = []
        for part in (self.at or "").split(";") if self.at else []:
            try:
                time, x, y = (float(number) for number in part.split(","))
            except ValueError:
                raise ConfigError(f"at is written seconds,x,y with x and y in pixels, got {part.strip()!r}") from None
            places.append((time, x, y))
        if len(places) > 1 and self.objects not in (1, len(places)):
            raise ConfigError(f"at points to {len(places)} places: one for each of objects={self.objects} is needed")
        return places

    def left_out(self) -> list[tuple[int, int]]:
        """First and last number of each run of frames that is left out.

        Raises:
            ConfigError: if it is not written so.
        """
        runs = []
        for part in (self.leave_out or "").split(",") if self.leave_out else []:
            first, _, last = part.partition("-")
            try:
                runs.append((int(first), int(last or first)))
            except ValueError:
                raise ConfigError(f"leave_out is written 12-20,33 in numbers of frames, got {part.strip()!r}") from None
        return runs

    def folder(self) -> Path:
        """Where the results go."""
        return Path(self.save_dir) if self.save_dir else runs_folder() / "measure" / (Path(self.video).stem or "clip")
