"""Takes a picture through the faces models: find faces, align each, judge it, embed it. It knows no gRPC."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from convoy.core.api import split_models
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.pipeline import at_once, in_order, infer
from convoy.core.pictures.decoding import Picture
from convoy.core.serving.messages import pixels_of, read_image
from convoy.faces import task
from convoy.faces.classifiers import check_classifier, read_attribute, read_liveness
from convoy.faces.judging import JudgedFace, judge_all
from convoy.faces.likeness import DRAWN
from convoy.faces.looks import Place, merge_looks, take_looks
from convoy.v1 import common_pb2

FACES_IN_FLIGHT = 32
"""Most faces of one call that wait for a model; a crowd of 200 would fill the queue of the service."""


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

    @property
    def liveness(self) -> list[LoadedModel]:
        """The networks that judge liveness. Raises FailedPrecondition(WRONG_TASK, BAD_MODEL)."""
        return self._classifiers(self._host.settings.face_liveness, self._host.settings.face_liveness_label)

    @property
    def attributes(self) -> list[LoadedModel]:
        """The classifiers that give attributes. Raises FailedPrecondition(WRONG_TASK, BAD_MODEL)."""
        return self._classifiers(self._host.settings.face_attributes, None)

    def check(self) -> None:
        """Raise FailedPrecondition(WRONG_TASK, BAD_MODEL) if a setting names a model that does not serve for it."""
        _ = self.detector, self.liveness, self.attributes

    def _classifiers(self, names: str, live_label: str | None) -> list[LoadedModel]:
        models = [self._host.in_use(name, Task.CLASSIFICATION) for name in split_models(names)]
        for model in models:
            check_classifier(model.manifest, live_label)
        return models

    async def detect(
        self, images: Sequence[common_pb2.Image], options: task.Options, deadline: float | None
    ) -> list[Photo]:
        """The faces of each image, in order. deadline: on time.monotonic's clock."""
        detector, liveness, attributes = self.detector, self.liveness, self.attributes
        classifiers = [model.manifest for model in (*liveness, *attributes)]
        manifest, limits = detector.manifest, self._host.limits
        with_likeness = self._host.settings.face_likeness and manifest.architecture != DRAWN

        def weigh(image: common_pb2.Image) -> int:
            return pixels_of(image, task.MIN_SIDE_PX)

        def prepare(image: common_pb2.Image) -> tuple[list[npt.NDArray[np.generic]], tuple[list[Place], Picture]]:
            picture = read_image(image, limits, task.MIN_SIDE_PX)
            looks = take_looks(picture, manifest, options)
            return [look.canvas for look in looks], ([look.place for look in looks], picture)

        def interpret(outputs: list[Outputs], where: tuple[list[Place], Picture]) -> Photo:
            places, picture = where
            everyone = replace(options, max_faces=None, largest_only=False)
            found = merge_looks(outputs, places, picture, manifest, everyone, with_likeness)
            judged = judge_all(picture, found, manifest, options, classifiers, with_likeness)
            return Photo(picture.outline(), judged.faces, len(found) - judged.dropped)

        photos = await self._host.pipeline.run_looks(detector, images, prepare, interpret, weigh, deadline)
        return await self._classify(photos, liveness, attributes, deadline) if classifiers else photos

    async def _classify(
        self,
        photos: Sequence[Photo],
        liveness: Sequence[LoadedModel],
        attributes: Sequence[LoadedModel],
        deadline: float | None,
    ) -> list[Photo]:
        """The same photos with what the classifiers say of each face."""
        models, label = [*liveness, *attributes], self._host.settings.face_liveness_label

        async def classify(face: JudgedFace) -> JudgedFace:
            answers = [
                (await infer(model, pixels, deadline, stages), model.manifest)
                for model, pixels, stages in zip(models, face.inputs, counted, strict=True)
            ]
            judged, further = answers[: len(liveness)], answers[len(liveness) :]
            score = read_liveness(judged, label) if judged else None
            said = tuple(read_attribute(outputs, manifest) for outputs, manifest in further)
            return replace(face, inputs=(), liveness=score, attributes=said)

        with ExitStack() as requests:
            counted = [requests.enter_context(model.statistics.request()) for model in models]
            return await self._with_each_face(photos, classify)

    async def embed(self, embedder: LoadedModel, photos: Sequence[Photo], deadline: float | None) -> list[Photo]:
        """The same photos with the embedding of each face. Faces of all photos may share batches."""

        async def embed_face(face: JudgedFace) -> JudgedFace:
            outputs = await infer(embedder, face.aligned_rgb, deadline, stages)
            return replace(face, embedding=np.asarray(outputs["embeddings"], np.float32))

        with embedder.statistics.request() as stages:
            return await self._with_each_face(photos, embed_face)

    async def _with_each_face(
        self, photos: Sequence[Photo], work: Callable[[JudgedFace], Awaitable[JudgedFace]]
    ) -> list[Photo]:
        """The same photos with `work` done on every face, FACES_IN_FLIGHT at a time."""
        places = asyncio.Semaphore(min(FACES_IN_FLIGHT, self._host.settings.queue_size))

        async def on_face(face: JudgedFace) -> JudgedFace:
            async with places:
                return await work(face)

        async def on_photo(photo: Photo) -> Photo:
            return replace(photo, faces=await at_once([asyncio.ensure_future(on_face(face)) for face in photo.faces]))

        return await in_order(photos, on_photo)
