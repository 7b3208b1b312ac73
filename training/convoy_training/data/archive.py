"""Reads a dataset's files by name, from a folder or a tar."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from convoy_training.data.source import compute_digest, locate, read_tar
from convoy_training.errors import LabelError
from convoy_training.recipe_file import RECIPE_FILE

DATA_YAML = "data.yaml"
NO_DATA = (".cache", ".db", ".html", ".ini", ".md", ".yaml", ".yml")
"""Endings of files that people, viewers and other trainers leave beside data. All but data.yaml are skipped."""


@dataclass(frozen=True)
class Archive:
    """files: name -> bytes, with names relative to the dataset's root; digest: SHA-256 over all of them."""

    files: Mapping[str, bytes]
    digest: str

    def read_text(self, name: str) -> str:
        """The text of a label file; raises LabelError if it is missing."""
        if name not in self.files:
            raise LabelError(name, None, "the file does not exist")
        return decode_text(self.files[name], name)

    def list_folders(self, parent: str) -> tuple[str, ...]:
        """The names of the folders directly below `parent`; a tar does not show empty ones."""
        if isinstance(self.files, Folder):
            place = self.files.root / parent
            folders = [p.name for p in place.iterdir() if p.is_dir()] if place.is_dir() else []
            return tuple(sorted(name for name in folders if not name.startswith(".")))
        parts = [PurePosixPath(name).parts for name in self.files]
        return tuple(sorted({p[1] for p in parts if len(p) > 2 and p[0] == parent}))

    def find(self, name: str, file: str, line: int) -> str:
        """The name in this archive of the file that line `line` of `file` names; raises LabelError if it is missing."""
        if name in self.files:
            return name
        # A list inside an archive may name its files from above the root.
        shorter = str(PurePosixPath(*PurePosixPath(name).parts[1:]))
        if shorter in self.files:
            return shorter
        raise LabelError(file, line, f"{name} does not exist")


def decode_text(data: bytes, name: str) -> str:
    """Decodes a label file, without the byte order mark that editors on Windows write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LabelError(name, line, "this is not text in UTF-8: save it as UTF-8") from error


class Folder(Mapping[str, bytes]):
    """The data files below a folder, each read when you ask for it. Runs and models that lie there are skipped."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = sorted(_list(root))
        self.known = frozenset(self.names)

    def __getitem__(self, name: str) -> bytes:
        if name not in self.known:
            raise KeyError(name)
        return (self.root / name).read_bytes()

    def __contains__(self, name: object) -> bool:
        return name in self.known

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _list(folder: Path, prefix: str = "", above: tuple[Path, ...] = ()) -> Iterator[str]:
    """The names of the files below a folder, also behind links. above: the folders on the way to this one."""
    here = folder.resolve()
    if here in above:
        raise LabelError(prefix, None, "the link leads back to a folder above it")
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    if prefix and any(entry.name == RECIPE_FILE for entry in entries):  # a run, or a model
        return
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _list(folder / entry.name, f"{name}/", (*above, here))
        elif entry.is_symlink() and not entry.is_file():
            raise LabelError(name, None, "the link leads to no file")
        elif entry.name == DATA_YAML or not entry.name.lower().endswith(NO_DATA):
            yield name


@cache
def open_archive(path: str) -> Archive:
    """Opens a folder or a tar, at your path or in CONVOY_DATA. If a tar has a single top folder, that is the root."""
    place = locate(path)
    if place.is_dir():
        folder = Folder(place)
        return Archive(folder, _digest(folder))
    files = read_tar(place)
    tops = {name.partition("/")[0] for name in files}
    prefix = f"{tops.pop()}/" if len(tops) == 1 else ""
    return Archive({name.removeprefix(prefix): data for name, data in files.items()}, compute_digest(place))


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in files.items():
        digest.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()
