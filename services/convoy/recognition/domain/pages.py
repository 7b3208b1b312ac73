"""Long lists in pages: the token of a page names its last entry, and the next page begins after it."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from convoy.core.errors import InvalidArgument
from convoy.core.names import is_id

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
# Redis numbers the entries of a stream with 64 bits.
_MOST_VERSION, _MOST_DIGITS = 2**63, 19
Entry = TypeVar("Entry")


class Page(NamedTuple, Generic[Entry]):
    """Some entries, and the token that asks for the next page; empty after the last page."""

    entries: Sequence[Entry]
    next_token: str


def page_size(asked: int) -> int:
    """How many entries a page has; 0 means 100. Raises InvalidArgument(BAD_ARGUMENT) above 1,000."""
    if asked > MAX_PAGE_SIZE:
        message = f"page_size is {asked}; at most {MAX_PAGE_SIZE} results come in a page"
        raise InvalidArgument("BAD_ARGUMENT", message, {"field": "page_size"})
    return asked or PAGE_SIZE


def cut(found: Sequence[Entry], size: int, token_of: Callable[[Entry], str]) -> Page[Entry]:
    """A page of what was found when one entry more than `size` was asked for."""
    return Page(found[:size], token_of(found[size - 1]) if len(found) > size else "")


def check_person_token(token: str) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) unless the token is a person's id, or empty for the first page."""
    if token and not is_id(token):
        raise bad_token()


def version_of(token: str) -> int:
    """Return the version that a token of versions names, 0 for the first page. Raises InvalidArgument(BAD_ARGUMENT)."""
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) <= _MOST_DIGITS and int(token) < _MOST_VERSION):
        raise bad_token()
    return int(token)


def bad_token() -> InvalidArgument:
    """The error for a token that no page had."""
    return InvalidArgument(
        "BAD_ARGUMENT",
        "page_token does not come from this call; send next_page_token as you got it",
        {"field": "page_token"},
    )
