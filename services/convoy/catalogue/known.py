"""What the bundled catalogue knows about a foreign file: `convoy model import` need not be told it again.

A file is an entry's if its SHA-256 is. What the user says wins, and a note says where the catalogue differs. Two things
are refused: a licence that leaves out the terms of an entry that is not permissive, and its labels in another order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.entry import Entry
from convoy.catalogue.files import sha256_of
from convoy.catalogue.options import make_request, read_options
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.importing.adapters import ADAPTERS
from convoy.importing.metadata import contradicts
from convoy.importing.request import Request, read_lines

PIXELS = {"preprocess", "scale", "mean", "std", "bgr"}
READING = {"adapter", "output", "scores", "boxes", "form", "priors", "cut", "one_by_one"}
PLACING = {"resize", "crop", "pad_value", "pad_at"}
REPLACED = {"preprocess": PIXELS, "adapter": READING, "resize": PLACING}
"""If the user names another preset, adapter or way to resize, the entry's options of the same kind are left out."""


@dataclass(frozen=True)
class Known:
    """A request that the catalogue completed. notes: what it added, and where the user's words differ."""

    request: Request
    notes: tuple[str, ...]


def find_entry(file: Path, catalogue: Catalogue) -> Entry | None:
    """Find the entry of a file by its digest. Reads only files of an entry's size."""
    if not file.is_file():
        return None
    size = file.stat().st_size
    candidates = {entry.file.sha256: entry for entry in catalogue.entries.values() if entry.file.bytes == size}
    return candidates.get(sha256_of(file)) if candidates else None


def complete(said: Mapping[str, Any], entry: Entry, catalogue: Catalogue) -> Known:
    """Complete what the user says, as fields of the import's request, with what the entry says.

    Raises InvalidArgument(BAD_ARGUMENT), FailedPrecondition(LICENCE_NOT_ACCEPTED).
    """
    terms = _terms(said.get("licence"), entry)
    facts = {"task": entry.task, "source": entry.source, "data_terms": entry.licences.data} | dict(said)
    facts["licence"] = said.get("licence") or entry.licences.weights
    if facts["task"] != entry.task:
        other = f"the catalogue has this file as {entry.name} for {entry.task}, so its options and labels are not used"
        return Known(make_request(entry, facts), (other, *terms))
    options = _with_pixels(read_options(entry), entry)
    differing = {name for name in options.keys() & said.keys() if not _same(said[name], options[name])}
    dropped = {name for key in differing & REPLACED.keys() for name in REPLACED[key]} - said.keys()
    used = {name: value for name, value in options.items() if name not in dropped}
    labels = catalogue.labels_of(entry)
    about_labels = _compare_labels(said.get("labels"), labels, entry)
    if labels and "labels" not in said:
        facts["labels"] = tuple(labels)
    facts["settled"] = not differing & (PIXELS | {"adapter"})
    notes = [f"the catalogue has this file as {entry.name}, so its options, labels and licence are used"]
    for name in sorted(differing):
        word = name.removesuffix("_value").replace("_", "-")
        notes.append(f"--{word} is {_show(said[name])}, as you say; the catalogue says {_show(options[name])}")
    return Known(make_request(entry, used | facts), (*notes, *about_labels, *terms))


def _with_pixels(options: dict[str, Any], entry: Entry) -> dict[str, Any]:
    """Name the adapter's usual preset, if the entry says nothing of pixels."""
    adapter = ADAPTERS[entry.task].get(str(options.get("adapter")))
    return options if options.keys() & PIXELS or adapter is None else {**options, "preprocess": adapter.preprocess}


def _terms(licence: str | None, entry: Entry) -> tuple[str, ...]:
    theirs = entry.licences.weights
    if entry.licences.permissive:
        if licence is None or not contradicts(theirs, licence):
            return ()
        return (f"--licence is {licence}, as you say; the catalogue says {theirs}",)
    if licence is not None and not contradicts(theirs, licence):
        return ()
    problem = f"{entry.name} is not under permissive terms (code {entry.licences.code}; weights {theirs})"
    raise FailedPrecondition("LICENCE_NOT_ACCEPTED", f'{problem}; accept them with --licence "{theirs}"')


def _compare_labels(file: Path | None, ours: list[str], entry: Entry) -> tuple[str, ...]:
    """Note how the user's labels differ. Raises InvalidArgument(BAD_ARGUMENT) for the same ones in another order."""
    if file is None or not ours:
        return ()
    theirs = read_lines(file)
    folded, wanted = [one.casefold() for one in theirs], [one.casefold() for one in ours]
    if folded == wanted:
        return ()
    pairs = zip(folded, wanted, strict=False)
    first = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(theirs), len(ours)))
    if sorted(folded) == sorted(wanted):
        problem = f"line {first + 1} is '{theirs[first]}', where the network has '{ours[first]}'"
        message = f"{file} holds the labels of {entry.name} in another order: {problem}; leave --labels out"
        raise InvalidArgument("BAD_ARGUMENT", message)
    if len(theirs) != len(ours):
        return (f"{file.name} has {len(theirs)} labels; the catalogue has {len(ours)}",)
    where = f"from line {first + 1} on: '{theirs[first]}', not '{ours[first]}'"
    return (f"the labels are those of {file.name}, as you say; the catalogue's differ {where}",)


def _same(one: Any, other: Any) -> bool:
    def plain(value: Any) -> Any:
        return tuple(plain(item) for item in value) if isinstance(value, list | tuple) else value

    return bool(plain(one) == plain(other))


def _show(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_show(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
