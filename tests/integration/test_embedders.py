"""Galleries of several embedders on one faces service: each is answered by its own, an older version too."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import onnx
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, Task, digest, load_manifest
from convoy.core.settings import Settings
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery, Model
from convoy.recognition.faces_client import FacesClient
from convoy.testing import pictures
from convoy.testing.tiny_models import EMBEDDER, HEADER, write_model, write_repository
from convoy.v1 import common_pb2, faces_pb2, faces_pb2_grpc

from tests.serving import refusal, running

NAME = "face-embedder"
PHOTO = pictures.encode(pictures.portrait(1))
LARGEST = DetectionOptions(only_largest=True)


def write_version(models: Path, version: str, threshold: float) -> None:
    """A version with another digest and another match threshold; its embeddings are the same."""
    folder = write_model(models, NAME, Task.FACE_EMBEDDING, version)
    graph = onnx.parser.parse_model(HEADER + EMBEDDER)
    graph.doc_string = f"version {version}"
    onnx.save(graph, folder / GRAPH_FILE)
    manifest = load_unchecked(folder)
    manifest.sha256, manifest.thresholds.match = digest(folder / GRAPH_FILE), threshold
    manifest.save(folder)


def load_unchecked(folder: Path) -> Manifest:
    return Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())


def gallery_of(models: Path, version: str, said: str = "") -> Gallery:
    """A gallery that this version made. said: the number under which the gallery knows it."""
    manifest = load_manifest(models / NAME / version)
    return Gallery("staff", Model(NAME, said or version, manifest.sha256, manifest.embedding_size or 0))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Version 1 as the tiny models are, 2 and 3 with other digests and match thresholds."""
    root = write_repository(tmp_path / "models")
    for version, threshold in (("2", 0.2), ("3", 0.3)):
        write_version(root, version, threshold)
    return root


@asynccontextmanager
async def asking(models: Path, **settings: object) -> AsyncIterator[FacesClient]:
    async with running("faces", models, **settings) as faces:
        client = FacesClient(Settings(faces_address=f"127.0.0.1:{faces.server.port}", timeout_s=20))
        try:
            yield client
        finally:
            await client.close()


async def embedder_of(client: FacesClient, gallery: Gallery | None) -> Model:
    """What embeds a photo for a gallery."""
    model, [faces] = await client.embed([Picture(encoded=PHOTO)], LARGEST, gallery)
    assert len(faces.faces) == 1
    return model.model


async def test_each_gallery_is_answered_by_the_version_that_made_it(models: Path) -> None:
    async with asking(models) as client:
        assert (await embedder_of(client, None)).version == "3"
        for version, threshold in (("1", 0.5), ("2", 0.2), ("3", 0.3)):
            gallery = gallery_of(models, version)
            assert (await embedder_of(client, gallery)).version == version
            # The calibration of the gallery's own embedder counts.
            assert (await client.model_of(gallery)).default_match_threshold == pytest.approx(threshold)
        assert (await embedder_of(client, None)).version == "3"


async def test_the_digest_decides_and_not_the_number(models: Path) -> None:
    async with asking(models) as client:
        assert (await embedder_of(client, gallery_of(models, "1", said="2"))).version == "1"
        assert (await embedder_of(client, gallery_of(models, "1", said="9"))).version == "1"


async def test_a_pinned_default_does_not_keep_others_out(models: Path) -> None:
    async with asking(models, face_embedder=f"{NAME}:2", models_loaded=2) as client:
        for version in ("3", "1", "3"):
            assert (await embedder_of(client, gallery_of(models, version))).version == version
            assert (await embedder_of(client, None)).version == "2"


async def test_without_its_folder_a_gallery_is_told_what_to_do(models: Path) -> None:
    gallery = gallery_of(models, "1")
    shutil.rmtree(models / NAME / "1")
    async with asking(models) as client:
        for call in (client.model_of(gallery), embedder_of(client, gallery)):
            with pytest.raises(FailedPrecondition) as caught:
                await call
            assert caught.value.reason == "MODEL_MISMATCH"
            assert f"put the folder {NAME}/1 back" in caught.value.hint
            assert "convoy gallery reembed" in caught.value.hint


async def test_a_call_may_name_an_embedder_by_its_digest(models: Path) -> None:
    sha256 = load_manifest(models / NAME / "1").sha256
    image, named = common_pb2.Image(encoded=PHOTO), common_pb2.ModelRef(name=NAME)
    async with running("faces", models) as faces:
        stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
        embed = faces_pb2.EmbedFacesRequest(images=[image], embedder=named, embedder_sha256=sha256)
        answer = await stub.EmbedFaces(embed)
        assert (answer.embedder.version, answer.embedder_sha256) == ("1", sha256)
        asked = faces_pb2.GetFaceModelRequest(embedder=named, embedder_sha256=sha256)
        assert (await stub.GetFaceModel(asked)).embedder.version == "1"
        asked.embedder_sha256 = "ab" * 32
        assert (await refusal(stub.GetFaceModel, asked)).reason == "MODEL_NOT_FOUND"
        asked.ClearField("embedder")
        assert (await refusal(stub.GetFaceModel, asked)).reason == "BAD_ARGUMENT"
        other = faces_pb2.GetFaceModelRequest(embedder=common_pb2.ModelRef(name="face-detector-nano", version="1"))
        assert (await refusal(stub.GetFaceModel, other)).reason == "WRONG_TASK"
