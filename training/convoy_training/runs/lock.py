"""Holds a run folder for one `fit` at a time, from before the data is read until the end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from convoy_training.errors import RecipeError

FILE = ".lock"


@contextmanager
def hold(run: Path) -> Iterator[None]:
    """Makes the folder and locks it; raises RecipeError if another process trains there.

    A folder that is still empty at the end, since the recipe or its data was refused, is removed again.
    """
    fresh = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    try:
        with (run / FILE).open("a+") as lock:
            _lock(lock.fileno(), run)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                (run / FILE).unlink(missing_ok=True)
    finally:
        if fresh:
            with suppress(OSError):  # it holds a run by now
                run.rmdir()


def _lock(file: int, run: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        told = "wait until it ends, or choose another folder with --run"
        raise RecipeError(f"{run}: another `convoy-train fit` (process {_read(run)}) trains there: {told}") from error
    try:
        same = os.path.samestat(os.fstat(file), os.stat(run / FILE))
    except FileNotFoundError:
        same = False
    if not same:  # the one that held it has just ended and taken its lock file away
        raise RecipeError(f"{run}: another `convoy-train fit` has just ended there: try again")


def _read(run: Path) -> str:
    with suppress(OSError):
        return (run / FILE).read_text() or "unknown"
    return "unknown"
