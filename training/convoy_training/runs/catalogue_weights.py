"""`init: catalogue:NAME`: weights of an open network, by the digest that the catalogue knows, with its terms."""

from __future__ import annotations

from pathlib import Path

from convoy.catalogue.catalogue import open_catalogue
from convoy.catalogue.entry import Entry
from convoy.catalogue.pull import Pull, fetch

from convoy_training.errors import RecipeError

PREFIX = "catalogue:"


def find_entry(name: str) -> Entry:
    """The entry whose file holds weights for an architecture of ours; raises RecipeError that lists those there are."""
    entries = open_catalogue(None).entries
    usable = [one for one in entries.values() if one.architecture]
    entry = entries.get(name) or next((one for one in usable if one.architecture == name), None)
    if entry is not None and not entry.architecture:  # its graph can be pulled, but nothing can be trained from it
        entry = next((one for one in usable if one.architecture == name), None)
    if entry is None:
        known = ", ".join(f"{one.name} ({one.architecture})" for one in usable)
        raise RecipeError(f"init: the catalogue has no weights called '{name}'; there are {known}")
    return entry


def fetch_weights(name: str) -> Path:
    """The file of an entry, downloaded once and checked by its digest. Its terms are printed.

    Raises RecipeError for an entry that is unknown, or whose terms must be accepted first.
    """
    entry = find_entry(name)
    if not entry.licences.permissive:
        told = f"`convoy model pull {entry.name}` shows its terms; then name the file that it brought as `init`"
        raise RecipeError(f"init: {entry.name} may not be used for every purpose: {told}")
    print(f"init: {describe_entry(entry)}", flush=True)
    return fetch(entry, Pull(models=Path()))


def describe_entry(entry: Entry) -> str:
    """Name, digest and terms, as a sentence for the run and the manifest."""
    terms = f"weights: {entry.licences.weights}; data: {entry.licences.data}"
    return f"{PREFIX}{entry.name} ({entry.source}, SHA-256 {entry.file.sha256}; {terms})"
