"""Versions, hot reload without a lost request, refusal of broken versions, loading and unloading over gRPC."""

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from convoy.core.errors import ConvoyError, FailedPrecondition
from convoy.core.manifest import MANIFEST_FILE, Task
from convoy.core.models.loaded_model import Loading
from convoy.core.models.repository import Repository
from convoy.testing import pictures
from convoy.testing.tiny_models import write_model
from convoy.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
    models_pb2,
    models_pb2_grpc,
)

from tests.serving import refusal, running

NAME = "cifar10-resnet"
REQUEST = classification_pb2.ClassifyRequest(
    images=[common_pb2.Image(encoded=pictures.encode(pictures.plain((220, 20, 20))))]
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_model(tmp_path, NAME, Task.CLASSIFICATION)
    return tmp_path


def add_version(models: Path, version: str, broken: bool = False) -> None:
    """Put a version in place as a careful operator does: written beside, then renamed."""
    write_model(models / "staging", NAME, Task.CLASSIFICATION, version)
    if broken:
        (models / "staging" / NAME / version / "model.onnx").write_bytes(b"no graph")
    (models / "staging" / NAME / version).rename(models / NAME / version)
    shutil.rmtree(models / "staging")


async def test_a_new_version_takes_over_and_no_request_is_lost(models: Path) -> None:
    async with running("classification", models, model_poll_s=0.1) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        versions: list[str] = []
        stop = asyncio.Event()

        async def ask() -> None:
            while not stop.is_set():
                versions.append((await stub.Classify(REQUEST)).model.version)

        callers = [asyncio.create_task(ask()) for _ in range(4)]
        add_version(models, "2")
        async with asyncio.timeout(30):
            while "2" not in versions:
                await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*callers)
        assert set(versions) == {"1", "2"}
        assert (await stub.Classify(REQUEST)).model.version == "2"


async def test_a_version_that_is_moved_away_is_rolled_back_and_no_request_is_lost(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    async with running("classification", models, model_poll_s=0.1) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        assert (await stub.Classify(REQUEST)).model.version == "2"
        (models / NAME / "2").rename(models.parent / "put-aside")
        async with asyncio.timeout(30):
            while (await stub.Classify(REQUEST)).model.version == "2":
                await asyncio.sleep(0.02)
        assert (await stub.Classify(REQUEST)).model.version == "1"


async def test_a_broken_version_is_refused_and_the_old_one_stays(models: Path) -> None:
    async with running("classification", models, model_poll_s=0.05, admin=True) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        admin = models_pb2_grpc.ModelServiceStub(service.channel)
        add_version(models, "2", broken=True)
        async with asyncio.timeout(30):
            while True:
                listed = {m.model.version: m for m in (await admin.ListModels(models_pb2.ListModelsRequest())).models}
                if "2" in listed and listed["2"].state == models_pb2.MODEL_STATE_REFUSED:
                    break
                await asyncio.sleep(0.02)
        assert "SHA-256" in listed["2"].problem
        assert listed["1"].state == models_pb2.MODEL_STATE_READY and listed["1"].is_default
        assert (await stub.Classify(REQUEST)).model.version == "1"
        answer = await refusal(
            admin.LoadModel, models_pb2.LoadModelRequest(model=common_pb2.ModelRef(name=NAME, version="2"))
        )
        assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BAD_MODEL")


async def test_versions_can_be_pinned_loaded_and_unloaded(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    write_model(models, "spare", Task.CLASSIFICATION)
    async with running("classification", models, model=f"{NAME}:1", model_poll_s=0, admin=True) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        admin = models_pb2_grpc.ModelServiceStub(service.channel)
        assert (await stub.Classify(REQUEST)).model.version == "1"
        two = common_pb2.ModelRef(name=NAME, version="2")
        loaded = await admin.LoadModel(models_pb2.LoadModelRequest(model=two))
        assert loaded.model.state == models_pb2.MODEL_STATE_READY and not loaded.model.is_default
        pinned = classification_pb2.ClassifyRequest(images=REQUEST.images, model=two)
        assert (await stub.Classify(pinned)).model.version == "2"
        await admin.UnloadModel(models_pb2.UnloadModelRequest(model=two))
        assert (await refusal(stub.Classify, pinned)).reason == "MODEL_NOT_FOUND"
        one = common_pb2.ModelRef(name=NAME, version="1")
        assert (await refusal(admin.UnloadModel, models_pb2.UnloadModelRequest(model=one))).reason == "DEFAULT_MODEL"
        spare = common_pb2.ModelRef(name="spare")
        await admin.UnloadModel(models_pb2.UnloadModelRequest(model=spare))
        unknown = models_pb2.LoadModelRequest(model=common_pb2.ModelRef(name="nobody"))
        assert (await refusal(admin.LoadModel, unknown)).code == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("settings", [{"admin": False}, {"host": "0.0.0.0"}, {"host": "127.0.0.1"}])
async def test_admin_calls_can_be_turned_off_and_are_off_without_tokens(models: Path, settings: dict[str, Any]) -> None:
    async with running("classification", models, **settings) as service:
        admin = models_pb2_grpc.ModelServiceStub(service.channel)
        request = models_pb2.LoadModelRequest(model=common_pb2.ModelRef(name=NAME))
        assert (await refusal(admin.LoadModel, request)).code == grpc.StatusCode.PERMISSION_DENIED


async def test_a_service_does_not_start_without_its_model(models: Path) -> None:
    def spoil() -> None:
        path = models / NAME / "1" / MANIFEST_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | {"task": "detection"}))

    for name, prepare, words in (
        ("classification", lambda: None, "no model named 'nobody'"),
        ("classification", spoil, "does detection"),
    ):
        prepare()
        with pytest.raises(ConvoyError, match=words):
            async with running(name, models, model="nobody" if "nobody" in words else ""):
                pass


async def test_a_model_of_another_task_is_told_from_one_that_is_not_there(models: Path) -> None:
    write_model(models, "cells", Task.DETECTION)
    cells = common_pb2.ModelRef(name="cells")
    request = classification_pb2.ClassifyRequest(images=REQUEST.images, model=cells)
    async with running("classification", models, model_poll_s=0.01, admin=True) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        admin = models_pb2_grpc.ModelServiceStub(service.channel)
        load = models_pb2.LoadModelRequest(model=cells)
        for call, wrong in ((stub.Classify, request), (admin.LoadModel, load)):
            answer = await refusal(call, wrong)
            assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_TASK")
        shutil.rmtree(models / "cells")
        while (await refusal(stub.Classify, request)).reason != "MODEL_NOT_FOUND":
            await asyncio.sleep(0.01)
        write_model(models, "cells", Task.CLASSIFICATION)
        listing = models_pb2.ListModelsRequest()
        while not any(
            one.model.name == "cells" and one.state == models_pb2.MODEL_STATE_AVAILABLE
            for one in (await admin.ListModels(listing)).models
        ):
            await asyncio.sleep(0.01)
        assert (await stub.Classify(request)).model.name == "cells"


@pytest.mark.parametrize(
    ("name", "version"), [(NAME, "1/."), (f"../{NAME}", "1"), (f"spare/../{NAME}", "1"), (NAME, "01")]
)
async def test_a_path_is_no_name_of_a_model(models: Path, name: str, version: str) -> None:
    async with running("classification", models, admin=True) as service:
        admin = models_pb2_grpc.ModelServiceStub(service.channel)
        request = models_pb2.LoadModelRequest(model=common_pb2.ModelRef(name=name, version=version))
        answer = await refusal(admin.LoadModel, request)
        assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
        assert len((await admin.ListModels(models_pb2.ListModelsRequest())).models) == 1


@pytest.mark.parametrize(
    ("task", "change", "words"),
    [
        (
            Task.CLASSIFICATION,
            {"labels": ["red", "green"]},
            r"probabilities has shape \[2, 3\]; the manifest says \[2, 2\]",
        ),
        (Task.DETECTION, {"labels": ["bright"]}, r"scores has shape \[2, 3, 2\]; the manifest says \[2, any, 1\]"),
        (Task.FACE_EMBEDDING, {"embedding_size": 128}, r"embeddings has shape \[2, 192\]"),
    ],
    ids=["labels", "classes", "dimension"],
)
async def test_a_manifest_that_promises_other_outputs_is_refused(
    tmp_path: Path, task: Task, change: dict[str, object], words: str
) -> None:
    path = write_model(tmp_path, "odd", task) / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with ThreadPoolExecutor(1) as executor, pytest.raises(FailedPrecondition, match=words):
        await Repository(tmp_path, list(Task), Loading(), executor).load("odd", "1")
