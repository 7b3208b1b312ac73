"""Writes the folder of a published model, whole or not at all, and explains a full disk in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from convoy.core.models.writer import rewrite_version, write_version

from convoy_training.errors import ExportError


def publish(folder: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with an empty folder, then puts that in the place of `folder`.

    Raises ExportError if the disk takes no more; the old model then stays.
    """
    with _explained(folder):
        write_version(folder, write, replace=True)


def republish(folder: Path, change: Callable[[Path], None]) -> None:
    """Calls `change` with a copy of a published model, then puts the copy in its place. Raises as `publish` does."""
    with _explained(folder):
        rewrite_version(folder, change)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error}") from error
