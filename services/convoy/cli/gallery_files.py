"""The file of an exported gallery. With a key, nobody else can read it or change, move or remove a part unnoticed.

    convoy gallery 1\\n            a line
    length, facts                 JSON: the cipher, the salt, how the key is made
    (length, is last, seal)...    each part of an export, an ExportGalleryResponse

Lengths are four bytes, little-endian. With a key, each part is sealed by AES-256-GCM (NIST SP 800-38D) with its own
nonce. The associated data is the digest of all facts, the part's number, and whether it is the last; as in STREAM
(Hoang et al. 2015, "Online authenticated-encryption and its nonce-reuse misuse-resistance"), this detects parts that
were cut off, left out or moved. The key comes from the file's salt and a passphrase (scrypt, RFC 7914) or a key file
(HKDF, RFC 5869). Without a key, each part has a BLAKE2b digest of the same data: that detects damage, but anybody can
read and forge it.
"""

import base64
import hashlib
import json
import os
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from convoy.core.errors import FailedPrecondition
from convoy.v1 import recognition_pb2 as api

FIRST_LINE = b"convoy gallery 1\n"
LENGTH = struct.Struct("<I")
HEAD = struct.Struct("<I?")
MOST_BYTES = 1 << 30
NONCE_BYTES = 12
DIGEST_BYTES = 32
KEY_BYTES = 32
SCRYPT = {"n": 2**15, "r": 8, "p": 1}


@dataclass(frozen=True)
class Secret:
    """The secret behind a file's key: a passphrase, or the 32 bytes of a key file."""

    kind: str
    content: bytes

    @classmethod
    def read(cls, key_file: Path) -> Self:
        """The key of a file: 32 bytes in base64. Raises FailedPrecondition(BAD_KEY_FILE)."""
        try:
            content = base64.b64decode(key_file.read_text().strip(), validate=True)
        except ValueError:
            content = b""
        if len(content) != KEY_BYTES:
            message = f"{key_file} must hold {KEY_BYTES} bytes in base64 (openssl rand -base64 {KEY_BYTES})"
            raise FailedPrecondition("BAD_KEY_FILE", message)
        return cls("hkdf-sha256", content)

    @classmethod
    def passphrase(cls, words: str) -> Self:
        """A passphrase that somebody remembers."""
        return cls("scrypt", words.encode())

    def key(self, salt: bytes) -> bytes:
        """The key of a file with this salt."""
        if self.kind == "scrypt":
            return Scrypt(salt, KEY_BYTES, **SCRYPT).derive(self.content)
        return HKDF(SHA256(), KEY_BYTES, salt, FIRST_LINE).derive(self.content)


class _Seal(Protocol):
    """Seals parts against changes, and opens them; None for a part that was changed."""

    def close(self, part: bytes, place: bytes) -> bytes: ...

    def open(self, sealed: bytes, place: bytes) -> bytes | None: ...


class _Encrypted:
    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, part: bytes, place: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, part, place)

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            return None


class _Digested:
    def close(self, part: bytes, place: bytes) -> bytes:
        return _digest(place + part) + part

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        part = sealed[DIGEST_BYTES:]
        return part if sealed[:DIGEST_BYTES] == _digest(place + part) else None


class GalleryFile:
    """A file with parts of an export. Methods raise FailedPrecondition(BAD_GALLERY_FILE)."""

    def __init__(self, path: Path, facts: bytes, seal: _Seal) -> None:
        self.path = path
        self._digest = _digest(facts)
        self._seal = seal

    @classmethod
    def create(cls, path: Path, secret: Secret | None) -> Self:
        """Create a file without parts that only its owner may read."""
        salt = secrets.token_bytes(16)
        kinds = {"cipher": "aes-256-gcm", "key": secret.kind} if secret else {"cipher": ""}
        facts = json.dumps({**kinds, "salt": salt.hex()}).encode()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(FIRST_LINE + LENGTH.pack(len(facts)) + facts)
        return cls(path, facts, _Encrypted(secret.key(salt)) if secret else _Digested())

    @classmethod
    def open(cls, path: Path, secret: Secret | None) -> Self:
        """Open an existing file."""
        with path.open("rb") as file:
            facts = _facts(path, file)
        try:
            said = json.loads(facts)
            cipher, kind, salt = said["cipher"], said.get("key", ""), bytes.fromhex(said["salt"])
        except (ValueError, KeyError, TypeError):
            raise _bad(path, "its header is not readable") from None
        if not cipher:
            return cls(path, facts, _Digested())
        if secret is None or secret.kind != kind:
            wanted = "the passphrase" if kind == "scrypt" else "the key file"
            raise _bad(path, f"it is encrypted; give {wanted} that it was written with")
        return cls(path, facts, _Encrypted(secret.key(salt)))

    def append(self, part: api.ExportGalleryResponse, number: int) -> None:
        """Append part `number`, counted from 0. It is on the disk when this returns."""
        is_last = not part.next_page_token
        sealed = self._seal.close(part.SerializeToString(), self._place(number, is_last))
        with self.path.open("ab") as file:
            file.write(HEAD.pack(len(sealed), is_last) + sealed)
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
        part = self._seal.open(sealed, self._place(number, is_last)) if len(sealed) == length else None
        if part is None:
            raise _bad(self.path, f"part {number + 1} does not open: the key is wrong, or the file was changed")
        return api.ExportGalleryResponse.FromString(part), is_last

    def _place(self, number: int, is_last: bool) -> bytes:
        return self._digest + struct.pack("<Q?", number, is_last)


def _facts(path: Path, file: BinaryIO) -> bytes:
    if file.read(len(FIRST_LINE)) != FIRST_LINE:
        raise _bad(path, "it is not a gallery file of convoy")
    length = file.read(LENGTH.size)
    facts = file.read(LENGTH.unpack(length)[0]) if len(length) == LENGTH.size else b""
    if not facts:
        raise _bad(path, "it ends within its header")
    return facts


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _bad(path: Path, why: str) -> FailedPrecondition:
    return FailedPrecondition("BAD_GALLERY_FILE", f"{path}: {why}", {"file": str(path)})
