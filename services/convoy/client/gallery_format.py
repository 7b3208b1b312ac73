"""The format of an exported gallery. With a key, nobody else can read it or change, move or remove a part unnoticed.

    convoy gallery 1\\n            a line
    length, facts                 JSON: the cipher, the salt, how the key is made
    (length, is last, seal)...    each part of an export, an ExportGalleryResponse

Lengths are four bytes, little-endian. With a key, each part is sealed by AES-256-GCM (NIST SP 800-38D) with its own
nonce. The associated data is the digest of all facts, the part's number, and whether it is the last; as in STREAM
(Hoang et al. 2015, "Online authenticated-encryption and its nonce-reuse misuse-resistance"), this detects parts that
were cut off, left out or moved. The key comes from the salt and a passphrase (scrypt, RFC 7914) or a key file
(HKDF, RFC 5869). Without a key, each part has a BLAKE2b digest of the same data: that detects damage, but anybody can
read and forge it.
"""

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

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
MOST_FACTS = 1 << 16
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


class Sealing:
    """Seals the parts of one file, and opens them."""

    def __init__(self, facts: bytes, seal: _Seal) -> None:
        self.head = FIRST_LINE + LENGTH.pack(len(facts)) + facts
        """What stands before the parts."""
        self._digest = _digest(facts)
        self._seal = seal

    @classmethod
    def create(cls, secret: Secret | None) -> Self:
        """For a new file."""
        salt = secrets.token_bytes(16)
        kinds = {"cipher": "aes-256-gcm", "key": secret.kind} if secret else {"cipher": ""}
        facts = json.dumps({**kinds, "salt": salt.hex()}).encode()
        return cls(facts, _Encrypted(secret.key(salt)) if secret else _Digested())

    @classmethod
    def read(cls, facts: bytes, secret: Secret | None) -> Self:
        """For a file with these facts. Raises FailedPrecondition(BAD_GALLERY_FILE)."""
        try:
            said = json.loads(facts)
            cipher, kind, salt = said["cipher"], said.get("key", ""), bytes.fromhex(said["salt"])
        except (ValueError, KeyError, TypeError):
            raise bad_file("its header is not readable") from None
        if not cipher:
            return cls(facts, _Digested())
        if secret is None or secret.kind != kind:
            wanted = "the passphrase" if kind == "scrypt" else "the key file"
            raise bad_file(f"it is encrypted; give {wanted} that it was written with")
        return cls(facts, _Encrypted(secret.key(salt)))

    def close(self, part: api.ExportGalleryResponse, number: int) -> bytes:
        """Part `number`, counted from 0, as it lies in the file."""
        is_last = not part.next_page_token
        sealed = self._seal.close(part.SerializeToString(), self._place(number, is_last))
        return HEAD.pack(len(sealed), is_last) + sealed

    def open(self, sealed: bytes, number: int, is_last: bool) -> api.ExportGalleryResponse:
        """A part without its head. Raises FailedPrecondition(BAD_GALLERY_FILE)."""
        part = self._seal.open(sealed, self._place(number, is_last))
        if part is None:
            raise not_openable(number)
        return api.ExportGalleryResponse.FromString(part)

    def _place(self, number: int, is_last: bool) -> bytes:
        return self._digest + struct.pack("<Q?", number, is_last)


class Unpacker:
    """Reads a file as it comes. most: the largest part, in bytes. Raises FailedPrecondition(BAD_GALLERY_FILE)."""

    def __init__(self, secret: Secret | None, most: int = MOST_BYTES) -> None:
        self._secret = secret
        self._most = most
        self._waiting = bytearray()
        self._sealing: Sealing | None = None
        self._number = 0
        self._has_ended = False

    @property
    def waiting(self) -> int:
        """How many bytes are kept because their part is not whole."""
        return len(self._waiting)

    def feed(self, content: bytes) -> list[api.ExportGalleryResponse]:
        """The parts that are whole now."""
        self._waiting += content
        if self._sealing is None and not self._begin():
            return []
        return list(self._parts())

    def end(self) -> None:
        """Nothing more comes. Raises if the last part is missing."""
        if not self._has_ended or self._waiting:
            raise bad_file(f"it ends after part {self._number}, before the last")

    def _begin(self) -> bool:
        start, head = len(FIRST_LINE), bytes(self._waiting[: len(FIRST_LINE)])
        if head != FIRST_LINE[: len(head)]:
            raise bad_file("it is not a gallery file of convoy")
        if len(self._waiting) < start + LENGTH.size:
            return False
        (length,) = LENGTH.unpack_from(self._waiting, start)
        if length > MOST_FACTS:
            raise bad_file("its header is not readable")
        end = start + LENGTH.size + length
        if len(self._waiting) < end:
            return False
        self._sealing = Sealing.read(bytes(self._waiting[start + LENGTH.size : end]), self._secret)
        del self._waiting[:end]
        return True

    def _parts(self) -> Iterator[api.ExportGalleryResponse]:
        assert self._sealing is not None
        while len(self._waiting) >= HEAD.size:
            length, is_last = HEAD.unpack_from(self._waiting)
            if self._has_ended or length > self._most:
                raise not_openable(self._number)
            if len(self._waiting) < HEAD.size + length:
                return
            part = self._sealing.open(bytes(self._waiting[HEAD.size : HEAD.size + length]), self._number, is_last)
            del self._waiting[: HEAD.size + length]
            self._number += 1
            self._has_ended = is_last
            yield part


def bad_file(why: str) -> FailedPrecondition:
    """The error for a file that cannot be read."""
    return FailedPrecondition("BAD_GALLERY_FILE", why)


def not_openable(number: int) -> FailedPrecondition:
    """The error for a part that does not fit the key, its place or its digest."""
    return bad_file(f"part {number + 1} does not open: the key is wrong, or the file was changed")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
