"""Rows of a plain dump of PostgreSQL, as `pg_dump` writes it: COPY blocks, or INSERT statements. No server is needed.

A dump may be larger than memory, so rows are read one at a time, and each says where it stands.
Source: the chapters COPY (text format), String Constants and bytea of PostgreSQL's documentation.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from convoy.core.errors import InvalidArgument

MOST_BYTES = 256 << 20
"""The longest row. A photo of 64 MiB takes 128 MiB as hexadecimal digits."""
Row = dict[str, bytes | None]
_COPY = re.compile(rb"COPY (\S+) \((.*)\) FROM stdin;\s*$")
_INSERT = re.compile(rb"INSERT INTO (\S+)\s*(?:\(([^)]*)\)\s*)?(?:OVERRIDING \w+ VALUE\s*)?VALUES\s*")
_CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?(\S+) \(\s*$")
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_VALUE = re.compile(rb"\s*(?:(E?)'([^'\\]*(?:(?:''|\\.)[^'\\]*)*)'|([^',()\s]+))(?:::[\w .\[\]]+)?\s*", re.DOTALL)
_STANDARD = re.compile(rb"\s*(?:(E?)'([^']*(?:''[^']*)*)'|([^',()\s]+))(?:::[\w .\[\]]+)?\s*", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Where a row stands in the file: its statement or line, the columns, and the row's number in the statement."""

    offset: int
    columns: tuple[str, ...]
    number: int = -1


class Dump:
    """A dump on the disk. Raises InvalidArgument(BAD_ARGUMENT) for what is none, OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(b"PGDMP"):
            raise _bad(path, "is a dump in PostgreSQL's own format", "make text of it: pg_restore -f frs.sql DUMP")
        if head.startswith(b"\x1f\x8b"):
            raise _bad(path, "is compressed", "unpack it: gunzip DUMP.gz")
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _bad(path, "is in UTF-16, as PowerShell's > writes it", "use pg_dump -f frs.sql")

    def rows(self, tables: Collection[str]) -> Iterator[tuple[str, Row, Place]]:
        """The rows of these tables, named without schema, and where each stands; values as bytes, NULL as None."""
        columns_of: dict[str, tuple[str, ...]] = {}
        with self.path.open("rb") as file:
            while line := _line(file, self.path):
                if line.startswith(b"COPY ") and (begun := _COPY.match(line)):
                    yield from self._copied(file, _table(begun[1]), _names(begun[2]), tables)
                elif line.startswith(b"CREATE TABLE") and (begun := _CREATE.match(line)):
                    columns_of[_table(begun[1])] = tuple(_created(file, self.path))
                elif line.startswith(b"INSERT INTO ") and (begun := _INSERT.match(line)):
                    offset, table = file.tell() - len(line), _table(begun[1])
                    columns = _names(begun[2]) if begun[2] else columns_of.get(table, ())
                    statement = _statement(file, line, self.path)
                    if table in tables:
                        for number, row in enumerate(self._inserted(statement, columns)):
                            yield table, row, Place(offset, columns, number)

    def row_at(self, place: Place) -> Row:
        """Read a row again."""
        with self.path.open("rb") as file:
            file.seek(place.offset)
            line = _line(file, self.path)
            if place.number < 0:
                return self._split(line, place.columns)
            return list(self._inserted(_statement(file, line, self.path), place.columns))[place.number]

    def _copied(
        self, file: BinaryIO, table: str, columns: tuple[str, ...], tables: Collection[str]
    ) -> Iterator[tuple[str, Row, Place]]:
        while True:
            offset = file.tell()
            line = _line(file, self.path)
            if line.rstrip(b"\r\n") == b"\\.":
                return
            if not line.endswith(b"\n"):
                raise _bad(self.path, f"ends inside the table {table}", "dump again; the file is cut")
            if table in tables:
                yield table, self._split(line, columns), Place(offset, columns)

    def _split(self, line: bytes, columns: tuple[str, ...]) -> Row:
        values = line.rstrip(b"\r\n").split(b"\t")
        if len(values) != len(columns):
            raise _bad(self.path, f"has a row of {len(values)} values for {len(columns)} columns", "dump again")
        return {
            name: None if value == b"\\N" else _unescape(value) for name, value in zip(columns, values, strict=True)
        }

    def _inserted(self, statement: bytes, columns: tuple[str, ...]) -> Iterator[Row]:
        begun = _INSERT.match(statement)
        assert begun is not None
        at = begun.end()
        while statement[at : at + 1] == b"(":
            values: list[bytes | None] = []
            while statement[at : at + 1] in (b"(", b","):
                found = _STANDARD.match(statement, at + 1)
                if found and found[1]:
                    found = _VALUE.match(statement, at + 1)
                if not found:
                    raise _bad(self.path, "has an INSERT that cannot be read", "dump again without --inserts")
                values.append(_literal(found))
                at = found.end()
            if statement[at : at + 1] != b")" or len(values) != len(columns):
                raise _bad(self.path, "has an INSERT that cannot be read", "dump again without --inserts")
            yield dict(zip(columns, values, strict=True))
            at += 1
            while statement[at : at + 1] in (b",", b" ", b"\n", b"\r", b"\t"):
                at += 1


def bytea(value: bytes) -> bytes:
    """The bytes of a bytea value, in either form (hex, escape). Raises ValueError."""
    if value.startswith(b"\\x"):
        return bytes.fromhex(value[2:].decode("ascii"))
    return re.sub(rb"\\(\\|[0-7]{3})", lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1], 8) & 255]), value)


def _literal(found: re.Match[bytes]) -> bytes | None:
    escaped, quoted, bare = found.groups()
    if bare is not None:
        return None if bare.upper() == b"NULL" else bytes(bare)
    text = bytes(quoted).replace(b"''", b"'")
    return _unescape(text) if escaped else text


def _unescape(value: bytes) -> bytes:
    if b"\\" not in value:
        return value

    def one(found: re.Match[bytes]) -> bytes:
        digits, octal, other = found.groups()
        if digits is not None:
            return bytes([int(digits, 16)])
        if octal is not None:
            return bytes([int(octal, 8) & 255])
        return _ESCAPES.get(other, other)

    # Most photos: one backslash doubled, before the x, and nothing else.
    if value.startswith(b"\\\\x") and b"\\" not in value[2:]:
        return value[1:]
    return _ESCAPED.sub(one, value)


def _statement(file: BinaryIO, line: bytes, path: Path) -> bytes:
    """The whole of a statement that begins with this line: a text in it may have line breaks."""
    lines, quotes, size = [line], line.count(b"'"), len(line)
    while quotes % 2 or not lines[-1].rstrip().endswith(b";"):
        more = _line(file, path)
        if not more:
            raise _bad(path, "ends inside an INSERT", "dump again; the file is cut")
        lines.append(more)
        quotes += more.count(b"'")
        size += len(more)
        if size > MOST_BYTES:
            raise _bad(path, f"has a statement of more than {MOST_BYTES >> 20} MiB", "dump again without --inserts")
    return b"".join(lines)


def _created(file: BinaryIO, path: Path) -> Iterator[str]:
    while (line := _line(file, path)) and not line.startswith(b");"):
        word = line.split(None, 1)[0] if line.strip() else b""
        if word and word.upper() not in (b"CONSTRAINT", b"PRIMARY", b"UNIQUE", b"FOREIGN", b"CHECK"):
            yield _name(word)


def _line(file: BinaryIO, path: Path) -> bytes:
    line = file.readline(MOST_BYTES)
    if len(line) == MOST_BYTES:
        raise _bad(path, f"has a line of more than {MOST_BYTES >> 20} MiB", "it is no dump of CompreFace")
    return line


def _table(name: bytes) -> str:
    """public.subject -> subject."""
    return _name(name.rpartition(b".")[2])


def _names(names: bytes) -> tuple[str, ...]:
    return tuple(_name(one.strip()) for one in names.split(b","))


def _name(word: bytes) -> str:
    return word.strip(b'"').decode("utf-8", "replace")


def _bad(path: Path, what: str, hint: str) -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", f"{path.name} {what}", hint=hint)
