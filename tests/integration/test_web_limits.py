"""Limits count the client for whom a web door calls, not the door."""

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from convoy.core.security.tokens import make_token, write_line
from convoy.testing.pictures import encode, plain
from convoy.v1 import classification_pb2, classification_pb2_grpc

from tests.serving import refusal, running
from tests.web_door import Door, web_door

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


async def test_new_tokens_open_the_door_without_a_restart_and_old_ones_do_so_no_more(
    tiny_repository: Path, tmp_path: Path
) -> None:
    file, first, second = tmp_path / "tokens", make_token(), make_token()
    file.write_text(write_line("caller", first, ["classification"]) + "\n")
    async with running("classification", tiny_repository, tokens_file=file) as service:
        address = f"127.0.0.1:{service.server.port}"

        def status(door: Door, token: str) -> int:
            return door.form("/v1/classify", [("image", encode(plain()))], authorization=f"Bearer {token}").status

        def rotate() -> list[int]:
            with web_door({"classification": address}) as door:
                before = [status(door, token) for token in (first, second)]
                file.write_text(write_line("caller", second, ["classification"]) + "\n")
                # A token that was good stays so for a moment, since the file may be half written.
                while status(door, first) == 200:
                    time.sleep(0.1)
                return [*before, *(status(door, token) for token in (first, second))]

        assert await asyncio.to_thread(rotate) == [200, 401, 401, 200]
