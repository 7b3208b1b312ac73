"""Replaces an old folder by a new one, in one step if the system can exchange two names."""

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_LINUX_EXCHANGE, _MACOS_SWAP = 2, 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
"""The errors of a system or file system that cannot exchange two names."""


def swap_in(new: Path, target: Path, aside: Path) -> None:
    """Rename `new` to `target`, and what was there before to `aside`. All three must be on one file system.

    If the system cannot exchange names, `target` does not exist for a moment. A process that is killed in that moment
    leaves the old folder complete under `aside`. If this raises OSError, `target` is unchanged.
    """
    if exchange(new, target):
        os.rename(new, aside)
        return
    os.rename(target, aside)
    try:
        os.rename(new, target)
    except OSError:
        os.rename(aside, target)
        raise


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False if the system or the file system cannot do that. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _LINUX_EXCHANGE)
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(names[0], names[1], _MACOS_SWAP)
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))
