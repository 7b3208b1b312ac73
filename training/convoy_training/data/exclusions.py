"""Lists of images to leave out of training: CSV with `file` (`dataset/person/image`), `reason` and `detail`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from convoy_training.errors import LabelError


@dataclass(frozen=True)
class Exclusion:
    """One image, the reason to leave it out (duplicate, same_person, far), and what the comparison found."""

    file: str
    reason: str
    detail: str


def write_exclusions(path: Path, exclusions: Iterable[Exclusion]) -> None:
    """Writes a list, sorted by file so that you can compare two lists."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Exclusion))
        writer.writerows(sorted(astuple(exclusion) for exclusion in exclusions))


def read_exclusions(path: Path) -> frozenset[str]:
    """The files that a list names; raises LabelError."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise LabelError(str(path), None, f"cannot be read: {error}") from error
    for number, row in enumerate(rows, 2):
        if not row.get("file") or row["file"].count("/") != 2:
            raise LabelError(str(path), number, "the column `file` must name dataset/person/image")
    return frozenset(row["file"] for row in rows)
