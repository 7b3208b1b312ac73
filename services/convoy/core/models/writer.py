"""The one writer of model folders: a version is written under a hidden name and goes live whole, by one rename.

    <models>/<name>/.partial-XXXX/            hidden from services; its lock says that the writer lives
    <models>/<name>/.partial-XXXX/<name>/<version>/   what is being written, which `load_manifest` can read already
    <models>/<name>/.partial-XXXX/before      a version that was replaced, about to be removed

Export, import, quantisation, calibration and recording write through here. What a killed writer left behind goes with
the next one; a version that it had already moved aside returns to its place.
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
"""A partial folder has no lock only for the moment in which it is made."""

Write = Callable[[Path], None]
"""Fills an empty folder."""


def write_version(folder: Path, write: Write, *, replace: bool = False) -> None:
    """Call `write` with an empty folder and rename that to `folder`, <models>/<name>/<version>, once it is full.

    The folder that `write` fills has the same two last names, so that `load_manifest` reads it. replace: take the place
    of the version that is there; it stays complete until the new one is. Raises FileExistsError where one is there and
    is not to be replaced, OSError where the disk refuses, and what `write` raises; then nothing is left behind.
    """
    fresh = not folder.parent.exists()
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
        if fresh:
            with suppress(OSError):  # somebody else has published beside it
                folder.parent.rmdir()
        raise


def rewrite_version(folder: Path, change: Write) -> None:
    """Call `change` with a copy of a version, then let the copy take its place. Raises like `write_version`."""

    def write(partial: Path) -> None:
        shutil.copytree(folder, partial, dirs_exist_ok=True)
        change(partial)

    write_version(folder, write, replace=True)


def _go_live(partial: Path, folder: Path, before: Path, replace: bool) -> None:
    if replace and folder.exists():
        swap_in(partial, folder, before)
    else:
        try:
            os.rename(partial, folder)  # refused where a folder with files is there
        except OSError as error:
            if not folder.exists():
                raise
            raise FileExistsError(error.errno, "is there already", str(folder)) from error
    _flush_folder(folder.parent)


@contextmanager
def _open_partial(parent: Path) -> Iterator[Path]:
    """A new hidden folder below `parent`, locked while it is in use and removed afterwards."""
    root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # Whoever finds a lock file must find it locked, so it is locked before it has its name.
        with (root / f"{_LOCK}.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, root / _LOCK)
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _clean(parent: Path) -> None:
    """Remove what killed writers left below `parent`, and put back a version that one of them had moved aside."""
    for root in parent.glob(f"{_PREFIX}*"):
        with _claim(root) as dead:
            if dead:
                _restore(root, parent)
                shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _claim(root: Path) -> Iterator[bool]:
    """Whether the writer of a partial folder is dead; while the context lasts nobody else gets True."""
    try:
        lock = (root / _LOCK).open("r+")
    except OSError:  # being made, or removed, at this moment; or its writer was killed in it
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
    """A writer was killed between two renames: what it moved aside is the only whole version."""
    for partial in root.glob(f"{parent.name}/*"):
        if (root / _BEFORE).exists() and not (parent / partial.name).exists():
            os.rename(root / _BEFORE, parent / partial.name)


def _flush(folder: Path) -> None:
    """To the disk: after a loss of power a name must not stand for an empty file."""
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
