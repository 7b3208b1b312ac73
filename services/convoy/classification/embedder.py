"""Pictures of anything to embeddings: messages to and from an embedder's graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from convoy.classification import task
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.calibrations import calibration_message
from convoy.core.serving.messages import image_size, model_ref
from convoy.core.serving.picture_service import PictureServicer
from convoy.v1 import classification_pb2 as pb

DEFAULT_MATCH_THRESHOLD = 0.5


class Embedder(PictureServicer[pb.EmbedImagesRequest, pb.ImageEmbedding, pb.EmbedImagesResponse]):
    """Answers with a host's embedders of things."""

    SERVICE = "classification"
    TASKS = (Task.EMBEDDING,)
    RESPONSE = pb.EmbedImagesResponse
    prepare = task.prepare

    async def find_model(self, request: Any) -> LoadedModel:
        """Get the embedder that a request names; with a version or a digest, also one that is not the newest."""
        wanted, sha256 = request.model, request.model_sha256
        if wanted.name and (wanted.version or sha256):
            return await self._host.version(wanted.name, wanted.version, sha256, Task.EMBEDDING)
        return await super().find_model(request)

    async def describe(self, request: pb.GetEmbedderRequest) -> pb.GetEmbedderResponse:
        """Name an embedder, and say what its similarities mean."""
        manifest = (await self.find_model(request)).manifest
        match = manifest.thresholds.match
        return pb.GetEmbedderResponse(
            model=model_ref(manifest),
            model_sha256=manifest.sha256,
            embedding_size=manifest.embedding_size or 0,
            default_match_threshold=DEFAULT_MATCH_THRESHOLD if match is None else match,
            calibration=calibration_message(manifest),
        )

    def complete(self, response: pb.EmbedImagesResponse, manifest: Manifest) -> None:
        """Say by which graph the embeddings were made: only those of one graph can be compared."""
        response.model_sha256 = manifest.sha256

    def interpreter(
        self, request: pb.EmbedImagesRequest, manifest: Manifest
    ) -> Callable[[Outputs, Placement, Picture], pb.ImageEmbedding]:
        """Return the function that writes a row of embeddings."""

        def interpret(outputs: Outputs, _: Placement, picture: Picture) -> pb.ImageEmbedding:
            values = np.asarray(outputs["embeddings"], np.float32)
            return pb.ImageEmbedding(values=values.tolist(), image_size=image_size(picture))

        return interpret
