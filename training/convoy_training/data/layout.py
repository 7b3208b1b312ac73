"""Says where a data set should lie, when it lies otherwise: what was found and what is expected, as trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from convoy_training.data.archive import Archive
from convoy_training.errors import LabelError

LINES = 14
"""The most lines of the tree of what was found."""


def refuse_layout(archive: Archive, expected: str, reason: str, file: str = "data.path") -> LabelError:
    """The error for a wrong layout; its detail shows both trees."""
    found = "\n".join(f"  {line}" for line in draw_tree(archive.files)) or "  no file"
    wanted = "\n".join(f"  {line}" for line in expected.splitlines())
    return LabelError(file, None, reason, "layout", f"found:\n{found}\nexpected:\n{wanted}")


def draw_tree(names: Iterable[str]) -> list[str]:
    """A line for each folder with the number of its files by ending, such as `train/cat/  12 .jpg`."""
    folders: dict[str, Counter[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        ending = f".{file.rpartition('.')[2].lower()}" if "." in file else "without ending"
        known = file if file.endswith((".txt", ".json", ".yaml", ".xml")) and not folder else ending
        folders.setdefault(folder, Counter())[known] += 1
    lines = []
    for folder in sorted(folders):
        counts = ", ".join(
            kind if count == 1 and kind[0] != "." else f"{count:,} {kind}" for kind, count in folders[folder].items()
        )
        lines.append(f"{folder}/  {counts}" if folder else counts)
    return lines if len(lines) <= LINES else [*lines[:LINES], f"... and {len(lines) - LINES} more folders"]
