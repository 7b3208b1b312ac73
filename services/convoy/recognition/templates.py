"""A template as bytes: how an embedding is laid out in the store."""

from typing import Protocol

import numpy as np

from convoy.recognition.index import Vector


class Codec(Protocol):
    """Turns the embeddings of one gallery into what the store keeps, and back."""

    def encode(self, person_id: str, face_id: str, embedding: Vector) -> bytes:
        """The bytes to keep."""

    def decode(self, person_id: str, face_id: str, template: bytes) -> Vector:
        """The embedding, unit length."""


class Plain:
    """Little-endian float32, in the clear."""

    def encode(self, person_id: str, face_id: str, embedding: Vector) -> bytes:
        """See Codec."""
        return embedding.astype("<f4").tobytes()

    def decode(self, person_id: str, face_id: str, template: bytes) -> Vector:
        """See Codec."""
        return np.frombuffer(template, "<f4")
