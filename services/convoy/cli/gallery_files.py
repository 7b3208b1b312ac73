"""The file of an exported gallery on this machine; its format is that of client/gallery_format.py."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from convoy.client.gallery_format import FIRST_LINE, HEAD, LENGTH, MOST_BYTES, Sealing, Secret
from convoy.core.errors import FailedPrecondition
from convoy.v1 import recognition_pb2 as api


class GalleryFile:
    """A file with parts of an export. Methods raise FailedPrecondition(BAD_GALLERY_FILE)."""

    def __init__(self, path: Path, sealing: Sealing) -> None:
        self.path = path
        self._sealing = sealing

    @classmethod
    def create(cls, path: Path, secret: Secret | None) -> Self:
        """Create a file without parts that only its owner may read."""
        sealing = Sealing.create(secret)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(sealing.head)
        return cls(path, sealing)

    @classmethod
    def open(cls, path: Path, secret: Secret | None) -> Self:
        """Open an existing file."""
        with path.open("rb") as file:
            facts = _facts(path, file)
        try:
            return cls(path, Sealing.read(facts, secret))
        except FailedPrecondition as error:
            raise _bad(path, error.message) from None

    def append(self, part: api.ExportGalleryResponse, number: int) -> None:
        """Append part `number`, counted from 0. It is on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(self._sealing.close(part, number))
            file.flush()
            os.fsync(file.fileno())

    def parts(self) -> Iterator[api.ExportGalleryResponse]:
        """Yield every part in order. Raises if one was changed or the last one is missing."""
        is_last, number = False, 0
        with self.path.open("rb") as file:
            _facts(self.path, file)
            while (read := self._read(file, number)) is not None:
                if is_last:
                    raise _bad(self.path, "there is more data after its last part")
                part, is_last = read
                yield part
                number += 1
        if not is_last:
            raise _bad(self.path, f"it ends after part {number}, before the last; run the export again to complete it")

    def resume(self) -> list[api.ExportGalleryResponse]:
        """The whole parts of a file whose export broke off. Removes half a part at its end."""
        parts: list[api.ExportGalleryResponse] = []
        with self.path.open("r+b") as file:
            _facts(self.path, file)
            while True:
                whole = file.tell()
                if (read := self._read(file, len(parts), may_end=True)) is None:
                    break
                parts.append(read[0])
            file.truncate(whole)
        return parts

    def _read(
        self, file: BinaryIO, number: int, may_end: bool = False
    ) -> tuple[api.ExportGalleryResponse, bool] | None:
        """The next part and whether it is the last; None at the end. may_end: the file may end within a part."""
        head = file.read(HEAD.size)
        if not head:
            return None
        length, is_last = HEAD.unpack(head) if len(head) == HEAD.size else (0, False)
        sealed = file.read(length) if length < MOST_BYTES else b""
        if len(head) < HEAD.size or len(sealed) < length < MOST_BYTES:
            if may_end:
                return None
            raise _bad(
                self.path, f"it ends within part {number + 1}, so it is incomplete; copy it again, or export again"
            )
        try:
            return self._sealing.open(sealed, number, is_last), is_last
        except FailedPrecondition as error:
            raise _bad(self.path, error.message) from None


def _facts(path: Path, file: BinaryIO) -> bytes:
    if file.read(len(FIRST_LINE)) != FIRST_LINE:
        raise _bad(path, "it is not a gallery file of convoy")
    length = file.read(LENGTH.size)
    facts = file.read(LENGTH.unpack(length)[0]) if len(length) == LENGTH.size else b""
    if not facts:
        raise _bad(path, "it ends within its header")
    return facts


def _bad(path: Path, why: str) -> FailedPrecondition:
    return FailedPrecondition("BAD_GALLERY_FILE", f"{path}: {why}", {"file": str(path)})
