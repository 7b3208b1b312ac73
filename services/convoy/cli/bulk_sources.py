"""Reads which people a folder or a table has, and says of everything else why it is left out.

A folder holds for each person a folder of photos, or one photo named after the person. A table is a CSV file with the
columns path (relative to the table) and person_id, and optionally name and tags (separated by ';' or spaces); every
other column is a fact about the person. Rows with the same person_id belong together.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from convoy.cli.output import shown
from convoy.core.errors import InvalidArgument
from convoy.core.names import composed
from convoy.core.pictures.formats import NAMES, SUFFIXES

COLUMNS = {"path", "person_id", "name", "tags"}
SYSTEM_NAMES = frozenset(
    {"@eadir", "__macosx", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "system volume information"}
    | {"thumbs.db", "desktop.ini", "ehthumbs.db", "picasa.ini"}
)
"""Files and folders, in lower case, that computers and storage devices make beside people's own."""
MOST_ID_CHARACTERS = 128


class Ids(StrEnum):
    """What becomes of a folder whose name is no valid id: it is left out, or its name is changed into one."""

    AS_IS = "as-is"
    SLUG = "slug"


@dataclass(frozen=True)
class Entry:
    """A person to register. place: the folder, photo or table that names the person."""

    person_id: str
    display_name: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    photos: tuple[Path, ...] = ()
    place: Path = Path()


@dataclass(frozen=True)
class Outcome:
    """What became of a photo: it is on record (reason DUPLICATE: it was before), or the reason why not.

    Also what is left out (is_photo is False): a file that is no photo, a folder, a person without a usable photo.
    """

    path: Path
    person_id: str
    accepted: bool
    reason: str = ""
    message: str = ""
    is_photo: bool = True


@dataclass(frozen=True)
class People:
    """Who a source has, and what it has besides."""

    entries: tuple[Entry, ...]
    left_out: tuple[Outcome, ...] = ()


def read_source(source: Path, ids: Ids = Ids.SLUG) -> People:
    """Read the people of a folder or a table.

    InvalidArgument(BAD_ARGUMENT): there is nothing in it, or the table makes no sense; OSError.
    """
    people = _read_folder(source, ids) if source.is_dir() else People(tuple(_read_table(source)))
    if not people.entries and not people.left_out:
        message = f"{shown(source)} has no photos of people; `convoy person register --help` says how to lay them out"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return people


def slug(name: str) -> str:
    """A name as an id: "Joe Biden" -> "joe-biden". Empty if no letter or digit is in it."""
    text = re.sub(r"[\W_]+", "-", composed(name).casefold()).strip("-")
    return text[:MOST_ID_CHARACTERS]


def _read_folder(folder: Path, ids: Ids) -> People:
    entries: dict[str, Entry] = {}
    left_out: list[Outcome] = []
    # Whose name is a valid id keeps it, so that no changed name takes it first.
    for place in sorted(folder.iterdir(), key=lambda place: (not _is_id(composed(place.name)), place)):
        if reason := unwanted(place):
            left_out.append(_left_out(place, "", *reason))
            continue
        is_folder, found = _is_folder(place), []
        for path, outcome in photos_of(place) if is_folder else _judged([place]):
            if outcome is None:
                found.append(path)
            else:
                left_out.append(outcome)
        if not is_folder and not found:
            continue
        entry = _named(place, place.name if is_folder else place.stem, tuple(found), ids)
        if isinstance(entry, Outcome):
            left_out.append(entry)
            continue
        known = entries.get(entry.person_id)
        if known is None or known.display_name == entry.display_name:
            entries[entry.person_id] = entry if known is None else replace(known, photos=known.photos + entry.photos)
        else:
            message = f"'{entry.person_id}' is the id of '{shown(known.place.name)}' already; rename one of them"
            left_out.append(_left_out(place, entry.person_id, "NAME", message))
    for entry in entries.values():
        if not entry.photos:
            left_out.append(_left_out(entry.place, entry.person_id, "NO_PHOTO", "there is no photo in it"))
    return People(tuple(entry for entry in entries.values() if entry.photos), tuple(left_out))


def photos_of(folder: Path) -> Iterator[tuple[Path, Outcome | None]]:
    """What is in a person's folder: photos (None), and what is left out."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        yield folder, _left_out(folder, "", "UNREADABLE", error.strerror or str(error))
        return
    yield from _judged(inside)


def _judged(paths: list[Path]) -> Iterator[tuple[Path, Outcome | None]]:
    for path in paths:
        if reason := unwanted(path):
            yield path, _left_out(path, "", *reason)
        elif _is_folder(path):
            message = "photos in folders inside a person's folder are not read; move them up"
            yield path, _left_out(path, "", "SUBFOLDER", message)
        elif path.suffix.lower() not in SUFFIXES:
            message = f"its name does not end like a picture ({NAMES})"
            yield path, _left_out(path, "", "UNSUPPORTED_FORMAT", message)
        else:
            yield path, None


def _named(place: Path, name: str, photos: tuple[Path, ...], ids: Ids) -> Entry | Outcome:
    """The person by the name of the folder or photo."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return _left_out(place, "", "NAME", "its name is not UTF-8; rename it")
    name = composed(name)
    if _is_id(name):
        return Entry(name, photos=photos, place=place)
    if ids is Ids.SLUG and (person_id := slug(name)):
        return Entry(person_id, " ".join(name.split()), photos=photos, place=place)
    message = "its name cannot be an id (1 to 128 printable characters without spaces); rename it"
    hint = ", or give --ids slug" if slug(name) else ""
    return _left_out(place, "", "NAME", message + hint)


def _is_id(name: str) -> bool:
    return len(name) <= MOST_ID_CHARACTERS and name.isprintable() and not any(map(str.isspace, name))


def unwanted(path: Path) -> tuple[str, str] | None:
    """Why a file or folder is nobody's, as reason and sentence; None if it may be somebody's."""
    if path.name.lower() in SYSTEM_NAMES:
        return "SYSTEM_FILE", "computers and storage devices make it; it is nobody's"
    return ("HIDDEN", "its name begins with a dot") if path.name.startswith(".") else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # It is told when it is read.
        return False


def _left_out(path: Path, person_id: str, reason: str, message: str) -> Outcome:
    return Outcome(path, person_id, False, reason, message, is_photo=False)


def _read_table(table: Path) -> list[Entry]:
    try:
        return _read_rows(table)
    except UnicodeDecodeError as error:
        message = f"{shown(table)} is not a CSV file in UTF-8 (byte {error.start}); save it as UTF-8"
        raise InvalidArgument("BAD_ARGUMENT", message) from error
    except csv.Error as error:
        raise InvalidArgument("BAD_ARGUMENT", f"{shown(table)} is not a CSV file: {error}") from error


def _read_rows(table: Path) -> list[Entry]:
    entries: dict[str, Entry] = {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, restkey="", restval="")
        if not {"path", "person_id"} <= set(rows.fieldnames or ()):
            message = f"{shown(table)} needs the columns path and person_id, separated by commas"
            raise InvalidArgument("BAD_ARGUMENT", message)
        for number, row in enumerate(rows, 2):
            if "" in row or not row["path"] or not row["person_id"]:
                message = f"{shown(table)}, row {number}: path or person_id is missing, or the row has too many commas"
                raise InvalidArgument("BAD_ARGUMENT", message)
            facts = {key: value for key, value in row.items() if key not in COLUMNS and value}
            person_id = composed(row["person_id"])
            before = entries.get(person_id, Entry(person_id, place=table))
            tags = row.get("tags", "").replace(";", " ").split()
            entries[person_id] = Entry(
                person_id,
                row.get("name") or before.display_name,
                tuple(dict.fromkeys((*before.tags, *tags))),
                before.metadata | facts,
                (*before.photos, table.parent / row["path"]),
                table,
            )
    return list(entries.values())
