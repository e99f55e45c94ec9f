"""What every room stands on: errors, options, files, the machine, progress.

An error that a person can act on is one sentence that says what was wrong and what is allowed.
"""

import argparse
import ctypes
import difflib
import functools
import json
import math
import os
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, Self, TypeVar, get_args, get_origin

import psutil
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic.fields import FieldInfo
from tqdm.auto import tqdm


class PigError(Exception):
    """Base of every error whose message alone tells the user what to change."""

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: show the sentence in a notebook instead of a page of stack frames."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(PigError, ValueError):
    """An option has an unknown name or a value that is not allowed."""


class SimulationError(PigError, ValueError):
    """The task's conditions cannot be met, e.g. a spring that is longer than the image."""


class DataError(PigError):
    """A data file is missing, damaged or of the wrong shape or type."""


class RunError(PigError):
    """A run cannot start or its results cannot be written or read."""


# Options: a class decorated with `options`. Pydantic checks types, limits and choices, a refusal is one sentence, and
# the command line is made from the class.

T = TypeVar("T")
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def options(kind: type[T]) -> type[T]:
    """Turn a class of annotated fields into frozen options whose refusals are one sentence (:class:`ConfigError`)."""
    made = checked_dataclass(frozen=True, config=ConfigDict(strict=True, arbitrary_types_allowed=True))(kind)
    unchecked = made.__init__

    @functools.wraps(unchecked)
    def checked(self: T, *first: object, **values: object) -> None:
        fields = fields_of(made)
        for name in values.keys() - fields.keys():
            raise ConfigError(f"unknown option {name!r}{nearest(name, fields)}. Allowed: {', '.join(fields)}")
        try:
            unchecked(self, *first, **values)
        except ValidationError as error:
            raise _refusal(fields, error.errors()[0]) from None

    made.__init__ = checked
    return made


def option(default: object, help: str, **more: object) -> Any:
    """One option: its default, its meaning, and its limits in pydantic's words (``ge``, ``gt``, ``le``, ``lt``).

    Every other keyword is a fact about the option, see :func:`fact`.
    """
    limits = {name: more.pop(name) for name in (*_LIMITS, "allow_inf_nan") if name in more}
    if isinstance(default, float):
        limits.setdefault("allow_inf_nan", False)
    return Field(default, description=help, json_schema_extra=more, **limits)


def fields_of(kind: type) -> dict[str, FieldInfo]:
    """The options of a class made by :func:`options`, by name."""
    return kind.__pydantic_fields__


def fact(field: FieldInfo, name: str) -> object:
    """A fact about an option that :func:`option` was given; None where it was not."""
    return (field.json_schema_extra or {}).get(name)


def allowed(field: FieldInfo) -> str:
    """The values that an option may have, in words."""
    if choices := _choices(field):
        return "one of " + ", ".join(map(str, choices))
    limits = [(_LIMITS[n], getattr(m, n)) for m in field.metadata for n in _LIMITS if getattr(m, n, None) is not None]
    words = " and ".join(
        f"{word} {limit:g}" if isinstance(limit, float) else f"{word} {limit}" for word, limit in limits
    )
    of = " of" if words.startswith("at") else ""
    return _KINDS[_type_of(field)] + (f"{of} {words}" if words else "")


def _type_of(field: FieldInfo) -> object:
    """The type of an option's value; that of ``float | None`` is float."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    return kinds[0] if isinstance(field.annotation, UnionType) else field.annotation


def _choices(field: FieldInfo) -> tuple:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def nearest(text: str, names: Iterable[str]) -> str:
    """The name that was probably meant, as the end of a sentence; empty if none is near."""
    near = difflib.get_close_matches(text, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _refusal(fields: Mapping[str, FieldInfo], error: Mapping[str, Any]) -> Exception:
    if isinstance(cause := error.get("ctx", {}).get("error"), Exception):  # raised by the class itself
        return cause
    name, value = str(error["loc"][0]), error["input"]
    hint = nearest(value, _choices(fields[name])) if isinstance(value, str) else ""
    return ConfigError(f"{name} must be {allowed(fields[name])}, got {value!r}{hint}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def from_command_line(
    kind: type,
    arguments: Sequence[str],
    program: str,
    description: str,
    accepted: Iterable[str] = (),
    positional: str = "",
) -> dict[str, object]:
    """The options that a command line gives (``--seed 1``, ``--seed=1``, bare ``--color``), by name.

    Args:
        kind: a class made by :func:`options`.
        accepted: further names that may be given, unexplained.
        positional: the option whose values are given without its name, as many as there are: a list of texts.
    Raises:
        ConfigError: for a name that is neither.
    """
    fields = fields_of(kind)
    parser = _Parser(
        program, f"{program} [--OPTION VALUE ...]", description, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    for name, field in fields.items():
        if name == positional:
            parser.add_argument(name, nargs="*", help=field.description, default=[])
            continue
        choices = f" ({', '.join(_choices(field))})" if _choices(field) else ""
        text = f"{field.description}{choices}; default: {field.default!r}".replace("%", "%%")
        given = {"nargs": "?", "const": "True"} if field.annotation is bool else {}
        parser.add_argument(f"--{name}", metavar="VALUE", help=text, **given)
        if field.annotation is bool:
            parser.add_argument(f"--no{name}", dest=name, action="store_const", const="False", help=argparse.SUPPRESS)
    for name in accepted:
        parser.add_argument(f"--{name}", nargs="?", const="True", help=argparse.SUPPRESS)
    values, unknown = parser.parse_known_args(list(arguments))
    for text in unknown:
        name = text.partition("=")[0].lstrip("-")
        raise ConfigError(f"unknown argument {text}{nearest(name, fields)} --help lists what is allowed")
    texts = vars(values).items()
    return {name: text if name == positional else _value(fields.get(name), text) for name, text in texts}


def _value(field: FieldInfo | None, text: str) -> object:
    """What a text stands for; the text itself where it is nothing of the right type, so that it is refused by name."""
    try:
        return text if field is None else TypeAdapter(field.annotation).validate_python(text)
    except ValidationError:
        return text


# Files that are either complete or not there: written beside their place, then renamed into it.

# What a run keeps in its folder; the rest has the authors' names.
CHECKPOINT = "checkpoint.safetensors"
UNFINISHED = "unfinished.safetensors"  # a training that can be resumed; gone when the run is complete
METRICS = "metrics.json"
REPLAY = "replay.npz"  # moments of the training as small pictures


def project_root() -> Path:
    """The checkout this package belongs to, or the current folder if it was installed without one."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def data_folder() -> Path:
    """Where data files are simulated, and those of the authors may be put."""
    return project_root() / "data" / "datasets"


def runs_folder() -> Path:
    """Where runs without a folder of their own are kept: ``<task>/<recipe>-s<seed>``."""
    return project_root() / "reports" / "runs"


def results_folder() -> Path:
    """Where the results that come with the project are."""
    return project_root() / "reports" / "results"


def weights_folder() -> Path:
    """Where the weights that come with the project are: ``<task>.safetensors``."""
    return results_folder() / "weights"


def replays_folder() -> Path:
    """Where the replays that come with the project are: ``<task>-<recipe>-s<seed>.npz``."""
    return results_folder() / "replays"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder; renamed to ``path`` if the block succeeds, removed if it fails.

    Raises:
        RunError: if the file system refuses (no space, no permission); what was at ``path`` is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:12]}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # a power cut must not leave a name without its bytes
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            pass  # the folder itself cannot be reached; the first error says so


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinity, which JSON does not know, become null."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# The machine: which device computes, how memory is kept, and where a result comes from.

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc not to give freed memory back to the system, and PyTorch to ask for pages of 2 MB; Linux only.

    Training frees and asks for the same large blocks in every step. Otherwise each of them is a new mapping whose
    pages the system has to fill with zeros first, which can take more than half of a step on a CPU. Results do not
    change. Call it before the first large tensor is made.
    """
    if not sys.platform.startswith("linux"):
        return
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by PyTorch once, at its first large tensor
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, -1)
    mallopt(_TOP_PAD, 64 << 20)


def spare_busy_cores() -> None:
    """Let PyTorch use as many threads as cores are idle now, one at least, unless OMP_NUM_THREADS says how many.

    Threads that wait for one another's turn on a busy core can take fifty times as long as a single one.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ and (threads := torch.get_num_threads()) > 1:
        busy = round(psutil.cpu_percent(0.2) / 100 * (psutil.cpu_count() or 1))
        torch.set_num_threads(max(1, min(threads, (psutil.cpu_count() or 1) - busy)))


def provenance() -> dict[str, object]:
    """Where a result was computed: device and versions."""
    import torch  # not needed by what only reads options and files, and slow to load

    if torch.cuda.is_available():
        device = f"cuda: {torch.cuda.get_device_name()}"
    else:
        device = f"cpu: {_processor()}, {torch.get_num_threads()} threads"
    try:
        own = version("pig-core")
    except PackageNotFoundError:
        own = "not installed"
    versions = {"pig_core": own, "python": platform.python_version(), "system": sys.platform}
    return {"device": device, "versions": versions | {"torch": torch.__version__}}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """The checkout's commit, with "+changes" if the code differs from it; "unknown" without git."""

    def git(*arguments: str) -> subprocess.CompletedProcess:
        command = ["git", "-C", project_root(), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10)

    try:
        head = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "pig_core", "pig_lab", "notebooks")
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if head.returncode:
        return "unknown"
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


# Progress of a loop: one live bar where a person watches, a line every N steps where a log is kept.

# Programs that execute notebooks without a person in front of them.
EXECUTORS = {"papermill", "nbconvert", "jupyter-nbconvert", "pytest", "snakemake", "pig", "pig_core"}


def person_watches() -> bool:
    """True in a terminal and in a live notebook, False under papermill, in a pipe or in a log file."""
    if "ipykernel" not in sys.modules:
        return sys.stderr.isatty()
    parent = psutil.Process().parent()
    try:
        command = parent.cmdline() if parent else []
    except psutil.Error:
        command = []
    return not any(Path(part).name in EXECUTORS for part in command)


class Progress:
    """Counts the steps of a loop; use as a context manager.

    Args:
        name: of the loop, shown in front.
        total: number of steps.
        interval: steps between lines where nobody watches.
        start: steps done already (a resumed run).
    """

    def __init__(self, name: str, total: int, interval: int, start: int = 0):
        self.name, self.total, self.interval = name, total, interval
        self.done, self.started = start, time.perf_counter()
        self.bar = tqdm(total=total, initial=start, desc=name, leave=True) if person_watches() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self.bar is not None:
            if error is None:
                self.bar.total = self.bar.n  # a loop that was left early has not failed, as a red bar would say
            self.bar.close()

    def due(self) -> bool:
        """Whether the step now to be counted ends with something to show."""
        step = self.done + 1
        return step % (10 if self.bar is not None else self.interval) == 0 or step in (1, self.total)

    def advance(self, text: str = "") -> None:
        """Count one step; ``text`` says how things stand, where :meth:`due` asked for it."""
        show = self.due()
        self.done += 1
        if self.bar is not None:
            self.bar.update()
            if text:
                self.bar.set_postfix_str(text, refresh=False)
        elif show:
            seconds = time.perf_counter() - self.started
            print(f"{self.name:9} step {self.done:5d}/{self.total}  {text}  {seconds:6.1f} s", flush=True)
