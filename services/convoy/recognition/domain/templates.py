"""An embedding as the bytes that the store keeps: in the clear, or sealed."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from convoy.recognition.domain.keys import MasterKeys, seal, unseal
from convoy.recognition.domain.records import Gallery
from convoy.recognition.domain.vectors import Vector


class Codec(Protocol):
    """Turns the embeddings of one gallery into what the store keeps, and back."""

    def encode(self, person_id: str, face_id: str, embedding: Vector) -> bytes:
        """The bytes to keep."""

    def decode(self, person_id: str, face_id: str, template: bytes) -> Vector:
        """The embedding, unit length."""

    def decode_many(self, faces: Sequence[tuple[str, str]], templates: Sequence[bytes]) -> Vector:
        """The embeddings of these faces, given as (person id, face id), [faces, dimension]; at least one."""


class Plain:
    """Little-endian float32, in the clear."""

    def encode(self, person_id: str, face_id: str, embedding: Vector) -> bytes:
        """See Codec."""
        return embedding.astype("<f4").tobytes()

    def decode(self, person_id: str, face_id: str, template: bytes) -> Vector:
        """See Codec."""
        return np.frombuffer(template, "<f4")

    def decode_many(self, faces: Sequence[tuple[str, str]], templates: Sequence[bytes]) -> Vector:
        """See Codec."""
        return np.frombuffer(b"".join(templates), "<f4").reshape(len(templates), -1)


class Sealed:
    """AES-256-GCM over Plain, bound to gallery, person and face: a template that was moved elsewhere does not open."""

    def __init__(self, gallery: str, data_key: bytes) -> None:
        self._gallery = gallery
        self._cipher = AESGCM(data_key)
        self._plain = Plain()

    def encode(self, person_id: str, face_id: str, embedding: Vector) -> bytes:
        """See Codec."""
        return seal(self._cipher, self._plain.encode(person_id, face_id, embedding), self._place(person_id, face_id))

    def decode(self, person_id: str, face_id: str, template: bytes) -> Vector:
        """See Codec. Raises InvalidTag when the template is not what was kept here."""
        return self._plain.decode(person_id, face_id, unseal(self._cipher, template, self._place(person_id, face_id)))

    def decode_many(self, faces: Sequence[tuple[str, str]], templates: Sequence[bytes]) -> Vector:
        """See Codec. Raises InvalidTag when one is not what was kept there."""
        places = (self._place(*face) for face in faces)
        plain = [unseal(self._cipher, kept, place) for kept, place in zip(templates, places, strict=True)]
        return self._plain.decode_many(faces, plain)

    def _place(self, person_id: str, face_id: str) -> str:
        return f"{self._gallery} {person_id} {face_id}"


def codec_of(gallery: Gallery, keys: MasterKeys) -> Codec:
    """The codec of a gallery's templates. Raises FailedPrecondition(KEY_MISSING)."""
    return Sealed(gallery.name, keys.unwrap(gallery.name, gallery.data_key)) if gallery.data_key else Plain()
