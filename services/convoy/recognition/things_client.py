"""Embedders of things, in the classification service over gRPC, in the place of the face service.

A picture of a thing is taken as a whole, as one face that fills it would be.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convoy.core.settings import Settings
from convoy.recognition.domain.face_source import FaceModel, ModelName
from convoy.recognition.domain.found_faces import Box, EmbeddedFace, EmbeddedFaces, FoundFace, Quality, Size
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import THINGS, Gallery, Model
from convoy.recognition.face_messages import picture_message
from convoy.recognition.faces_client import made_by, read_model
from convoy.recognition.service_client import ServiceClient
from convoy.v1 import classification_pb2 as pb
from convoy.v1 import common_pb2
from convoy.v1.classification_pb2_grpc import ClassificationServiceStub

WHOLE = Quality(score=1.0, size=1.0, sharpness=1.0, exposure=1.0, frontality=1.0)
"""Nobody judges pictures of things."""


class ThingsClient:
    """See FaceSource. There is no embedder in use by default: each call names one."""

    def __init__(self, settings: Settings) -> None:
        address = settings.classification_address
        self._service = ServiceClient(settings, "classification", address, ClassificationServiceStub)
        self._models: dict[tuple[str, str], FaceModel] = {}

    async def close(self) -> None:
        """Hang up."""
        await self._service.close()

    async def model(self, embedder: ModelName | None = None) -> FaceModel:
        """See FaceSource."""
        name, version = embedder or ("", "")
        return await self._model(common_pb2.ModelRef(name=name, version=version))

    async def model_of(self, gallery: Gallery) -> FaceModel:
        """See FaceSource."""
        found = await self._model(*made_by(gallery))
        found.check_made(gallery)
        return found

    async def embed(
        self, pictures: Sequence[Picture], options: DetectionOptions, gallery: Gallery | None = None
    ) -> tuple[FaceModel, list[EmbeddedFaces]]:
        """See FaceSource. There is nothing to detect, so options change nothing."""
        request = pb.EmbedImagesRequest(images=map(picture_message, pictures))
        if gallery is not None:
            embedder, request.model_sha256 = made_by(gallery)
            request.model.CopyFrom(embedder)
        response = await self._service.call("EmbedImages", request)
        key = (response.model.name, response.model_sha256)
        if key not in self._models:
            await self._model(response.model, response.model_sha256)
        model = self._models[key]
        # The digest says which graph it is; its number may have changed.
        model = replace(model, model=replace(model.model, version=response.model.version))
        if gallery is not None:
            model.check_made(gallery)
        return model, list(map(_read, response.results))

    async def _model(self, embedder: common_pb2.ModelRef, sha256: str = "") -> FaceModel:
        request = pb.GetEmbedderRequest(model=embedder, model_sha256=sha256)
        response: Any = await self._service.call("GetEmbedder", request)
        ref = response.model
        model = Model(ref.name, ref.version, response.model_sha256, response.embedding_size, THINGS)
        found = read_model(model, response.default_match_threshold, response.calibration)
        self._models[ref.name, response.model_sha256] = found
        return found


def _read(result: pb.ImageEmbedding) -> EmbeddedFaces:
    size = Size(result.image_size.width, result.image_size.height)
    vector = np.array(result.values, np.float32)
    whole = FoundFace(Box(0.0, 0.0, float(size.width), float(size.height)), 1.0, WHOLE)
    return EmbeddedFaces((EmbeddedFace(whole, vector / np.linalg.norm(vector)),), size, 1)
