"""What recognition needs of a face service: finding, judging and embedding faces. Written down here, kept elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from convoy.core.errors import FailedPrecondition
from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.records import Gallery, Model
from convoy.recognition.domain.vectors import Vector
from convoy.v1 import common_pb2, faces_pb2


@dataclass(frozen=True, slots=True)
class FaceModel:
    """The embedder in use, and how its similarities are read."""

    model: Model
    default_match_threshold: float
    curve: FalseMatchCurve | None

    def calibrated(self) -> FalseMatchCurve:
        """The false-match curve. Raises FailedPrecondition(NOT_CALIBRATED)."""
        if self.curve is None:
            raise FailedPrecondition("NOT_CALIBRATED", f"{self.model.name} has no calibration; give match_threshold")
        return self.curve

    def check_made(self, gallery: Gallery) -> None:
        """Raise FailedPrecondition(MODEL_MISMATCH) unless the gallery's templates come from this embedder."""
        bound = gallery.model
        if (bound.name, bound.sha256) != (self.model.name, self.model.sha256):
            message = (
                f"gallery {gallery.name!r} was made by {bound.name}:{bound.version} ({bound.sha256[:12]}…), the faces "
                f"service runs {self.model.name}:{self.model.version} ({self.model.sha256[:12]}…); load that model or "
                "register the people in a new gallery"
            )
            facts = {"gallery_model_sha256": bound.sha256, "model_sha256": self.model.sha256}
            raise FailedPrecondition("MODEL_MISMATCH", message, facts)


class FaceSource(Protocol):
    """A face service. Methods raise its errors, and Unavailable(FACES_UNAVAILABLE) when it cannot be reached."""

    async def model(self, embedder: common_pb2.ModelRef | None = None) -> FaceModel:
        """The embedder of that name, or the one in use. Raises NotFound(MODEL_NOT_FOUND)."""

    async def model_of(self, gallery: Gallery) -> FaceModel:
        """The embedder that made the gallery. Raises FailedPrecondition(MODEL_MISMATCH)."""

    async def embed(
        self,
        images: Sequence[common_pb2.Image],
        options: faces_pb2.FaceDetectionOptions,
        gallery: Gallery | None = None,
    ) -> tuple[FaceModel, list[faces_pb2.Faces]]:
        """The faces of each picture, with embeddings, and the embedder that made them: the gallery's, or that in use.

        Raises FailedPrecondition(MODEL_MISMATCH) when the gallery's is not to be had.
        """


def embedding_of(face: faces_pb2.Face) -> Vector:
    """The embedding, brought to unit length."""
    vector = np.fromiter(face.embedding.values, np.float32, len(face.embedding.values))
    return vector / np.linalg.norm(vector)


def without_embedding(face: faces_pb2.Face) -> faces_pb2.Face:
    """The face as callers may see it."""
    seen = faces_pb2.Face()
    seen.CopyFrom(face)
    seen.ClearField("embedding")
    seen.ClearField("aligned_crop")
    return seen
