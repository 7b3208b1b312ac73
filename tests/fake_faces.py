"""A face service that finds in a "picture" what the picture says in JSON: faces with their embeddings and quality."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from convoy.core.errors import InvalidArgument, NotFound
from convoy.core.security.guard import Guard
from convoy.core.serving.interceptors import CallInterceptor
from convoy.core.settings import Settings
from convoy.v1 import common_pb2, faces_pb2, faces_pb2_grpc

DIMENSION = 256
SIMILARITY = [0.0, 0.2, 0.4, 0.6]
FALSE_MATCH_RATE = [0.5, 1e-2, 1e-5, 1e-9]


def look(person: int, photo: int = 0, noise: float = 0.2) -> list[float]:
    """The embedding of a photo of a person: photos of one are near to each other, photos of two are not."""
    rng = np.random.default_rng([person, photo])
    centre = np.random.default_rng(person).standard_normal(DIMENSION)
    vector = centre / np.linalg.norm(centre) + noise * rng.standard_normal(DIMENSION) / np.sqrt(DIMENSION)
    unit: list[float] = (vector / np.linalg.norm(vector)).tolist()
    return unit


def picture(*embeddings: Sequence[float], **quality: float) -> common_pb2.Image:
    """A picture of these faces, largest first."""
    return common_pb2.Image(encoded=json.dumps({"faces": [list(e) for e in embeddings], "quality": quality}).encode())


def photo_of(person: int, photo: int = 0, **quality: float) -> common_pb2.Image:
    """A picture of one person."""
    return picture(look(person, photo), **quality)


NOT_AN_IMAGE = common_pb2.Image(encoded=b"GIF89a?")


class FakeFaces(faces_pb2_grpc.FaceServiceServicer):
    """`sha256` and `version` may be changed: another model is in use then. others: more models, version to digest."""

    def __init__(self) -> None:
        self.sha256 = "cd" * 32
        self.version = "1"
        self.others: dict[str, str] = {}
        self.request_ids: list[str] = []
        self.asked: list[str] = []

    def embedder(self, wanted: common_pb2.ModelRef) -> common_pb2.ModelRef:
        version = wanted.version or self.version
        if version != self.version and version not in self.others:
            raise NotFound("MODEL_NOT_FOUND", f"there is no version {version}")
        return common_pb2.ModelRef(name="fake-embedder", version=version)

    async def EmbedFaces(self, request: faces_pb2.EmbedFacesRequest, context: Any) -> faces_pb2.EmbedFacesResponse:
        self.request_ids.append(dict(context.invocation_metadata()).get("x-request-id", ""))
        self.asked.append(request.embedder.version)
        embedder = self.embedder(request.embedder)
        largest = request.options.selection == faces_pb2.FACE_SELECTION_LARGEST
        results = [self._find(image, largest, embedder) for image in request.images]
        return faces_pb2.EmbedFacesResponse(results=results, embedder=embedder)

    async def GetFaceModel(
        self, request: faces_pb2.GetFaceModelRequest, context: object
    ) -> faces_pb2.GetFaceModelResponse:
        embedder = self.embedder(request.embedder)
        return faces_pb2.GetFaceModelResponse(
            embedder=embedder,
            embedder_sha256=self.others.get(embedder.version, self.sha256),
            embedding_size=DIMENSION,
            default_match_threshold=0.5,
            calibration=faces_pb2.FaceCalibration(similarity=SIMILARITY, false_match_rate=FALSE_MATCH_RATE),
        )

    def _find(self, image: common_pb2.Image, largest: bool, embedder: common_pb2.ModelRef) -> faces_pb2.Faces:
        try:
            said = json.loads(image.encoded)
        except ValueError:
            raise InvalidArgument("NOT_AN_IMAGE", "the bytes are no picture") from None
        parts = {"score": 0.9, "size": 0.9, "sharpness": 0.9, "exposure": 0.9, "frontality": 0.9} | said["quality"]
        faces = [
            faces_pb2.Face(
                box=common_pb2.Box(x_max=100 - i, y_max=100 - i),
                detection_score=0.99,
                quality=faces_pb2.FaceQuality(**parts),
                embedding=faces_pb2.Embedding(values=values, model=embedder),
            )
            for i, values in enumerate(said["faces"])
        ]
        size = common_pb2.Size(width=100, height=100)
        return faces_pb2.Faces(faces=faces[:1] if largest else faces, image_size=size, found=len(faces))


@asynccontextmanager
async def serving(faces: FakeFaces) -> AsyncIterator[str]:
    """The fake on a free port; gives its address."""
    server = grpc.aio.server(interceptors=[CallInterceptor("faces", Guard("faces", Settings()), {})])
    faces_pb2_grpc.add_FaceServiceServicer_to_server(faces, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
