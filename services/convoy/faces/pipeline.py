"""Takes a picture through the faces models: find faces, align each, judge it, embed it. It knows no gRPC."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.pipeline import at_once, in_order, infer
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.serving.messages import pixels_of, read_image
from convoy.faces import task
from convoy.faces.alignment import DegenerateLandmarksError
from convoy.faces.looks import Place, merge_looks, take_looks
from convoy.faces.quality import FaceQuality, assess_quality
from convoy.v1 import common_pb2

FACES_IN_FLIGHT = 32
"""Most faces of one call that wait for the embedder; a crowd of 200 would fill the queue of the service."""


@dataclass(frozen=True, eq=False)
class JudgedFace:
    """A face with its aligned crop [112, 112, 3] and its quality; its embedding [D] once it is embedded."""

    detected: task.DetectedFace
    aligned_rgb: Pixels
    quality: FaceQuality
    embedding: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """The faces that the call asked for, largest first, and how many were found. Of the picture only sizes are kept."""

    picture: Picture
    faces: list[JudgedFace]
    found: int


class FacePipeline:
    """Detector and embedder of one host, one after the other."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    @property
    def detector(self) -> LoadedModel:
        """The face detector in use."""
        return self._host.in_use(self._host.settings.face_detector, Task.FACE_DETECTION)

    async def embedder(self, wanted: common_pb2.ModelRef, sha256: str = "") -> LoadedModel:
        """The face embedder that a call names, or the one in use.

        sha256: of its graph; a gallery is bound to it. Raises InvalidArgument(BAD_ARGUMENT), NotFound,
        FailedPrecondition(WRONG_TASK, BAD_MODEL).
        """
        if sha256 and not wanted.name:
            message = "embedder_sha256 goes with the embedder's name"
            raise InvalidArgument("BAD_ARGUMENT", message, {"field": "embedder_sha256"})
        if wanted.name and (wanted.version or sha256):
            return await self._host.version(wanted.name, wanted.version, sha256, Task.FACE_EMBEDDING)
        if wanted.name:
            return await self._host.model(wanted.name, wanted.version, Task.FACE_EMBEDDING)
        return self._host.in_use(self._host.settings.face_embedder, Task.FACE_EMBEDDING)

    async def detect(
        self, images: Sequence[common_pb2.Image], options: task.Options, deadline: float | None
    ) -> list[Photo]:
        """The faces of each image, in order. deadline: on time.monotonic's clock."""
        detector = self.detector
        manifest, limits = detector.manifest, self._host.limits

        def weigh(image: common_pb2.Image) -> int:
            return pixels_of(image, task.MIN_SIDE_PX)

        def prepare(image: common_pb2.Image) -> tuple[list[npt.NDArray[np.generic]], tuple[list[Place], Picture]]:
            picture = read_image(image, limits, task.MIN_SIDE_PX)
            looks = take_looks(picture, manifest, options)
            return [look.canvas for look in looks], ([look.place for look in looks], picture)

        def interpret(outputs: list[Outputs], where: tuple[list[Place], Picture]) -> Photo:
            places, picture = where
            everyone = replace(options, max_faces=None, largest_only=False)
            found = merge_looks(outputs, places, picture, manifest, everyone)
            judged = (_judge(picture, face) for face in task.select(found, options))
            return Photo(picture.outline(), [face for face in judged if face is not None], len(found))

        return await self._host.pipeline.run_looks(detector, images, prepare, interpret, weigh, deadline)

    async def embed(self, embedder: LoadedModel, photos: Sequence[Photo], deadline: float | None) -> list[Photo]:
        """The same photos with the embedding of each face. Faces of all photos may share batches."""
        places = asyncio.Semaphore(min(FACES_IN_FLIGHT, self._host.settings.queue_size))

        async def embed_face(face: JudgedFace) -> JudgedFace:
            async with places:
                outputs = await infer(embedder, face.aligned_rgb, deadline)
            vector = np.asarray(outputs["embeddings"], np.float32)
            return JudgedFace(face.detected, face.aligned_rgb, face.quality, vector)

        async def embed_photo(photo: Photo) -> Photo:
            faces = await at_once([asyncio.ensure_future(embed_face(face)) for face in photo.faces])
            return replace(photo, faces=faces)

        return await in_order(photos, embed_photo)


def _judge(picture: Picture, face: task.DetectedFace) -> JudgedFace | None:
    """The face aligned and judged; None where its landmarks cannot be a face's, so that nobody could recognise it."""
    try:
        aligned = task.align(picture, face)
    except DegenerateLandmarksError:
        return None
    return JudgedFace(face, aligned, assess_quality(aligned, face.landmarks_xy, face.score))
