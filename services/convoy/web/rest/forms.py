"""Reads multipart forms in memory: no picture is ever written to disk."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_PARTS = 1000
MOST_FIELD_BYTES = 256 * 1024
MOST_HEAD_BYTES = 16 * 1024
MOST_BOUNDARY = 256


@dataclass(slots=True)
class Part:
    """One part of a form. is_file: whether it came with a file name."""

    name: str = ""
    is_file: bool = False
    content: bytearray = field(default_factory=bytearray)

    def text(self) -> str:
        """The value of a field. Raises InvalidArgument(BAD_ARGUMENT)."""
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            raise InvalidArgument("BAD_ARGUMENT", f"{self.name} is not UTF-8") from None


async def read_form(content_type: str, chunks: AsyncIterator[bytes]) -> list[Part]:
    """The parts of a form, in their order. Raises InvalidArgument(BAD_ARGUMENT) and what `chunks` raises."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MOST_BOUNDARY:
        raise _unreadable("its content type names no boundary")
    reader = _Reader()
    parser = MultipartParser(boundary, reader.callbacks())
    try:
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise _unreadable(str(error)[:100]) from None
    if not reader.has_ended:
        raise _unreadable("it ends too early")
    return reader.parts


class _Reader:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.has_ended = False
        self._name = b""
        self._value = b""
        self._head_bytes = 0

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._take_name,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_head,
            "on_part_data": self._take_content,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise _unreadable(f"it has more than {MOST_PARTS} parts")
        self.parts.append(Part())
        self._head_bytes = 0

    def _take_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._head(data[start:end])

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._head(data[start:end])

    def _head(self, data: bytes) -> bytes:
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            raise _unreadable("the head of a part is too long")
        return data

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self.parts[-1].name = options.get(b"name", b"").decode(errors="replace")
            self.parts[-1].is_file = b"filename" in options or b"filename*" in options
        self._name = self._value = b""

    def _end_head(self) -> None:
        if not self.parts[-1].name:
            raise _unreadable("a part has no name")

    def _take_content(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.content += data[start:end]
        if not part.is_file and len(part.content) > MOST_FIELD_BYTES:
            raise _unreadable(f"{part.name[:60]} is longer than {MOST_FIELD_BYTES // 1024} KiB, and no file")

    def _end(self) -> None:
        self.has_ended = True


def _unreadable(why: str) -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", f"the form is not readable: {why}")


def files_and_fields(parts: list[Part]) -> Iterator[tuple[str, bytes | str]]:
    """Name and content of each part: bytes of a file, text of a field."""
    for part in parts:
        yield part.name, bytes(part.content) if part.is_file else part.text()
