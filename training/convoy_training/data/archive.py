"""Reads a dataset's files by name, from a folder, a tar or a zip.

Names are text in Unicode's composed form: a file whose name macOS has written in parts, or an older Linux in Latin-1,
is found under the name that people read.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from convoy_training.data.source import compute_digest, locate, read_tar, read_zip
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
    sums: dict[str, str] = field(default_factory=dict, compare=False)
    """SHA-256 of the files that were hashed already."""

    def compute_sum(self, name: str) -> str:
        """The SHA-256 of a file."""
        if name not in self.sums:
            self.sums[name] = hashlib.sha256(self.files[name]).hexdigest()
        return self.sums[name]

    def find_change(self) -> str | None:
        """The first file whose content is not what it was when the folder was opened; None if all are, or in a pack."""
        if isinstance(self.files, Folder):
            for name in self.files.list_touched():
                try:
                    if hashlib.sha256(self.files[name]).hexdigest() != self.sums.get(name):
                        return name
                except OSError:  # it is gone
                    return name
        return None

    def read_text(self, name: str) -> str:
        """The text of a label file; raises LabelError if it is missing."""
        if name not in self.files:
            raise LabelError(name, None, "the file does not exist", "missing file")
        return decode_text(self.files[name], name)

    def list_folders(self, parent: str) -> tuple[str, ...]:
        """The names of the folders directly below `parent`; a tar does not show empty ones."""
        if isinstance(self.files, Folder):
            place = self.files.root / parent
            folders = [show_name(p.name) for p in place.iterdir() if p.is_dir()] if place.is_dir() else []
            return tuple(sorted(name for name in folders if not is_hidden(name)))
        inside = [name.removeprefix(f"{parent}/") for name in self.files if not parent or name.startswith(f"{parent}/")]
        return tuple(sorted({PurePosixPath(name).parts[0] for name in inside if "/" in name}))

    def find(self, name: str, file: str, line: int) -> str:
        """The name in this archive of the file that line `line` of `file` names; raises LabelError if it is missing."""
        name = show_name(name)
        if name in self.files:
            return name
        # A list inside an archive may name its files from above the root.
        shorter = str(PurePosixPath(*PurePosixPath(name).parts[1:]))
        if shorter in self.files:
            return shorter
        raise LabelError(file, line, f"{name} does not exist", "missing file")


def show_name(name: str) -> str:
    """A file's name as people read it: bytes that are not UTF-8 are Latin-1, accents are joined with their letters."""
    if any("\udc80" <= letter <= "\udcff" for letter in name):
        name = name.encode("utf-8", "surrogateescape").decode("latin-1")
    return unicodedata.normalize("NFC", name)


def is_hidden(name: str) -> bool:
    """Whether a path is what macOS and editors leave among data: hidden files, `__MACOSX`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


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
        stored = sorted(_list(root))
        self.known = {show_name(name): name for name in stored}
        self.names = list(self.known)
        self.states = {name: self._look(name) for name in self.known}
        if len(self.known) < len(stored):
            twice = next(name for name in stored if self.known[show_name(name)] != name)
            raise LabelError(show_name(twice), None, "two files have this name, written in different ways: rename one")

    def list_touched(self) -> list[str]:
        """The files whose size or time differs from when the folder was opened, or that are gone."""
        return [name for name, state in self.states.items() if self._look(name) != state]

    def _look(self, name: str) -> tuple[int, int] | None:
        try:
            state = os.stat(self.root / self.known[name])
        except OSError:
            return None
        return state.st_size, state.st_mtime_ns

    def __getitem__(self, name: str) -> bytes:
        return (self.root / self.known[name]).read_bytes()

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
    entries = [entry for entry in os.scandir(folder) if not is_hidden(entry.name)]
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
    """Opens a folder, a tar or a zip, at your path or in CONVOY_DATA. A single top folder of a pack is the root."""
    place = locate(path)
    if place.is_dir():
        folder, sums = Folder(place), {}
        digest = hashlib.sha256()
        for name, stored in folder.known.items():
            sums[name] = hashlib.sha256(folder[name]).hexdigest()
            digest.update(f"{stored}\0{sums[name]}\n".encode("utf-8", "surrogateescape"))
        return Archive(folder, digest.hexdigest(), sums)
    packed = read_zip(place) if zipfile.is_zipfile(place) else read_tar(place)
    files = {show_name(name.removeprefix("./")): data for name, data in packed.items()}
    files = {name: data for name, data in files.items() if not is_hidden(name)}
    tops = {name.partition("/")[0] for name in files}
    prefix = f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in files) else ""
    return Archive({name.removeprefix(prefix): data for name, data in files.items()}, compute_digest(place))
