"""A data set's summary as text: a few lines before a training, everything for `convoy-train data`."""

from __future__ import annotations

from collections.abc import Iterator

from convoy_training.data.faults import Fault, group
from convoy_training.inspection.counts import SplitCounts, Summary

SHORT = 12
"""So many classes, and one example of each kind of finding, are shown before a training."""


def describe(summary: Summary, *, whole: bool = False) -> Iterator[str]:
    """The lines of a summary; `whole` shows every class and every finding."""
    yield f"data: {summary.title or summary.path}" + (f", SHA-256 {summary.sha256[:12]}…" if summary.sha256 else "")
    for name, counts in summary.splits.items():
        yield f"  {name}: {_describe_split(counts)}"
    yield from _describe_classes(summary, len(summary.classes) if whole else SHORT)
    left_out = "left out" if summary.on_error == "skip" else "wrong"
    for title, entries in (("note", summary.found.notes), (left_out, summary.found.faults)):
        for kind, those in group(entries).items():
            yield from _describe_kind(title, kind, those, whole)


def _describe_split(counts: SplitCounts) -> str:
    parts = [f"{counts.pictures:,} pictures"]
    if counts.unit == "boxes":
        parts += [f"{sum(counts.by_class.values()):,} boxes", f"{counts.empty:,} pictures without a box"]
        parts += [f"{counts.ignored:,.0f} crowds"] if counts.ignored else []
    elif counts.unit == "pixels":
        parts.append(f"{counts.ignored:.1%} of the pixels ignored")
    if counts.sizes:
        smallest, median, largest = (f"{width}x{height}" for width, height in counts.sizes)
        same = smallest == largest
        parts.append(smallest if same else f"{smallest} to {largest}, mostly around {median}")
    if counts.grey:
        parts.append("all grey" if counts.grey == 1 else f"{counts.grey:.0%} grey")
    return ", ".join(parts)


def _describe_classes(summary: Summary, most: int) -> Iterator[str]:
    """A table: a line for each class, a column for each split."""
    if not summary.splits or not summary.classes:
        return
    columns = list(summary.splits.values())
    wide = max(5, *(min(40, len(name)) for name in summary.classes[:most]))
    yield f"  {columns[0].unit + ' of':{wide}} " + " ".join(f"{name:>12}" for name in summary.splits)
    for name in summary.classes[:most]:
        cells = [_format(counts, name) for counts in columns]
        yield f"  {name:{wide}} " + " ".join(f"{cell:>12}" for cell in cells)
    if (rest := len(summary.classes) - most) > 0:
        yield f"  ... and {rest:,} more classes: `convoy-train data` shows them all"


def _format(counts: SplitCounts, name: str) -> str:
    value = counts.by_class.get(name, 0)
    if not value:
        return "none"
    return f"{value / sum(counts.by_class.values()):.2%}" if counts.unit == "pixels" else f"{value:,}"


def _describe_kind(title: str, kind: str, those: list[Fault], whole: bool) -> Iterator[str]:
    yield f"  {title}: {len(those):,} x {kind}" + ("" if whole else f", such as {those[0]}")
    if whole:
        yield from (f"    {entry}" for entry in those)
