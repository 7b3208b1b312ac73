"""Templates are sealed when a key is given, and what is deleted is gone: from the keys, the stream and the files."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convoy.recognition.use_cases import expiry as sweep
from convoy.testing.redis_servers import RedisServer
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc

from tests.fake_faces import FakeFaces, look, photo_of, serving
from tests.serving import refusal, running

pytestmark = pytest.mark.redis
STAFF = "staff"


@pytest.fixture
async def faces_address() -> AsyncIterator[str]:
    async with serving(FakeFaces()) as address:
        yield address


def traces(server: RedisServer, person: int) -> set[str]:
    """Where bytes of a person's template are: keys of Redis by dump, files by name."""
    vector = np.array(look(person), np.float32)
    # A stretch of the middle: whatever is around it, as long as the floats are there they are found.
    wanted = (vector / np.linalg.norm(vector)).astype("<f4").tobytes()[200:232]
    with server.client() as client:
        keys = {key.decode() for key in client.scan_iter() if wanted in everything_in(client, key)}
    return keys | {path.name for path in server.folder.rglob("*") if path.is_file() and wanted in path.read_bytes()}


def everything_in(client: Any, key: bytes) -> bytes:
    match client.type(key):
        case b"hash":
            return b"".join(part for item in client.hgetall(key).items() for part in item)
        case b"stream":
            return repr(client.xrange(key)).encode() + b"".join(
                part for _, fields in client.xrange(key) for item in fields.items() for part in item
            )
        case b"zset":
            return b"".join(client.zrange(key, 0, -1))
        case _:
            return client.dump(key)


def rewrite(server: RedisServer) -> None:
    """Have Redis write its append-only file anew, and wait for it."""
    with server.client() as client:
        client.bgrewriteaof()
        while (info := client.info("persistence"))["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"]:
            time.sleep(0.01)


async def register(stub: Any, person: int) -> None:
    request = pb.RegisterRequest(gallery=STAFF, person_id=f"p{person}", photos=[photo_of(person)])
    await stub.Register(request)


async def test_a_deleted_person_is_gone_from_redis_and_its_files(
    redis_server: RedisServer, faces_address: str, tmp_path: Path
) -> None:
    async with running("recognition", tmp_path, redis_url=redis_server.url, faces_address=faces_address) as one:
        stub: Any = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery=STAFF))
        for person in (1, 2):
            await register(stub, person)
        assert {key for key in traces(redis_server, 1) if key.startswith("convoy:")} == {"convoy:{staff}:templates"}
        await stub.DeletePerson(pb.DeletePersonRequest(gallery=STAFF, person_id="p1"))
        rewrite(redis_server)
        assert traces(redis_server, 1) == set()
        assert traces(redis_server, 2)
        await stub.DeleteGallery(pb.DeleteGalleryRequest(gallery=STAFF))
        rewrite(redis_server)
        assert traces(redis_server, 2) == set()


async def test_sealed_templates_are_nowhere_in_the_clear_and_still_found(
    redis_server: RedisServer, faces_address: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(base64.b64encode(b"k" * 32).decode())
    chosen = {"redis_url": redis_server.url, "faces_address": faces_address}
    async with running("recognition", tmp_path, template_key_file=keys, **chosen) as one:
        stub: Any = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery=STAFF))
        await register(stub, 1)
        assert traces(redis_server, 1) == set()
    async with running("recognition", tmp_path, template_key_file=keys, **chosen) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        answer = await stub.Identify(pb.IdentifyRequest(gallery=STAFF, image=photo_of(1, 5)))
        assert answer.faces[0].matches[0].person_id == "p1"
    async with running("recognition", tmp_path, **chosen) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        failed = await refusal(stub.Identify, pb.IdentifyRequest(gallery=STAFF, image=photo_of(1, 5)))
        assert failed.reason == "KEY_MISSING"


async def test_a_rotated_master_key_takes_over_and_the_old_one_can_go(
    redis_server: RedisServer, faces_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "INTERVAL_S", 0.1)
    keys, old, new = tmp_path / "keys", base64.b64encode(b"o" * 32).decode(), base64.b64encode(b"n" * 32).decode()
    chosen = {"redis_url": redis_server.url, "faces_address": faces_address, "template_key_file": keys}
    keys.write_text(old)
    async with running("recognition", tmp_path, **chosen) as one:
        stub: Any = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery=STAFF))
        await register(stub, 1)
        keys.write_text(f"{new}\n{old}\n")
        for _ in range(400):
            events = (await stub.ListAuditEvents(pb.ListAuditEventsRequest(gallery=STAFF))).events
            if events[0].action == "RotateKey":
                break
            await asyncio.sleep(0.05)
    keys.write_text(new)
    async with running("recognition", tmp_path, **chosen) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        answer = await stub.Identify(pb.IdentifyRequest(gallery=STAFF, image=photo_of(1, 5)))
        assert answer.faces[0].matches[0].person_id == "p1"
