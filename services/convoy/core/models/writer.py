"""The only writer of model folders: it writes a version under a hidden name and publishes it by one rename.

    <models>/<name>/.partial-XXXX/            hidden from services; its lock shows that the writer is alive
    <models>/<name>/.partial-XXXX/<name>/<version>/   the new version, which `load_manifest` can already read
    <models>/<name>/.partial-XXXX/before      the replaced version, which is about to be removed

Export, import, quantisation, calibration and recording write through here. The next writer removes what a killed one
left behind, and puts a version back that the killed one had moved aside.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from convoy.core.models.folder_swap import swap_in

_PREFIX, _LOCK, _BEFORE = ".partial-", "lock", "before"
_FORGOTTEN_S = 3600
"""A partial folder without a lock is abandoned only after so long: a writer may have just made a younger one."""

Write = Callable[[Path], None]
"""Fills an empty folder."""


def write_version(folder: Path, write: Write, *, replace: bool = False) -> None:
    """Let `write` fill an empty folder, and then rename that to `folder`, <models>/<name>/<version>.

    The folder that `write` fills has the same two last names, so that `load_manifest` reads it. replace: take the place
    of an existing version, which stays complete until the new one is. Raises FileExistsError if the version exists and
    `replace` is false, OSError if the disk refuses, and what `write` raises; in each case it leaves nothing behind.
    """
    fresh = [parent for parent in (folder.parent, folder.parent.parent) if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        _clean(folder.parent)
        with _open_partial(folder.parent) as root:
            partial = root / folder.parent.name / folder.name
            partial.mkdir(parents=True)
            write(partial)
            _flush(partial)
            _go_live(partial, folder, root / _BEFORE, replace)
    except BaseException:
        for parent in fresh:
            with suppress(OSError):  # somebody else has published another version
                parent.rmdir()
        raise


def rewrite_version(folder: Path, change: Write) -> None:
    """Call `change` with a copy of a version, then replace the version by the copy. Raises like `write_version`."""

    def write(partial: Path) -> None:
        shutil.copytree(folder, partial, dirs_exist_ok=True)
        change(partial)

    write_version(folder, write, replace=True)


def _go_live(partial: Path, folder: Path, before: Path, replace: bool) -> None:
    if replace and folder.exists():
        swap_in(partial, folder, before)
    else:
        try:
            os.rename(partial, folder)  # fails if a folder with files is there
        except OSError as error:
            if not folder.exists():
                raise
            raise FileExistsError(error.errno, "is there already", str(folder)) from error
    _flush_folder(folder.parent)


@contextmanager
def _open_partial(parent: Path) -> Iterator[Path]:
    """Make a hidden folder below `parent`, keep it locked until the block ends, and then remove it."""
    root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # A lock file must be locked whenever somebody finds it, so it gets its name after its lock.
        with (root / f"{_LOCK}.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, root / _LOCK)
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _clean(parent: Path) -> None:
    """Remove what killed writers left below `parent`, and put back a version that one of them moved aside."""
    for root in parent.glob(f"{_PREFIX}*"):
        with _claim(root) as dead:
            if dead:
                _restore(root, parent)
                shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _claim(root: Path) -> Iterator[bool]:
    """Whether the writer of a partial folder is dead; until the block ends, nobody else gets True."""
    try:
        lock = (root / _LOCK).open("r+")
    except OSError:  # somebody is making or removing it right now; or its writer was killed at that moment
        yield _is_forgotten(root)
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _is_forgotten(root: Path) -> bool:
    try:
        return time.time() - root.stat().st_mtime > _FORGOTTEN_S
    except FileNotFoundError:
        return False


def _restore(root: Path, parent: Path) -> None:
    """Put back what a writer moved aside before it was killed between two renames: the only complete version."""
    for partial in root.glob(f"{parent.name}/*"):
        if (root / _BEFORE).exists() and not (parent / partial.name).exists():
            os.rename(root / _BEFORE, parent / partial.name)


def _flush(folder: Path) -> None:
    """Flush to disk: after a power failure, a name must not lead to an empty file."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
