"""Collects what is wrong in a data set, so that you see all of it at once, and what was read in spite of an oddity.

A reader calls `add_fault` for a picture that it leaves out, and `add_note` for something that it has read but that you
should know. Whoever asks for all of them opens `collecting()`; without it, the first fault is the error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong or odd: its kind, the file, perhaps the line, and the reason."""

    kind: str
    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.reason}"


@dataclass
class Findings:
    """Faults and notes, each once and in the order in which they were met (the values mean nothing)."""

    faults: dict[Fault, None] = field(default_factory=dict)
    notes: dict[Fault, None] = field(default_factory=dict)

    def merge(self, others: Findings) -> None:
        """Takes over what others found."""
        self.faults |= others.faults
        self.notes |= others.notes

    def to_error(self) -> LabelError:
        """The first fault as an error, with the number of the others."""
        first, *others = self.faults
        count = "another fault" if len(others) == 1 else f"{len(others):,} more faults"
        more = f" (and {count}: `convoy-train data` with the recipe lists all)"
        return LabelError(first.file, first.line, first.reason + (more if others else ""), first.kind)


_OPEN: ContextVar[Findings | None] = ContextVar("findings", default=None)


@contextmanager
def collecting() -> Iterator[Findings]:
    """What is found until the block ends; the readers go on after a fault."""
    found = Findings()
    token = _OPEN.set(found)
    try:
        yield found
    finally:
        _OPEN.reset(token)


def add_fault(error: LabelError) -> None:
    """Notes a fault, or raises it where nobody collects."""
    found = _OPEN.get()
    if found is None:
        raise error
    found.faults[Fault(error.kind, error.file, error.line, error.reason)] = None


def add_note(kind: str, file: str, line: int | None, reason: str) -> None:
    """Notes an oddity that was read as people mean it."""
    if (found := _OPEN.get()) is not None:
        found.notes[Fault(kind, file, line, reason)] = None


def remembered(load: Callable[..., Result]) -> Any:
    """A reader `load(path, split, ...)` that reads each split once and goes on after faults.

    One of its arguments may be a `Reading`. Who collects gets all findings. Else the first fault is raised, unless the
    reading skips, and notes are printed as warnings, once.
    """
    known: dict[Any, tuple[Result, Findings]] = {}

    @wraps(load)
    def read(*key: Any) -> Result:
        outer, told = _OPEN.get(), key in known
        if not told:
            with collecting() as found:
                try:
                    known[key] = load(*key), found
                except LabelError as error:
                    if outer is None and found.faults:
                        raise found.to_error() from error
                    if outer is not None:
                        outer.merge(found)
                    raise
        result, found = known[key]
        if outer is not None:
            outer.merge(found)
            return result
        how = next((part for part in key if isinstance(part, Reading)), PLAIN)
        if found.faults and how.on_error == "refuse":
            del known[key]  # the next call reads again
            raise found.to_error()
        if not told:
            warn(found)
        return result

    read.cache_clear = known.clear  # type: ignore[attr-defined]
    return read


def warn(found: Findings) -> None:
    """Prints what was left out, and the notes, a line for each kind with its first example."""
    for title, entries in (("left out, ", found.faults), ("", found.notes)):
        for kind, those in group(entries).items():
            more = f" ({len(those):,} such; the first is shown)" if len(those) > 1 else ""
            print(f"warning: {title}{kind}: {those[0]}{more}", file=sys.stderr)


def group(entries: dict[Fault, None]) -> dict[str, list[Fault]]:
    """By kind, the commonest first."""
    kinds: dict[str, list[Fault]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry)
    return dict(sorted(kinds.items(), key=lambda item: -len(item[1])))
