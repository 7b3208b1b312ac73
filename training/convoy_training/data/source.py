"""Where the datasets lie: the folder in CONVOY_DATA."""

from __future__ import annotations

import hashlib
import os
import tarfile
from functools import cache
from pathlib import Path

from convoy_training.errors import TrainingError


def find(name: str) -> Path:
    """The path of a dataset's archive."""
    path = Path(os.environ.get("CONVOY_DATA", "../shared/data")) / name
    if not path.exists():
        raise TrainingError(f"{path} is missing: set CONVOY_DATA to the folder that holds {name}")
    return path


def compute_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def read_tar(path: Path) -> dict[str, bytes]:
    """Every regular file of an uncompressed tar: name -> bytes."""
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
