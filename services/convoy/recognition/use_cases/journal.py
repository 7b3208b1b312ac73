"""The journal of erasures: a file outside of the store with the ids and times of what was erased.

A restored backup brings back who was deleted since. The audit of the data that is replaced tells whom, unless that is
lost too; then this file does.
"""

import asyncio
import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from convoy.core.errors import Unavailable
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.store.base import PersonChange
from convoy.recognition.use_cases.erasures import Erasure


class Journal:
    """Appends to the file; without a path it does nothing. Several processes may append to one file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    async def note_changes(self, gallery: str, changes: Iterable[PersonChange]) -> None:
        """Note who and what these changes erased. Raises Unavailable(JOURNAL_UNAVAILABLE)."""
        erasures = [
            Erasure(
                gallery,
                now_ms(),
                change.person_id,
                faces=tuple(change.removed) if change.after else None,
                moved_to=change.moved_to,
            )
            for change in changes
            if change.erases
        ]
        await self.note(erasures)

    async def note(self, erasures: Sequence[Erasure]) -> None:
        """Have these on the disk. Raises Unavailable(JOURNAL_UNAVAILABLE)."""
        if self._path is None or not erasures:
            return
        lines = "".join(f"{erasure.to_json()}\n" for erasure in erasures)
        try:
            await asyncio.to_thread(_append, self._path, lines.encode())
        except OSError as error:
            message = (
                f"it is erased, but cannot be noted in CONVOY_ERASURE_JOURNAL ({error.strerror}); tell an operator"
            )
            raise Unavailable("JOURNAL_UNAVAILABLE", message) from error


def _append(path: Path, lines: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(file, lines) < len(lines):
            # The disk is full. The next line begins on a line of its own.
            os.write(file, b"\n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    finally:
        os.close(file)
