"""Lists the version folders of a model repository, each with its manifest and the state of its files.

Looking at an unchanged repository reads no file: it asks for the state of each folder and of a few files in it.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, VERSION, Manifest

Key: TypeAlias = tuple[str, str]
"""Identifies a version: (name, version)."""
FileState: TypeAlias = tuple[str, int, int, int, int]
"""Name, inode, bytes, and when content and inode changed last, in nanoseconds. A copy that preserves times preserves
only the first of the two."""
IS_VERSION = re.compile(VERSION)
TEXTS = (".md", ".svg", ".html", ".yaml", ".yml", ".txt", ".png", ".jpg", ".partial")
"""Endings of files that only describe a model: they may change while it answers."""
_SETTLED_AFTER_NS = 2_000_000_000
LIST_EVERY = 12
"""A service looks every five seconds: it lists each folder at least once a minute."""


@dataclass(frozen=True)
class VersionFolder:
    """A version on disk. files: the state of the files that a service reads; manifest: None if it cannot be read."""

    name: str
    version: str
    path: Path
    files: frozenset[FileState]
    manifest: Manifest | None

    @property
    def key(self) -> Key:
        """(name, version)."""
        return self.name, self.version

    @property
    def problem(self) -> str:
        """Why no service can load it, as far as a look at the folder tells; empty if it looks whole."""
        if self.manifest is None:
            return f"{MANIFEST_FILE} cannot be read; `convoy model verify` says why"
        return "" if GRAPH_FILE in {file[0] for file in self.files} else f"{GRAPH_FILE} is missing"

    @property
    def is_settled(self) -> bool:
        """Whether its files have not changed for a while: two changes at almost the same moment look like one."""
        return time.time_ns() - max(file[4] for file in self.files) > _SETTLED_AFTER_NS

    def changed(self, before: frozenset[FileState]) -> set[str]:
        """Names of the files that changed."""
        return {file[0] for file in self.files ^ before}


@dataclass
class _Listing:
    """What a folder held at a look. state: of the folder itself; is_settled: whether it had not changed for a while."""

    state: tuple[int, int, int]
    names: tuple[str, ...]
    is_settled: bool
    files: tuple[FileState, ...] = ()


class VersionFolders:
    """The version folders below some folders. It reads a manifest again only if that changed.

    All versions of a model come from the first folder that has its name. A folder whose own state is unchanged is not
    listed again, which is most of the work. Some mounts of buckets do not keep that state, so each look lists some
    folders all the same, and after LIST_EVERY looks it has listed all.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(map(str, folders))
        self._known: dict[Key, VersionFolder] = {}
        self._listings: dict[str, _Listing] = {}
        self._looks = 0
        self._lock = threading.Lock()

    def look(self, thoroughly: bool = False) -> dict[Key, VersionFolder]:
        """Find every version with a manifest, by name and version. Reads the disk, so call it in a thread.

        thoroughly: list every folder. Raises OSError.
        """
        with self._lock:
            before = {} if thoroughly else self._listings
            self._looks, self._listings = self._looks + 1, {}
            found: dict[Key, VersionFolder] = {}
            for name, path in self._models().items():
                for version in self._list(path, before, _is_version).names:
                    if folder := self._read(name, version, f"{path}/{version}", before):
                        found[folder.key] = folder
            self._known = found
            return found

    def _models(self) -> dict[str, str]:
        """Name -> path. A hidden folder is no model: pulls and syncs write there first."""
        models: dict[str, str] = {}
        for folder in self._folders:
            with (
                contextlib.suppress(NotADirectoryError, FileNotFoundError, PermissionError),
                os.scandir(folder) as entries,
            ):
                for entry in entries:
                    if not entry.name.startswith(".") and entry.is_dir():
                        models.setdefault(entry.name, entry.path)
        return models

    def _list(
        self, path: str, before: Mapping[str, _Listing], is_wanted: "Callable[[os.DirEntry[str]], bool]"
    ) -> _Listing:
        """List a folder, or return what it held before if its state is the same; empty if it cannot be read."""
        try:
            stat = os.stat(path)
            state = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns)
            listing = before.get(path)
            due = (self._looks + len(self._listings)) % LIST_EVERY == 0
            if listing is None or listing.state != state or not listing.is_settled or due:
                now = time.time_ns()
                with os.scandir(path) as entries:
                    names = tuple(entry.name for entry in entries if is_wanted(entry))
                listing = _Listing(state, names, now - max(state[1:]) > _SETTLED_AFTER_NS)
        except OSError:
            return _Listing((0, 0, 0), (), False)
        self._listings[path] = listing
        return listing

    def _read(self, name: str, version: str, path: str, before: Mapping[str, _Listing]) -> VersionFolder | None:
        """Read the folder as it is now; None if it has no manifest, or has disappeared."""
        listing = self._list(path, before, _is_read)
        files = tuple(_states(path, listing.names))
        known = self._known.get((name, version))
        if known is not None and (files == listing.files or known.files == frozenset(files)):
            listing.files = files
            return known
        if MANIFEST_FILE not in {file[0] for file in files}:
            return None
        listing.files = files
        return VersionFolder(name, version, Path(path), frozenset(files), _peek(Path(path, MANIFEST_FILE)))


def _is_version(entry: "os.DirEntry[str]") -> bool:
    return bool(IS_VERSION.fullmatch(entry.name)) and entry.is_dir()


def _is_read(entry: "os.DirEntry[str]") -> bool:
    """Whether a service reads the file."""
    return not entry.name.endswith(TEXTS)


def _states(folder: str, names: Iterable[str]) -> Iterator[FileState]:
    """Read the state of each file."""
    for name in names:
        try:
            stat = os.stat(f"{folder}/{name}")
        except OSError:  # It has disappeared, or is a broken link.
            continue
        yield name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _peek(path: Path) -> Manifest | None:
    """Read the manifest, without checking that it belongs to the graph beside it."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
