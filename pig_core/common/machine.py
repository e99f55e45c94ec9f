"""The machine: which device computes, how memory is kept, and where a result comes from."""

import ctypes
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from .errors import RunError
from .files import project_root

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def choose_device(name: str) -> torch.device:
    """The device to run on; "auto" is a CUDA GPU if there is one, else the CPU.

    Raises:
        RunError: if a GPU is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RunError("device is cuda, but PyTorch finds no GPU here: set device to auto or cpu")
    return torch.device(name)


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


def provenance(device: torch.device) -> dict[str, object]:
    """Where a result was computed: device and versions."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{_processor()}, {torch.get_num_threads()} threads"
    return {"device": f"{device.type}: {name}", "versions": _versions()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    try:
        own = version("pig-core")
    except PackageNotFoundError:
        own = "not installed"
    return {"pig_core": own, "python": platform.python_version(), "torch": torch.__version__, "system": sys.platform}


def commit() -> str:
    """The checkout's commit, with "+changes" if the code differs from it; "unknown" without git."""
    root = project_root()
    try:
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        dirty = subprocess.run(
            ["git", "-C", root, "status", "--porcelain", "--untracked-files=no", "pig_core", "notebooks"],
            capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if head.returncode:
        return "unknown"
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
