"""Cores and memory that the machine, or the container, lets this process use."""

import ctypes
import os
import sys
import threading
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_STATM = Path("/proc/self/statm")
# A parameter of mallopt(3) in glibc.
_M_ARENA_MAX = -8
PROMPT_NICENESS, WORKING_NICENESS = 1, 19
"""How much lower the priority of a computing thread is than the event loop's, which can then refuse a call at once: of
threads for a caller who asks for little, and of all others. 19 is the lowest: beside a flood of 64 callers, a calm one
keeps more of its calls under twice its quiet time than with 10 (`python -m benchmarks.fairness`)."""

LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Variables of a process whose malloc asks the system for pages of 2 MiB, where that is allowed. The event loop stands
still while it copies a message: 60 MiB take 21 ms with them and 47 without
(`python -m timeit -s "b = bytearray(60 << 20)" "bytes(b)"`). The image sets them too."""


def available_cores() -> int:
    """Count the cores for this process: the container's CPU quota (cgroup v1 or v2), rounded up, or its affinity."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = _cgroup_quota()
    return max(1, min(cores, -(-quota // period))) if quota > 0 else cores


def give_way(niceness: int = WORKING_NICENESS) -> None:
    """Give the calling thread a lower priority than the event loop, where the system has priorities for threads.

    The loop's own is that of the process, which may be nice itself. Only an administrator may raise a priority.
    """
    if sys.platform == "linux":
        own, loops = (os.getpriority(os.PRIO_PROCESS, one) for one in (threading.get_native_id(), os.getpid()))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(own, min(loops + niceness, WORKING_NICENESS)))


def memory_limit() -> int:
    """Return how many bytes this process may use: the container's limit (cgroup v1 or v2), or the machine's memory."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return min(installed, int((_CGROUP / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return installed


def memory_in_use() -> int:
    """Return the bytes of this process in memory (RSS); 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def keep_memory_small() -> None:
    """Let malloc keep one arena for each core instead of eight, since memory freed in one serves no other.

    Call it before threads start.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, max(2, available_cores()))


def give_back_memory() -> None:
    """Return freed memory to the system: reading a graph takes several times its size, and malloc keeps it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim is not None:
        trim(0)


def _cgroup_quota() -> tuple[int, int]:
    """Return the container's CPU quota and its period, in microseconds; a quota of 0 or less means no limit."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return (0 if quota == "max" else int(quota)), int(period)
    except (OSError, ValueError):
        pass
    try:
        names = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")
        quota_us, period_us = (int((_CGROUP / name).read_text()) for name in names)
        return quota_us, period_us
    except (OSError, ValueError):
        return 0, 1
