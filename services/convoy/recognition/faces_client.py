"""The face service over gRPC. Its messages end here: use cases get domain values."""

import asyncio
from collections.abc import Sequence

from convoy.core.errors import NotFound, Unavailable
from convoy.core.models.calibration import FalseMatchCurve, MissCurve
from convoy.core.settings import Settings
from convoy.recognition.domain.face_source import FaceModel, ModelName
from convoy.recognition.domain.found_faces import EmbeddedFaces
from convoy.recognition.domain.growth import Genuine
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery, Model
from convoy.recognition.face_messages import options_message, picture_message, read_embedded_faces
from convoy.recognition.service_client import ServiceClient
from convoy.v1 import common_pb2, faces_pb2, faces_pb2_grpc


class FacesClient:
    """See FaceSource."""

    def __init__(self, settings: Settings) -> None:
        self._service = ServiceClient(settings, "faces", settings.faces_address, faces_pb2_grpc.FaceServiceStub)
        self._models: dict[tuple[str, str, str], FaceModel] = {}
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        """Hang up."""
        await self._service.close()

    async def model(self, embedder: ModelName | None = None) -> FaceModel:
        """See FaceSource."""
        return await self._model(_ref(*embedder) if embedder else None)

    async def model_of(self, gallery: Gallery) -> FaceModel:
        """See FaceSource."""
        try:
            found = await self._model(*made_by(gallery))
        except NotFound:
            found = await self._model(None)
        found.check_made(gallery)
        return found

    async def embed(
        self, pictures: Sequence[Picture], options: DetectionOptions, gallery: Gallery | None = None
    ) -> tuple[FaceModel, list[EmbeddedFaces]]:
        """See FaceSource."""
        request = faces_pb2.EmbedFacesRequest(images=map(picture_message, pictures), options=options_message(options))
        if gallery is not None:
            embedder, request.embedder_sha256 = made_by(gallery)
            request.embedder.CopyFrom(embedder)
        try:
            response = await self._service.call("EmbedFaces", request)
        except NotFound:
            if gallery is None:
                raise
            # A face service of 0.1.0 knows no digests. What it has in use may be this model under another version.
            in_use = await self._model(None)
            in_use.check_made(gallery)
            request.embedder.CopyFrom(_ref(in_use.model.name, in_use.model.version))
            response = await self._service.call("EmbedFaces", request)
        model = await self._model_named(response.embedder, response.embedder_sha256)
        if gallery is not None:
            model.check_made(gallery)
        return model, list(map(read_embedded_faces, response.results))

    async def _model(self, embedder: common_pb2.ModelRef | None, sha256: str = "") -> FaceModel:
        request = faces_pb2.GetFaceModelRequest(embedder=embedder, embedder_sha256=sha256)
        response = await self._service.call("GetFaceModel", request)
        found = _face_model(response)
        named = response.embedder.name, response.embedder.version
        self._models[*named, ""] = self._models[*named, response.embedder_sha256] = found
        return found

    async def _model_named(self, embedder: common_pb2.ModelRef, sha256: str) -> FaceModel:
        """What is known of the embedder that answered; the face service is asked once.

        sha256: empty from a face service of 0.1.0.
        """
        key = (embedder.name, embedder.version, sha256)
        async with self._asking:
            if key not in self._models:
                await self._model(embedder, sha256)
            if key not in self._models:
                raise Unavailable("FACES_UNAVAILABLE", "the faces service is changing its model; try again")
            return self._models[key]


def made_by(gallery: Gallery) -> tuple[common_pb2.ModelRef, str]:
    """The embedder that made a gallery's templates, and its digest."""
    return _ref(gallery.model.name, gallery.model.version), gallery.model.sha256


def _ref(name: str, version: str) -> common_pb2.ModelRef:
    return common_pb2.ModelRef(name=name, version=version)


def _face_model(response: faces_pb2.GetFaceModelResponse) -> FaceModel:
    ref = response.embedder
    model = Model(ref.name, ref.version, response.embedder_sha256, response.embedding_size)
    return read_model(model, response.default_match_threshold, response.calibration)


def read_model(model: Model, default_match_threshold: float, table: faces_pb2.FaceCalibration) -> FaceModel:
    """An embedder, with what its calibration says."""
    curve = FalseMatchCurve(tuple(table.similarity), tuple(table.false_match_rate)) if table.similarity else None
    same_photo = None
    if table.same_photo_similarity:
        same_photo = FalseMatchCurve(tuple(table.same_photo_similarity), tuple(table.same_photo_false_match_rate))
    genuine, mates = None, table.genuine
    if mates.similarity:
        misses = MissCurve(tuple(mates.similarity), tuple(mates.false_non_match_rate))
        genuine = Genuine(misses, mates.pairs, mates.dataset)
    return FaceModel(model, default_match_threshold, curve, same_photo, genuine)
