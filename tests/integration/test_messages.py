"""Messages over the wire: bounded while they arrive, whatever they claim to be, and whoever sends them."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from convoy.core.security.demands import DEMANDS
from convoy.core.serving import arrivals, receiving
from convoy.core.serving.arrivals import SMALL_MESSAGE
from convoy.core.serving.receiving import Receiver
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2, common_pb2, segmentation_pb2, segmentation_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.raw_http2 import PING, PREFACE, Stalled, frame
from tests.serving import Running, refusal, running

MIB = 2**20
CLASSIFY = "/convoy.v1.ClassificationService/Classify"
STREAM = "/convoy.v1.ClassificationService/ClassifyStream"
HEALTH = "/grpc.health.v1.Health/Check"
UNKNOWN = b"\xc2\x3e"  # field 1000, length-delimited
PICTURE = common_pb2.Image(encoded=pictures.encode(pictures.plain()))
GOOD = classification_pb2.ClassifyRequest(images=[PICTURE]).SerializeToString()
OWN = [
    m
    for m in DEMANDS
    if m.split("/")[1] in ("convoy.v1.ClassificationService", "convoy.v1.ModelService") or "Inference" in m
]


def padded(mib: int) -> bytes:
    """A message that has one field, which nobody knows, of so many MiB."""
    size, length = mib * MIB, b""
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return UNKNOWN + length + bytes([size]) + bytes(mib * MIB)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def service(models: Path) -> AsyncIterator[Running]:
    async with running("classification", models, message_memory_mb=32, max_message_mb=16) as service:
        yield service


@pytest.fixture
async def zipping(service: Running) -> AsyncIterator[grpc.aio.Channel]:
    address = f"127.0.0.1:{service.server.port}"
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options, compression=grpc.Compression.Gzip) as channel:
        yield channel


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_calls_are_answered(service: Running, compression: grpc.Compression) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.server.port}", compression=compression) as channel:
        answer = await channel.unary_unary(CLASSIFY)(GOOD)
        assert classification_pb2.ClassifyResponse.FromString(answer).results
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1


async def test_a_compressed_message_may_not_grow_beyond_the_limit(zipping: grpc.aio.Channel) -> None:
    for method in (CLASSIFY, HEALTH):
        refused = await refusal(zipping.unary_unary(method), padded(17))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE")


async def test_millions_of_empty_entries_are_refused_by_every_call(zipping: grpc.aio.Channel) -> None:
    content = b"\x0a\x00" * (7 * MIB)
    assert len(gzip.compress(content)) < 20_000
    for method in OWN:
        refused = await refusal(zipping.stream_unary(method), iter([content]))
        allowed = {"TOO_MANY_FIELDS", "MESSAGE_TOO_LARGE"}  # the latter where anybody may call
        assert refused.reason in allowed, method


@pytest.mark.parametrize("method", [HEALTH, "/inference.GRPCInferenceService/ServerLive"])
async def test_anybody_may_send_no_more_than_a_small_message(models: Path, tmp_path: Path, method: str) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("")
    async with running("classification", models, tokens_file=tokens, max_message_mb=16) as service:
        call = service.channel.unary_unary(method)
        await call(b"")
        refused = await refusal(call, padded(1))
        assert refused.reason == "MESSAGE_TOO_LARGE"
        assert refused.metadata["max_message_bytes"] == str(SMALL_MESSAGE)


def receiver_of(service: Running) -> Receiver:
    return service.server._receiver


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(arrivals, "NO_PROGRESS_S", 0.3)
    monkeypatch.setattr(arrivals, "_CALM_S", 0.05)
    return


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", [CLASSIFY, STREAM])
async def test_a_message_that_does_not_come_on_is_given_up(service: Running, path: str) -> None:
    stalled = await Stalled.begin(service.server.port, path, 8 * MIB, MIB)
    await asyncio.wait_for(stalled.end(), 20)
    assert receiver_of(service).room.used == 0


async def test_a_connection_without_a_call_is_closed(models: Path) -> None:
    async with running("classification", models, max_connection_age_s=1.0) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.server.port)
        writer.write(PREFACE)
        async with asyncio.timeout(60):
            while head := await reader.read(9):
                content = await reader.readexactly(int.from_bytes(head[:3]))
                if head[3] == PING:
                    writer.write(frame(PING, 1, 0, content))
        writer.close()


@pytest.mark.usefixtures("impatient")
async def test_a_message_that_drips_is_given_up(service: Running) -> None:
    """It never stands still, and has less than a KiB a second."""
    dripping = await Stalled.begin(service.server.port, CLASSIFY, 8 * MIB, 1)
    ending = asyncio.ensure_future(dripping.end())
    while not ending.done():
        await dripping.send(1)
        await asyncio.sleep(0.05)
    assert b"grpc-status" in ending.result()


async def test_stalled_messages_make_way_where_nobody_counts_what_arrives(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on systems other than Linux: two messages of one host have all that is reserved for it."""
    monkeypatch.setattr(arrivals, "can_count", lambda: False)
    monkeypatch.setattr(receiver_of(service).arrivals._connections, "received", lambda *peers: {})
    monkeypatch.setattr(arrivals, "_PRESSED_S", 0.5)
    stalled = [await Stalled.begin(service.server.port, CLASSIFY, 8 * MIB, 1000) for _ in range(2)]
    await until(lambda: receiver_of(service).room.used >= 16 * MIB)
    assert await service.channel.unary_unary(CLASSIFY)(GOOD, timeout=30)
    for one in stalled:
        await asyncio.wait_for(one.end(), 20)


@pytest.mark.parametrize(("path", "may_search"), [(CLASSIFY, True), (CLASSIFY, False), (STREAM, True)])
async def test_what_arrives_before_the_first_look_counts(
    service: Running, monkeypatch: pytest.MonkeyPatch, path: str, may_search: bool
) -> None:
    """6 of 8 MiB are here when somebody first looks. Where the connection was not found at once, all that is reserved
    for the message stays so."""
    monkeypatch.setattr(arrivals, "_TICK_S", 0.5)
    monkeypatch.setattr(arrivals, "_CALM_S", 0.0)
    receiver, looks = receiver_of(service), []
    receiver.arrivals._next_search_at = 0.0 if may_search else float("inf")
    look = receiver.arrivals._look
    monkeypatch.setattr(receiver.arrivals, "_look", lambda *asked: (looks.append(asked), look(*asked)))
    stalled = await Stalled.begin(service.server.port, path, 8 * MIB, 6 * MIB)
    await until(lambda: len(looks) >= 3)
    counted = receiver.room.used / MIB
    assert 5.75 < counted < 6.25 if may_search else counted == 8
    stalled.close()
    await until(lambda: receiver.room.used == 0)


async def test_only_the_slowest_message_makes_way_for_who_waits(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under pressure the slowest goes, and then there is room: a faster one may take as long as it takes."""
    monkeypatch.setattr(arrivals, "_PRESSED_S", 0.2)
    monkeypatch.setattr(arrivals, "_PRESSED_PROGRESS_S", 60.0)
    monkeypatch.setattr(arrivals, "_CALM_S", 0.05)
    room = receiver_of(service).room
    slow, fast = [await Stalled.begin(service.server.port, CLASSIFY, 8 * MIB, 1000) for _ in range(2)]
    await until(lambda: room.used == 16 * MIB)
    await until(lambda: room.used < MIB)  # from now on, what arrives counts
    await slow.send(MIB)
    await fast.send(2 * MIB)
    await until(lambda: room.used > 2.5 * MIB)
    room.add("others", room.most - room.used)
    waiting, faster = asyncio.ensure_future(room.take("calm", "c", MIB // 2)), asyncio.ensure_future(fast.end())
    await asyncio.wait_for(slow.end(), 20)
    assert await waiting
    assert not faster.done()
    fast.close()
    faster.cancel()
    room.give("calm", MIB // 2)


async def test_a_stream_waits_for_room_as_long_as_it_takes(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "LONGEST_WAIT_S", 0.1)
    room = receiver_of(service).room
    room.add("others", room.most + 1)
    stream = service.channel.stream_stream(STREAM)()
    await stream.write(b"")
    reading = asyncio.ensure_future(stream.read())
    assert (await refusal(service.channel.unary_unary(CLASSIFY), GOOD)).reason == "MESSAGES_FULL"
    assert not reading.done()
    room.give("others", room.most + 1)
    assert await asyncio.wait_for(reading, 20) is not grpc.aio.EOF
    stream.cancel()


async def test_a_call_waits_for_room_until_its_deadline(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "LONGEST_WAIT_S", 0.1)
    room = receiver_of(service).room
    room.add("others", room.most + 1)
    waiting = asyncio.ensure_future(service.channel.unary_unary(CLASSIFY)(GOOD, timeout=60))
    assert (await refusal(service.channel.unary_unary(CLASSIFY), GOOD)).reason == "MESSAGES_FULL"  # no deadline
    assert (await refusal(partial(service.channel.unary_unary(CLASSIFY), timeout=1), GOOD)).reason == "MESSAGES_FULL"
    assert not waiting.done()
    room.give("others", room.most + 1)
    assert await waiting


async def test_of_ones_own_messages_the_slowest_makes_way(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody behind the same address sends slowly on purpose."""
    monkeypatch.setattr(arrivals, "_PRESSED_S", 0.2)
    monkeypatch.setattr(arrivals, "_PRESSED_WAIT_S", 0.05)
    monkeypatch.setattr(arrivals, "_OWN_BYTES_PER_S", 1e12)
    monkeypatch.setattr(arrivals, "_CALM_S", 0.05)
    room, own = receiver_of(service).room, "ipv4:127.0.0.1"
    slow = await Stalled.begin(service.server.port, CLASSIFY, 8 * MIB, MIB)
    room.add(own, room.most // 2)
    waiting, ending = asyncio.ensure_future(room.take(own, "c", MIB)), asyncio.ensure_future(slow.end())
    while not ending.done():
        await slow.send(1)
        await asyncio.sleep(0.02)
    room.give(own, room.most // 2)
    room.give(own, await waiting)


async def test_ones_own_messages_that_come_on_do_not_make_way_for_ones_own(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow line on which somebody sends much: nobody else waits."""
    monkeypatch.setattr(arrivals, "_PRESSED_S", 0.2)
    monkeypatch.setattr(arrivals, "_PRESSED_WAIT_S", 0.05)
    monkeypatch.setattr(arrivals, "_OWN_BYTES_PER_S", 1.0)
    monkeypatch.setattr(arrivals, "_CALM_S", 0.05)
    room, own = receiver_of(service).room, "ipv4:127.0.0.1"
    slow = await Stalled.begin(service.server.port, CLASSIFY, 8 * MIB, MIB)
    await until(lambda: room.used < 2 * MIB)  # what arrives counts now
    room.add(own, room.most // 2)
    waiting = asyncio.ensure_future(room.take(own, "c", MIB))
    for _ in range(7):
        await slow.send(MIB - 1)
        await asyncio.sleep(0.1)
    await slow.send(7 + 5)
    assert b"grpc-status" in await asyncio.wait_for(slow.end(), 20)
    assert not waiting.done()
    room.give(own, room.most // 2)
    room.give(own, await waiting)


async def test_messages_that_never_end_take_no_more_than_their_memory(service: Running) -> None:
    """Twenty connections send 4 MiB each: 80 MiB, where 32 are allowed; the caller beside them is answered."""
    room, most = receiver_of(service).room, 0
    begun = [asyncio.ensure_future(Stalled.begin(service.server.port, CLASSIFY, 8 * MIB, 4 * MIB)) for _ in range(20)]
    call = service.channel.unary_unary(CLASSIFY)
    for _ in range(20):
        await call(GOOD, timeout=30)
        most = max(most, room.used)
        await asyncio.sleep(0.05)
    assert most <= room.most * 3 // 2
    for one in begun:
        one.cancel()
    for one in await asyncio.gather(*begun, return_exceptions=True):
        if isinstance(one, Stalled):
            one.close()
    while room.used:
        await asyncio.sleep(0.05)


async def test_large_messages_at_once_wait_for_one_another(service: Running) -> None:
    """Sixteen messages of 4 MiB: each is answered, though only two of them fit."""
    call: Any = service.channel.unary_unary(CLASSIFY)
    answers = await asyncio.gather(*(refusal(call, padded(4)) for _ in range(16)))
    assert {answer.reason for answer in answers} == {"BAD_ARGUMENT"}  # no picture, and nothing about memory
    while receiver_of(service).room.used:
        await asyncio.sleep(0.01)


async def test_a_silent_stream_holds_nothing_up(service: Running) -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    streams = [service.channel.stream_stream(STREAM)(silent()) for _ in range(50)]
    await asyncio.sleep(0.2)
    assert await service.channel.unary_unary(CLASSIFY)(GOOD, timeout=30)
    for stream in streams:
        stream.cancel()


@pytest.mark.usefixtures("impatient")
async def test_a_stream_may_be_silent_after_very_many_messages(service: Running) -> None:
    """The frames of 4000 small messages take more than 100 KB, which are no part of a message that stalls."""
    stream = service.channel.stream_stream(STREAM)()
    for _ in range(4000):
        await stream.write(b"")
        await stream.read()
    await asyncio.sleep(1)
    await stream.write(b"")
    assert await stream.read() is not grpc.aio.EOF
    assert receiver_of(service).room.used < 4000
    stream.cancel()


async def test_an_open_stream_keeps_no_room_for_messages_that_are_answered(service: Running) -> None:
    """Twelve messages of 3 MiB, one after another: two in work at once would take more than the caller's share."""
    stream = service.channel.stream_stream(STREAM)()
    for _ in range(12):
        await stream.write(padded(3))
        assert await asyncio.wait_for(stream.read(), 30) is not grpc.aio.EOF
    while receiver_of(service).room.used:
        await asyncio.sleep(0.01)
    assert not stream.done()
    stream.cancel()


async def test_large_answers_of_a_stream_wait_for_those_before_them(tmp_path: Path) -> None:
    """Twelve of 0.9 MB, each counted twice: the caller's share is 2 MiB."""
    picture = common_pb2.Image(encoded=pictures.encode(np.zeros((900, 1000, 3), np.uint8)))
    raw = segmentation_pb2.MASK_FORMAT_RAW
    request = segmentation_pb2.SegmentRequest(images=[picture], mask_format=raw)
    async with running("segmentation", write_repository(tmp_path), max_message_mb=1) as service:
        stream = segmentation_pb2_grpc.SegmentationServiceStub(service.channel).SegmentStream()
        for number in range(12):
            await stream.write(segmentation_pb2.SegmentStreamRequest(id=str(number), request=request))
        await stream.done_writing()
        answers = [answer async for answer in stream]
        assert [answer.id for answer in answers] == [str(number) for number in range(12)]
        assert [len(answer.response.results[0].mask) for answer in answers if answer.HasField("response")] == [
            900_000
        ] * 12
        assert service.server._interceptor._answers.room.used == 0


async def test_an_answer_that_no_message_could_hold_is_refused_before_the_work(tmp_path: Path) -> None:
    picture = pictures.encode(np.zeros((1200, 1000, 3), np.uint8))
    images = [common_pb2.Image(encoded=picture)] * 2
    async with running("segmentation", write_repository(tmp_path), max_message_mb=1) as service:
        stub = segmentation_pb2_grpc.SegmentationServiceStub(service.channel)
        request = segmentation_pb2.SegmentRequest(images=images, mask_format=segmentation_pb2.MASK_FORMAT_RAW)
        refused = await refusal(stub.Segment, request)
        assert (refused.reason, refused.metadata["answer_bytes"]) == ("ANSWER_TOO_LARGE", "2400000")
        del request.images[1:]
        request.images[0].encoded = pictures.encode(np.zeros((900, 1000, 3), np.uint8))
        room = service.server._interceptor._answers.room
        most, calls = 0, [asyncio.ensure_future(stub.Segment(request)) for _ in range(12)]
        while not all(call.done() for call in calls):
            most = max(most, room.used)
            await asyncio.sleep(0.002)
        assert {len(call.result().results[0].mask) for call in calls} == {900_000}
        assert 0 < most <= room.most == 4 * MIB
        assert room.used == 0
        request.images.append(request.images[0])
        request.mask_format = segmentation_pb2.MASK_FORMAT_PNG
        assert len((await stub.Segment(request)).results) == 2
