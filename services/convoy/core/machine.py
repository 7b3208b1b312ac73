"""Cores and memory that the machine, or the container, lets this process use."""

import ctypes
import os
import sys
import threading
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
# How much lower the priority of a computing thread is, so that the event loop can refuse a call at once.
_NICENESS = 5


def available_cores() -> int:
    """Count the cores for this process: the container's CPU quota (cgroup v1 or v2), rounded up, or its affinity."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = _cgroup_quota()
    return max(1, min(cores, -(-quota // period))) if quota > 0 else cores


def give_way() -> None:
    """Give the calling thread a lower priority than the event loop, where the system has priorities for threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


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
