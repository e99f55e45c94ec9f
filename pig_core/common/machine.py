"""Training frees and asks for the same large blocks in every step: keep them in the process, in large pages."""

from __future__ import annotations

import ctypes
import os
import sys

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc not to give freed memory back to the system, and PyTorch to ask for pages of 2 MB; Linux only.

    Otherwise every large tensor is a new mapping whose pages the system has to fill with zeros first, which can
    take more than half of a step on a CPU. Results do not change. Call it before the first large tensor is made.
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
