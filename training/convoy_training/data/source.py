"""Finds datasets, at your path or below the folder in CONVOY_DATA, and reads their archives."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoy_training.errors import TrainingError


def find(name: str) -> Path:
    """The path of a dataset's archive below CONVOY_DATA; raises TrainingError if it is missing."""
    path = Path(os.environ.get("CONVOY_DATA", "../shared/data")) / name
    if not path.exists():
        raise TrainingError(f"{path} is missing: set CONVOY_DATA to the folder that holds {name}")
    return path


def locate(path: str) -> Path:
    """The path as given if it exists, or else below CONVOY_DATA; raises TrainingError if neither exists."""
    if Path(path).exists():
        return Path(path)
    if Path(path).is_absolute():
        raise TrainingError(f"{path} does not exist")
    try:
        return find(path)
    except TrainingError as error:
        raise TrainingError(f"{path} is not in {Path.cwd()}, and {error}") from error


def compute_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_zip(path: Path) -> dict[str, bytes]:
    """Reads every file of a zip: name -> bytes. Raises TrainingError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        raise TrainingError(f"{path} is not a whole zip without a password: {error}") from error


@cache
def read_tar(path: Path) -> dict[str, bytes]:
    """Reads every regular file of a tar, compressed or not: name -> bytes. Raises TrainingError."""
    try:
        with tarfile.open(path) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise TrainingError(f"{path} is neither a folder nor a whole tar: {error}") from error


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Reads the arrays of an .npz file; raises TrainingError if one of `names` is missing."""
    try:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is not a whole .npz file: {error}") from error
    if missing := sorted(set(names) - set(arrays)):
        raise TrainingError(f"{path} has no array '{missing[0]}'")
    return arrays
