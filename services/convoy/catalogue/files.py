"""Files by their digest: the cache of what was downloaded, and folders that somebody carried here."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from convoy.core.errors import NotFound

_BLOCK = 2**20


def cache_folder() -> Path:
    """Where downloads are kept, a file per digest; it may be deleted at any time."""
    return user_cache_path("convoy", appauthor=False) / "files"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def find_file(place: Path, sha256: str, size: int) -> Path | None:
    """The file with this digest at `place`, or anywhere below it, whatever its name.

    Only files of `size` bytes are read. Raises NotFound(NO_FILE) where there is no such place.
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
