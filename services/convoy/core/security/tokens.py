"""Static tokens, kept as hashes in a file. Each line has a name, the token's SHA-256 and scopes:

    door-camera sha256:9f86d081884c7d65... faces gallery:staff:read

A token is 256 random bits, so one round of SHA-256 hides it as well as a slow hash would. Two lines may have the same
name, so that you can replace a token without a gap.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.security.callers import Caller
from convoy.core.security.files import Watched, read_file
from convoy.core.security.scopes import is_scope

PREFIX = "convoy_"
_RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
OVERLAP_S = 1.0
_NAME = re.compile(r"[\w.@:/-]{1,128}", re.ASCII)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a caller and the SHA-256 of their token."""

    caller: Caller
    sha256: str


def make_token() -> str:
    """Make a new token. By its prefix, scanners find it where secrets leak."""
    return PREFIX + secrets.token_urlsafe(32)


def check_taken_over(key: str) -> str:
    """A key of another system, if it is as good as a token: a UUID of version 4, of which 122 bits are random.

    A password that somebody has chosen could be guessed from its hash. Raises InvalidArgument(BAD_ARGUMENT).
    """
    if not _RANDOM_UUID.fullmatch(key):
        hint = "make a token without --value-file, and give it to the client"
        raise InvalidArgument("BAD_ARGUMENT", "only a random UUID (version 4) can be taken over as a token", hint=hint)
    return key


def write_line(name: str, token: str, scopes: Sequence[str]) -> str:
    """Make the file's line for a token. Raises InvalidArgument(BAD_ARGUMENT) for a bad name or scope."""
    if not _NAME.fullmatch(name):
        raise InvalidArgument("BAD_ARGUMENT", f"{name!r} is not a name; use 1 to 128 letters, digits or ._-@:/")
    if unknown := [scope for scope in scopes if not is_scope(scope)]:
        raise InvalidArgument("BAD_ARGUMENT", f"{unknown[0]!r} is not a scope; docs/security.md lists them")
    return " ".join((name, f"sha256:{_sha256(token)}", *scopes))


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, after ending an unfinished last line. Only its owner may read a new file."""
    with open(path, "a+b", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.seek(0)
        content = file.read()
        start = "\n" if content and not content.endswith(b"\n") else ""
        file.write(f"{start}{line}\n".encode())


class Tokens:
    """The callers of a tokens file.

    Somebody may be writing the file in place while it is read, so that lines are missing. Tokens that were good stay so
    for a second after a change.
    """

    def __init__(self, path: Path) -> None:
        self._file = Watched([path], lambda: read_tokens(read_file(path)))
        self._entries = self._file.current()
        self._before: tuple[Entry, ...] = ()
        self._changed_at = 0.0

    def find(self, token: str) -> Caller | None:
        """Return the caller whose token this is. Compares every line, each in constant time."""
        presented, found = _sha256(token), None
        for entry in (*self._still_good(), *self._file.current()):
            if hmac.compare_digest(entry.sha256, presented):
                found = entry.caller
        return found

    def _still_good(self) -> tuple[Entry, ...]:
        """The entries before the last change, until OVERLAP_S after it."""
        entries = self._file.current()
        if entries is not self._entries:
            self._before, self._entries, self._changed_at = self._entries, entries, time.monotonic()
        return self._before if time.monotonic() - self._changed_at < OVERLAP_S else ()


def read_tokens(content: bytes) -> tuple[Entry, ...]:
    """Read the entries of a file, without empty lines and # comments. Raises FailedPrecondition(BAD_TOKENS_FILE)."""
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise FailedPrecondition("BAD_TOKENS_FILE", "the tokens file is not UTF-8 text") from None
    wanted = ((number, line.split()) for number, line in enumerate(lines, 1))
    return tuple(_read(number, words) for number, words in wanted if words and not words[0].startswith("#"))


def _read(number: int, words: list[str]) -> Entry:
    """Read one line. An error does not quote it: somebody may have put the token itself there."""
    name, digest, scopes = words[0], _DIGEST.fullmatch("".join(words[1:2])), words[2:]
    if not _NAME.fullmatch(name):
        problem = "the first word is not a name (1 to 128 letters, digits or ._-@:/)"
    elif digest is None:
        problem = "the second word is not sha256: and 64 hexadecimal digits"
    elif not scopes or not all(map(is_scope, scopes)):
        problem = "the words after the hash must be scopes, at least one"
    else:
        return Entry(Caller(name, frozenset(scopes)), digest[1])
    raise FailedPrecondition("BAD_TOKENS_FILE", f"line {number} of the tokens file: {problem}")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
