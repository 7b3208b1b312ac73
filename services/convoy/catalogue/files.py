"""Finds files by their digest: in the cache of downloads, or in a folder that you copied to this machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from convoy.core.errors import NotFound

_BLOCK = 2**20


def cache_folder() -> Path:
    """The folder of downloads, with one file for each digest. You may delete it at any time."""
    return user_cache_path("convoy", appauthor=False) / "files"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def find_file(place: Path, sha256: str, size: int) -> Path | None:
    """Find the file with this digest at `place` or anywhere below it, whatever its name; None if there is none.

    Reads only files of `size` bytes. Raises NotFound(NO_FILE) if `place` does not exist.
    """
    if not place.exists():
        raise NotFound("NO_FILE", f"{place} is not there")
    return next((path for path in _files(place) if _has_size(path, size) and sha256_of(path) == sha256), None)


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    else:
        yield from sorted(path for path in place.rglob("*") if path.is_file())


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
