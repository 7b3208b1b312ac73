"""What every answer can do: become JSON, and show itself in a notebook."""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

if TYPE_CHECKING:
    import numpy.typing as npt

Document: TypeAlias = bool | int | float | str | list["Document"] | dict[str, "Document"] | None

OLD_KEYS = {"Label": {"name": "label"}}
"""By class: keys that scripts of an earlier version read, and the fields that have their values now."""


class Answer:
    """The base of everything that calls return."""

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON takes it: times in ISO 8601, embeddings as lists of numbers. Pixels are left out."""
        document = to_document(self)
        assert isinstance(document, dict)
        return document

    def _repr_html_(self) -> str:
        from convoy.client.notebooks import html_of

        return html_of(self)


def to_document(value: object) -> Document:
    """Turn a value of convoy.client.answers into JSON: times in ISO 8601, embeddings as lists. Pixels are left out."""
    if isinstance(value, datetime):
        return value.isoformat()
    if is_array(value):
        return [to_document(float(number)) for number in value]
    if is_dataclass(value):
        facts = {field.name: getattr(value, field.name) for field in fields(value)}
        document = {name: to_document(fact) for name, fact in facts.items() if not _is_pixels(fact)}
        return document | {old: document[new] for old, new in OLD_KEYS.get(type(value).__name__, {}).items()}
    if isinstance(value, Mapping):
        return {str(key): to_document(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_document(one) for one in value]
    if isinstance(value, float):
        # Most numbers come as 32-bit floats, which have no more digits than these.
        return float(f"{value:.7g}")
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"a {type(value).__name__} cannot become JSON")


def is_array(value: object) -> "TypeGuard[npt.NDArray[Any]]":
    """Whether this is an array. Where nobody has imported NumPy there are none, and this does not import it."""
    kind: Any = getattr(sys.modules.get("numpy"), "ndarray", None)
    return kind is not None and isinstance(value, kind)


def _is_pixels(value: object) -> bool:
    return isinstance(value, bytes) or (is_array(value) and (value.dtype.name == "uint8" or value.ndim > 1))
