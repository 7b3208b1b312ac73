"""The face service over gRPC. Its messages end here: use cases get domain values."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from convoy.client.channels import Connection
from convoy.client.credentials import Credentials
from convoy.client.failures import read_failure
from convoy.core.api import ServiceName
from convoy.core.errors import (
    ConvoyError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from convoy.core.models.calibration import FalseMatchCurve
from convoy.core.settings import Settings
from convoy.core.tracing import outgoing_trace
from convoy.recognition.domain.caller import current_call
from convoy.recognition.domain.face_source import FaceModel, ModelName
from convoy.recognition.domain.found_faces import EmbeddedFaces
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery, Model
from convoy.recognition.face_messages import options_message, picture_message, read_embedded_faces
from convoy.v1 import common_pb2, faces_pb2, faces_pb2_grpc

# Errors about the caller's picture or time: they are passed on as they are.
PASSED_ON = (InvalidArgument, NotFound, FailedPrecondition, ResourceExhausted, DeadlineExceeded)


class FacesClient:
    """See FaceSource."""

    def __init__(self, settings: Settings) -> None:
        self._credentials = Credentials(settings)
        addresses: dict[ServiceName, str] = {"faces": settings.faces_address}
        self._connection = Connection(
            addresses, settings.timeout_s, settings.max_message_mb << 20, self._credentials, may_proxy=False
        )
        self._address = settings.faces_address
        self._open()
        self._closing: asyncio.Future[None] | None = None
        self._models: dict[tuple[str, str], FaceModel] = {}
        self._asking = asyncio.Lock()

    def _open(self) -> None:
        self._pem = self._credentials.pem()
        self._channel = self._connection.open_aio("faces")
        self._stub: faces_pb2_grpc.FaceServiceAsyncStub = faces_pb2_grpc.FaceServiceStub(self._channel)

    def _renew(self) -> None:
        """Connect anew after certificates were rotated; calls on the old channel may finish."""
        if self._credentials.pem() is not self._pem:
            self._closing = asyncio.ensure_future(self._channel.close(self._connection.timeout_s))
            self._open()

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()
        if self._closing is not None:
            await self._closing

    async def model(self, embedder: ModelName | None = None) -> FaceModel:
        """See FaceSource."""
        return await self._model(_ref(*embedder) if embedder else None)

    async def model_of(self, gallery: Gallery) -> FaceModel:
        """See FaceSource."""
        try:
            found = await self._model(_ref(gallery.model.name, gallery.model.version))
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
            request.embedder.CopyFrom(_ref(gallery.model.name, gallery.model.version))
        try:
            response = await self._call("EmbedFaces", request)
        except NotFound:
            # The same model may be loaded under another version: its digest tells.
            request.ClearField("embedder")
            response = await self._call("EmbedFaces", request)
        model = await self._model_named(response.embedder)
        if gallery is not None:
            model.check_made(gallery)
        return model, list(map(read_embedded_faces, response.results))

    async def _model(self, embedder: common_pb2.ModelRef | None) -> FaceModel:
        response = await self._call("GetFaceModel", faces_pb2.GetFaceModelRequest(embedder=embedder))
        found = self._models[response.embedder.name, response.embedder.version] = _face_model(response)
        return found

    async def _model_named(self, embedder: common_pb2.ModelRef) -> FaceModel:
        """What is known of the embedder that answered; the face service is asked once."""
        key = (embedder.name, embedder.version)
        async with self._asking:
            if key not in self._models:
                await self._model(embedder)
            if key not in self._models:
                raise Unavailable("FACES_UNAVAILABLE", "the faces service is changing its model; try again")
            return self._models[key]

    async def _call(self, method: str, request: Any) -> Any:
        self._renew()
        call = current_call()
        metadata = self._credentials.metadata() + outgoing_trace()
        if call.request_id:
            metadata += (("x-request-id", call.request_id),)
        try:
            return await getattr(self._stub, method)(request, timeout=call.remaining_s(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise _passed_on(read_failure(error, "faces", self._address)) from None


def _passed_on(error: ConvoyError) -> ConvoyError:
    if isinstance(error, PASSED_ON):
        return error
    return Unavailable("FACES_UNAVAILABLE", f"the faces service is away: {error}", error.metadata)


def _ref(name: str, version: str) -> common_pb2.ModelRef:
    return common_pb2.ModelRef(name=name, version=version)


def _face_model(response: faces_pb2.GetFaceModelResponse) -> FaceModel:
    ref, table = response.embedder, response.calibration
    model = Model(ref.name, ref.version, response.embedder_sha256, response.embedding_size)
    curve = FalseMatchCurve(tuple(table.similarity), tuple(table.false_match_rate)) if table.similarity else None
    return FaceModel(model, response.default_match_threshold, curve)
