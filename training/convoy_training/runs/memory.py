"""Sets the memory allocator for training on a CPU."""

from __future__ import annotations

import ctypes
import platform

# mallopt(3), glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TWO_GIB, _ONE_GIB = 2**31 - 1, 2**30


def keep_freed_memory() -> None:
    """Lets glibc keep the memory that a step frees, for the next step, instead of giving it back to the kernel.

    Each step allocates the same large activations. If they come from the kernel each time, every page is zeroed and
    faulted in again, which takes about a quarter of a step. Does nothing with other C libraries.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _TWO_GIB), (_M_TOP_PAD, _ONE_GIB)):
        libc.mallopt(option, value)
