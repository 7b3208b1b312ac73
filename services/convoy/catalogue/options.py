"""Turns an entry's options into what the import is told: the options of `convoy model import`, with underscores."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from convoy.catalogue.entry import Entry
from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    from convoy.importing.request import Request

OTHER_NAMES = {"pad": "pad_value"}
"""Options of the command whose fields in the request have other names."""


def read_options(entry: Entry) -> dict[str, Any]:
    """Read an entry's options as fields of the import's request. Raises InvalidArgument(BAD_CATALOGUE)."""
    from convoy.importing import words
    from convoy.importing.request import Request

    options = {OTHER_NAMES.get(name, name): value for name, value in entry.options.items()}
    if unknown := sorted(set(options) - {one.name for one in fields(Request)}):
        raise _bad(entry, f"there is no option {', '.join(unknown)}")
    readers = {"mean": words.read_channels, "std": words.read_channels}
    try:
        for name in readers.keys() & options.keys():
            if isinstance(options[name], str | int | float):
                options[name] = readers[name](f"--{name}", str(options[name]))
        if isinstance(options.get("priors"), str):
            options["priors"] = words.read_priors(options["priors"])
        if isinstance(options.get("input_size"), str):
            options["input_size"] = words.read_size(options["input_size"])
        if isinstance(options.get("boxes"), str):
            unit, form = words.read_boxes(options.pop("boxes"))
            options |= {name: word for name, word in (("boxes", unit), ("form", form)) if word is not None}
    except InvalidArgument as error:
        raise _bad(entry, error.message) from None
    return options


def make_request(entry: Entry, facts: Mapping[str, Any]) -> "Request":
    """Make the import's request from fields by name. Raises InvalidArgument(BAD_CATALOGUE)."""
    from convoy.importing.request import Request

    try:
        return TypeAdapter(Request).validate_python(facts)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidArgument("BAD_CATALOGUE", f"{entry.name}: options.{where}: {first['msg']}") from None


def _bad(entry: Entry, problem: str) -> InvalidArgument:
    return InvalidArgument("BAD_CATALOGUE", f"{entry.name}: options: {problem}")
