"""The clock by which recognition dates and expires jumps a day: nobody notices who has no expiry time."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fake_faces import FakeFaces, photo_of, serving
from tests.serving import Running, running

pytestmark = pytest.mark.redis
DAY_NS = 86_400 * 10**9


@pytest.fixture
async def server(redis_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with (
        serving(FakeFaces()) as address,
        running("recognition", tmp_path, redis_url=redis_url, faces_address=address) as one,
    ):
        yield one


async def says_serving(server: Running) -> None:
    """Return once health says SERVING; it looks once a second. The test's own time limit ends the wait."""
    stub = health_pb2_grpc.HealthStub(server.channel)
    while (await stub.Check(health_pb2.HealthCheckRequest())).status != health_pb2.HealthCheckResponse.SERVING:
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("jump_ns", [DAY_NS, -DAY_NS], ids=["ahead", "back"])
async def test_a_jump_of_the_clock_is_not_noticed(
    server: Running, jump_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = recognition_pb2_grpc.RecognitionServiceStub(server.channel)

    async def register_and_find(person: int) -> None:
        photo, person_id = photo_of(person, 0), f"p{person}"
        request = pb.RegisterRequest(gallery="staff", person_id=person_id, photos=[photo], request_id=f"r{person}")
        first = await stub.Register(request, timeout=20)
        assert (await stub.Register(request, timeout=20)).version == first.version
        found = await stub.Identify(
            pb.IdentifyRequest(gallery="staff", image=photo_of(person, 1), min_version=first.version), timeout=20
        )
        assert found.faces[0].matches[0].person_id == person_id

    await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"), timeout=20)
    await register_and_find(1)
    true_time_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: true_time_ns() + jump_ns)
    await register_and_find(2)
    monkeypatch.undo()
    await register_and_find(3)
    await says_serving(server)
    people = await stub.ListPeople(pb.ListPeopleRequest(gallery="staff"), timeout=20)
    assert [person.person_id for person in people.people] == ["p1", "p2", "p3"]
