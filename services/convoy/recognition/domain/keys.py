"""Keys for templates at rest: each gallery has its own data key, which is kept beside it, wrapped by a master key.

The master keys come from a file outside the store, one a line, each 32 bytes in base64. The first key wraps; the others
unwrap what they wrapped before. To rotate, you put a new key first: the sweep reads the file again and wraps every data
key anew, and then the old line can go. Templates stay as they are.
Deleting a gallery deletes its data key. Older backups still hold that key, wrapped; to erase them too, rotate the
master key and destroy the old one.
Wrapping is AES-256-GCM (NIST SP 800-38D) with the gallery's name as associated data.
"""

import base64
import hashlib
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from convoy.core.errors import FailedPrecondition

KEY_BYTES = 32
NONCE_BYTES = 12


class MasterKeys:
    """Wraps and unwraps data keys. Without a master key it makes no data key and reads none."""

    def __init__(self, keys: list[bytes], path: Path | None = None) -> None:
        self._path = path
        self._use(keys)

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """Read the file. Raises FailedPrecondition(BAD_KEY_FILE)."""
        return cls(cls._read(path) if path else [], path)

    def reload(self) -> None:
        """Read the file again. Raises FailedPrecondition(BAD_KEY_FILE): the keys read before stay in use."""
        if self._path:
            self._use(self._read(self._path))

    def _use(self, keys: list[bytes]) -> None:
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self.current = next(iter(self._keys), "")

    @staticmethod
    def _read(path: Path) -> list[bytes]:
        try:
            keys = [base64.b64decode(line, validate=True) for line in path.read_text().split()]
        except (OSError, ValueError):
            raise FailedPrecondition("BAD_KEY_FILE", f"{path} cannot be read as keys in base64") from None
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            message = f"{path} must hold keys of {KEY_BYTES} bytes in base64 (openssl rand -base64 {KEY_BYTES})"
            raise FailedPrecondition("BAD_KEY_FILE", message)
        return keys

    def new_data_key(self, gallery: str) -> str:
        """A wrapped key for a new gallery; empty when there is no master key."""
        return self._wrap(gallery, secrets.token_bytes(KEY_BYTES)) if self.current else ""

    def unwrap(self, gallery: str, wrapped: str) -> bytes:
        """The data key. Raises FailedPrecondition(KEY_MISSING)."""
        key_id, sealed = wrapped.split(":")
        facts = {"gallery": gallery, "key": key_id}
        if key_id not in self._keys:
            # Another replica may have read a new key already.
            with suppress(FailedPrecondition):
                self.reload()
        if key_id not in self._keys:
            message = (
                f"gallery {gallery!r} is sealed with master key {key_id}, which is not in CONVOY_TEMPLATE_KEY_FILE"
            )
            raise FailedPrecondition("KEY_MISSING", message, facts)
        try:
            return unseal(self._keys[key_id], base64.b64decode(sealed), gallery)
        except InvalidTag:
            raise FailedPrecondition("KEY_MISSING", f"the data key of gallery {gallery!r} is damaged", facts) from None

    def rewrap(self, gallery: str, wrapped: str) -> str:
        """The same data key, wrapped by the current master key; unchanged if it already is."""
        if not wrapped or not self.current or wrapped.startswith(f"{self.current}:"):
            return wrapped
        return self._wrap(gallery, self.unwrap(gallery, wrapped))

    def _wrap(self, gallery: str, data_key: bytes) -> str:
        sealed = seal(self._keys[self.current], data_key, gallery)
        return f"{self.current}:{base64.b64encode(sealed).decode()}"


def seal(cipher: AESGCM, plain: bytes, belongs_to: str) -> bytes:
    """A fresh nonce, the ciphertext and its tag; opens only for the same `belongs_to`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, belongs_to.encode())


def unseal(cipher: AESGCM, sealed: bytes, belongs_to: str) -> bytes:
    """The inverse of seal. Raises InvalidTag."""
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], belongs_to.encode())


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]
