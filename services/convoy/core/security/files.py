"""Files that may change while the process runs, such as keys, certificates and tokens: read again when they do."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from convoy.core.errors import ConvoyError, FailedPrecondition

Value = TypeVar("Value")
Fingerprint = tuple[tuple[int, int, int], ...]


class Watched(Generic[Value]):
    """The value that `read` makes of some files. When they change, it is read again.

    The first read raises what is wrong. Later, a bad state is logged once and the last good value stays, so that a
    rotation that is half done, or went wrong, locks nobody out.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], Value]) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._seen = fingerprint(self._paths)
        self._value = read()

    def current(self) -> Value:
        """The value for the present state of the files. Costs one stat for each file."""
        try:
            seen = fingerprint(self._paths)
            if seen == self._seen:
                return self._value
            self._seen = seen
            self._value = self._read()
            _log().info("files read again", files=[str(path) for path in self._paths])
        except ConvoyError as error:
            self._complain(error)
        return self._value

    def _complain(self, error: ConvoyError) -> None:
        if error.reason == "NO_FILE":
            if not self._seen:
                return
            self._seen = ()
        _log().error(
            "changed files are not usable; the last good state stays in use", reason=error.reason, problem=str(error)
        )


def _log() -> Any:
    # A command that reads its token once has nothing to log, and does not wait for the import.
    import structlog

    return structlog.get_logger()


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """A value that changes whenever one of the files does. Raises FailedPrecondition(NO_FILE)."""
    stats = map(_stat, paths)
    return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def read_file(path: Path) -> bytes:
    """Read a file. Raises FailedPrecondition(NO_FILE)."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _no_file(path, error) from None


def in_folder(path: Path, name: str) -> Path:
    """The path itself; if it is a folder, the file of that name in it."""
    return path / name if path.is_dir() else path


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise _no_file(path, error) from None


def _no_file(path: Path, error: OSError) -> FailedPrecondition:
    return FailedPrecondition("NO_FILE", f"{path} cannot be read: {error.strerror}", {"path": path})
