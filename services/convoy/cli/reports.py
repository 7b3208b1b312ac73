"""Reports of what was refused or left out, as CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from convoy.cli.output import shown
from convoy.core.errors import InvalidArgument


def open_report(path: Path, columns: Sequence[str]) -> TextIO:
    """Open a report with these columns; it replaces an earlier one and no other file.

    Raises InvalidArgument(WOULD_REPLACE), OSError.
    """
    header = ",".join(columns).encode()
    if path.is_file() and path.stat().st_size and not path.read_bytes().startswith(header):
        message = f"'{shown(path)}' is there already, and is no report"
        raise InvalidArgument("WOULD_REPLACE", message, hint="name another place for --report")
    return path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
