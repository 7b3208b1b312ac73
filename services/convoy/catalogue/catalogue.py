"""All entries: the bundled ones, or those of a company's own folder, file or address."""

import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from convoy.catalogue.addresses import parse_address
from convoy.catalogue.entry import Entry, ModelSet
from convoy.core.errors import InvalidArgument, NotFound, Unavailable

_BUNDLED = resources.files("convoy.catalogue")
_MOST_BYTES = 4 * 2**20
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Catalogue:
    """Entries and sets by name. labels_folder: paths of label files start here; None if the catalogue has no files."""

    entries: Mapping[str, Entry]
    sets: Mapping[str, ModelSet]
    labels_folder: Path | None = None

    def find(self, name: str) -> list[Entry]:
        """Return the entry with this name, or all entries of the set with this name. Raises NotFound(NO_ENTRY)."""
        if name in self.sets:
            wanted = dict.fromkeys(self.sets[name].models.values())
            return [self.entries[model] for model in wanted]
        if name in self.entries:
            return [self.entries[name]]
        known = ", ".join([*sorted(self.sets), *sorted(self.entries)])
        raise NotFound("NO_ENTRY", f"the catalogue has no '{name}'; it has: {known}")

    def labels_of(self, entry: Entry) -> list[str]:
        """Return the labels of an entry. Raises InvalidArgument(BAD_CATALOGUE)."""
        if isinstance(entry.labels, tuple):
            return list(entry.labels)
        if entry.labels is None:
            return []
        return _read_labels(entry, entry.labels, self.labels_folder)


def bundled_catalogue() -> Catalogue:
    """The catalogue inside this package."""
    folder = _BUNDLED / "models"
    texts = [(one.name, one.read_text("utf-8")) for one in folder.iterdir() if one.name.endswith(".toml")]
    return _build([*texts, ("sets.toml", (_BUNDLED / "sets.toml").read_text("utf-8"))], None)


def open_catalogue(place: str | None) -> Catalogue:
    """Read the bundled catalogue, or the one at `place`: a folder of *.toml files, one such file, or its address.

    A file holds one entry, or any number of entries as [[model]] and of sets as [[set]]. Raises NotFound(NO_FILE),
    InvalidArgument(BAD_CATALOGUE, BAD_ADDRESS), Unavailable(NOT_FETCHED).
    """
    if place is None:
        return bundled_catalogue()
    if "://" in place:
        return _build([(place, _fetch(place))], None)
    path = Path(place)
    if not path.exists():
        raise NotFound("NO_FILE", f"{path} is not there")
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise InvalidArgument("BAD_CATALOGUE", f"{path} has no *.toml file")
    return _build([(str(file), _read(file)) for file in files], files[0].parent)


def _build(texts: Iterable[tuple[str, str]], folder: Path | None) -> Catalogue:
    entries: dict[str, Entry] = {}
    sets: dict[str, ModelSet] = {}
    for origin, text in texts:
        for kind, fields in _parts(origin, text):
            one = _validate(origin, kind, fields)
            if one.name in entries or one.name in sets:
                raise InvalidArgument("BAD_CATALOGUE", f"{origin}: '{one.name}' is there twice")
            if isinstance(one, Entry):
                entries[one.name] = one
            else:
                sets[one.name] = one
    for one_set in sets.values():
        if missing := set(one_set.models.values()) - set(entries):
            told = ", ".join(sorted(missing))
            raise InvalidArgument("BAD_CATALOGUE", f"the set '{one_set.name}' names models that are not there: {told}")
    return Catalogue(entries, sets, folder)


def _parts(origin: str, text: str) -> list[tuple[type[Entry] | type[ModelSet], dict[str, Any]]]:
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument("BAD_CATALOGUE", f"{origin} is not TOML: {error}") from None
    if "model" not in fields and "set" not in fields:
        return [(Entry, fields)]
    if not all(isinstance(fields.get(key, []), list) for key in ("model", "set")):
        raise InvalidArgument("BAD_CATALOGUE", f"{origin}: write [[model]] and [[set]], with two brackets")
    return [(Entry, one) for one in fields.get("model", [])] + [(ModelSet, one) for one in fields.get("set", [])]


def _validate(origin: str, kind: type[Entry] | type[ModelSet], fields: dict[str, Any]) -> Entry | ModelSet:
    try:
        one = kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = ": ".join(filter(None, (where, first["msg"].removeprefix("Value error, "))))
        raise InvalidArgument("BAD_CATALOGUE", f"{origin}: {problem}") from None
    if isinstance(one, Entry):
        for address in one.file.addresses:
            parse_address(address)
    return one


def _read_labels(entry: Entry, name: str, folder: Path | None) -> list[str]:
    bundled = _BUNDLED / "labels" / f"{name}.txt"
    if "/" not in name and bundled.is_file():
        text = bundled.read_text("utf-8")
    elif folder is not None and (file := (folder / name).resolve()).is_relative_to(folder.resolve()) and file.is_file():
        text = _read(file)
    else:
        raise InvalidArgument("BAD_CATALOGUE", f"{entry.name}: there are no labels '{name}'")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument("BAD_CATALOGUE", f"{file} is not text in UTF-8") from None


def _fetch(address: str) -> str:
    parse_address(address)
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            text: bytes = answer.read(_MOST_BYTES + 1)
    except (urllib.error.URLError, OSError) as error:
        raise Unavailable("NOT_FETCHED", f"{address}: {getattr(error, 'reason', error)}") from None
    if len(text) > _MOST_BYTES:
        raise InvalidArgument("BAD_CATALOGUE", f"{address} is larger than {_MOST_BYTES:,} bytes")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument("BAD_CATALOGUE", f"{address} is not text in UTF-8") from None
