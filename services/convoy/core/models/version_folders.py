"""Lists the version folders of a model repository, each with its manifest and the state of its files.

Looking at an unchanged repository reads no file: it lists folders and asks for the state of a few files in each.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from convoy.core.manifest import MANIFEST_FILE, VERSION, Manifest

Key: TypeAlias = tuple[str, str]
"""Identifies a version: (name, version)."""
FileState: TypeAlias = tuple[str, int, int, int, int]
"""Name, inode, bytes, and when content and inode changed last, in nanoseconds. A copy that preserves times preserves
only the first of the two."""
IS_VERSION = re.compile(VERSION)
TEXTS = (".md", ".svg", ".html", ".yaml", ".yml", ".txt", ".png", ".jpg", ".partial")
"""Endings of files that only describe a model: they may change while it answers."""
_SETTLED_AFTER_NS = 2_000_000_000


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
    def is_settled(self) -> bool:
        """Whether its files have not changed for a while: two changes at almost the same moment look like one."""
        return time.time_ns() - max(file[4] for file in self.files) > _SETTLED_AFTER_NS

    def changed(self, before: frozenset[FileState]) -> set[str]:
        """Names of the files that changed."""
        return {file[0] for file in self.files ^ before}


class VersionFolders:
    """The version folders below some folders. It reads a manifest again only if that changed.

    All versions of a model come from the first folder that has its name.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._known: dict[Key, VersionFolder] = {}
        self._lock = threading.Lock()

    def look(self) -> dict[Key, VersionFolder]:
        """Find every version with a manifest, by name and version. Reads the disk, so call it in a thread.

        Raises OSError.
        """
        with self._lock:
            found: dict[Key, VersionFolder] = {}
            for model in self._models():
                for version in _folders_in(model.path):
                    if IS_VERSION.fullmatch(version.name) and (folder := self._read(model.name, version)):
                        found[folder.key] = folder
            self._known = found
            return found

    def _models(self) -> "Iterable[os.DirEntry[str]]":
        models: dict[str, os.DirEntry[str]] = {}
        for folder in self._folders:
            for entry in _folders_in(folder):
                models.setdefault(entry.name, entry)
        return models.values()

    def _read(self, name: str, entry: "os.DirEntry[str]") -> VersionFolder | None:
        """Read the folder as it is now; None if it has no manifest, or has disappeared."""
        try:
            files = frozenset(_states(entry.path))
        except OSError:
            return None
        if MANIFEST_FILE not in {file[0] for file in files}:
            return None
        known = self._known.get((name, entry.name))
        if known is not None and known.files == files:
            return known
        path = Path(entry.path)
        return VersionFolder(name, entry.name, path, files, _peek(path / MANIFEST_FILE))


def _folders_in(folder: "Path | str") -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except (NotADirectoryError, FileNotFoundError, PermissionError):
        return []


def _states(folder: str) -> list[FileState]:
    """Read the state of each file that a service reads."""
    states = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(TEXTS):
                with contextlib.suppress(FileNotFoundError):  # It has disappeared, or is a broken link.
                    stat = entry.stat()
                    states.append((entry.name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return states


def _peek(path: Path) -> Manifest | None:
    """Read the manifest, without checking that it belongs to the graph beside it."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
