"""Many calls at once on one connection: those past its streams wait in the client, and none is refused for it."""

import asyncio
from pathlib import Path

import grpc
import pytest
from convoy.core.serving import server as rpc
from convoy.core.settings import Settings
from convoy.testing.tiny_models import write_repository
from convoy.v1 import models_pb2, models_pb2_grpc

from tests.serving import running

STREAMS = 8
CALLS = 2000


@pytest.fixture
def few_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection carries few calls at once, so that a small test has many more."""
    options = rpc._options

    def fewer(settings: Settings) -> list[tuple[str, int]]:
        return list((dict(options(settings)) | {"grpc.max_concurrent_streams": STREAMS}).items())

    monkeypatch.setattr(rpc, "_options", fewer)


async def test_calls_past_the_streams_of_a_connection_wait(tmp_path: Path, few_streams: None) -> None:
    async with running("classification", write_repository(tmp_path)) as service:
        address, options = f"127.0.0.1:{service.server.port}", [("grpc.enable_retries", 0)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            models = models_pb2_grpc.ModelServiceStub(channel)
            calls = (models.ListModels(models_pb2.ListModelsRequest()) for _ in range(CALLS))
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [answer for answer in answers if not isinstance(answer, models_pb2.ListModelsResponse)] == []
