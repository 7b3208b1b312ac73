"""A face service in this process that finds what the test says, for use cases without a server."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from convoy.core.errors import InvalidArgument, NotFound
from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.face_source import FaceModel, ModelName
from convoy.recognition.domain.found_faces import Box, EmbeddedFace, EmbeddedFaces, FoundFace, Quality, Size
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery, Model
from convoy.recognition.domain.vectors import Vector

DIMENSION = 8
MODEL = Model("fake-embedder", "1", "cd" * 32, DIMENSION)
CURVE = FalseMatchCurve((0.0, 0.2, 0.4, 0.6), (0.5, 1e-2, 1e-5, 1e-9))
GOOD = Quality(0.9, 0.9, 0.9, 0.9, 0.9)
FACE_MODEL = FaceModel(MODEL, 0.5, CURVE)


def axis(number: int, other: int = 0, similarity: float = 1.0) -> Vector:
    """A unit vector along one axis, or at that similarity to it, leaning towards another."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[number] = similarity
    if similarity < 1:
        vector[other] = np.sqrt(1 - similarity**2)
    return vector


def embedded(vector: Vector, quality: Quality = GOOD) -> EmbeddedFace:
    """A face with this embedding."""
    return EmbeddedFace(FoundFace(Box(0, 0, 100, 100), 0.99, quality), vector)


@dataclass
class FakeFaceSource:
    """Finds in the picture `b"name"` the faces that `shows` has under that name; any other is no picture."""

    shows: dict[bytes, Sequence[EmbeddedFace]] = field(default_factory=dict)
    face_model: FaceModel = FACE_MODEL
    asked: list[tuple[Sequence[Picture], DetectionOptions]] = field(default_factory=list)

    async def model(self, embedder: ModelName | None = None) -> FaceModel:
        if embedder and embedder.name != self.face_model.model.name:
            raise NotFound("MODEL_NOT_FOUND", f"there is no {embedder.name}")
        return self.face_model

    async def model_of(self, gallery: Gallery) -> FaceModel:
        self.face_model.check_made(gallery)
        return self.face_model

    async def embed(
        self, pictures: Sequence[Picture], options: DetectionOptions, gallery: Gallery | None = None
    ) -> tuple[FaceModel, list[EmbeddedFaces]]:
        self.asked.append((pictures, options))
        if gallery is not None:
            self.face_model.check_made(gallery)
        return self.face_model, [self._find(picture, options.only_largest) for picture in pictures]

    def _find(self, picture: Picture, only_largest: bool) -> EmbeddedFaces:
        if picture.encoded not in self.shows:
            raise InvalidArgument("NOT_AN_IMAGE", "the bytes are no picture")
        faces = tuple(self.shows[picture.encoded])
        return EmbeddedFaces(faces[:1] if only_largest else faces, Size(100, 100), len(faces))
