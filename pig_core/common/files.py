"""Files that are either complete or not there: written beside their place, then renamed into it."""

import json
import math
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import RunError

# What a run keeps in its folder; the rest has the authors' names.
CHECKPOINT = "checkpoint.safetensors"
UNFINISHED = "unfinished.safetensors"  # a training that can be resumed; gone when the run is complete
METRICS = "metrics.json"
REPLAY = "replay.npz"  # moments of the training as small pictures


def project_root() -> Path:
    """The checkout this package belongs to, or the current folder if it was installed without one."""
    root = Path(__file__).resolve().parents[2]
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
