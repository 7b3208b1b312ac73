"""Limits count the client for whom a web door calls, not the door."""

from pathlib import Path

import grpc
import pytest
from convoy.testing.pictures import encode, plain
from convoy.v1 import classification_pb2, classification_pb2_grpc

from tests.serving import refusal, running

REQUEST = classification_pb2.ClassifyRequest(images=[{"encoded": encode(plain())}])
SECRET = "s" * 32


def named(client: str, secret: str = SECRET) -> tuple[tuple[str, str], ...]:
    return ("convoy-client", client), ("convoy-door", secret)


async def test_each_client_of_a_door_has_a_rate_of_its_own(tiny_repository: Path) -> None:
    limits = {"rate_limit": 0.001, "rate_limit_burst": 1, "door_secret": SECRET}
    async with running("classification", tiny_repository, **limits) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)

        async def call(metadata: tuple[tuple[str, str], ...]) -> object:
            return await stub.Classify(REQUEST, metadata=metadata)

        await call(named("203.0.113.1"))
        await call(named("203.0.113.2"))
        assert (await refusal(call, named("203.0.113.1"))).reason == "RATE_LIMITED"
        # Who has no secret is counted by the connection's own address, whatever it says.
        await call(named("203.0.113.3", "guess"))
        assert (await refusal(call, named("203.0.113.4", "guess"))).code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("secret", ["", SECRET])
async def test_a_door_is_no_caller_with_rights(tiny_repository: Path, tmp_path: Path, secret: str) -> None:
    (tmp_path / "tokens").write_text("")
    async with running(
        "classification", tiny_repository, tokens_file=tmp_path / "tokens", door_secret=secret
    ) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)

        async def call() -> object:
            return await stub.Classify(REQUEST, metadata=named("203.0.113.1"))

        assert (await refusal(call)).reason == "NO_CREDENTIALS"
