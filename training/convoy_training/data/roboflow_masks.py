"""Roboflow's export of masks: <split>/_classes.csv, and beside each picture its mask, <name>_mask.png."""

from __future__ import annotations

import csv
import io

from convoy_training.data.archive import Archive
from convoy_training.data.faults import add_fault
from convoy_training.data.lists import ALIASES, IMAGES
from convoy_training.errors import LabelError

FILE = "_classes.csv"
SUFFIX = "_mask.png"


def find_splits(archive: Archive) -> dict[str, str]:
    """The folders of `train` and `val` in such an export; empty where it is none."""
    found = {
        key: word for key in ("train", "val") for word in ALIASES[key] if f"{word}/{FILE}" in archive.files
    }  # fmt: skip
    return found if "train" in found else {}


def read_names(archive: Archive, folder: str) -> tuple[str, ...]:
    """The classes by the value of their pixels, from 0; raises LabelError where the list has a gap."""
    file = f"{folder}/{FILE}"
    names: list[str] = []
    for row in csv.reader(io.StringIO(archive.read_text(file)), skipinitialspace=True):
        if len(row) != 2 or not row[0].strip().isdecimal():
            continue  # the heading
        if int(row[0]) != len(names):
            told = f"the value is {row[0].strip()}, not {len(names)}: values count from 0, one a line"
            raise LabelError(file, len(names) + 2, told)
        names.append(row[1].strip())
    if not names:
        raise LabelError(file, None, "it names no classes")
    return tuple(names)


def list_pairs(archive: Archive, folder: str) -> list[tuple[int, str, str]]:
    """The pictures of a split with their masks, as lines of a list (0, since there is none)."""
    pairs = []
    for name in sorted(archive.files):
        if name.startswith(f"{folder}/") and name.lower().endswith(IMAGES) and not name.endswith(SUFFIX):
            mask = f"{name.rpartition('.')[0]}{SUFFIX}"
            if mask in archive.files:
                pairs.append((0, name, mask))
            else:
                add_fault(LabelError(name, None, f"{mask} does not exist", "missing mask"))
    return pairs
