"""Hostile callers against real processes: each is told what it did, nobody else notices, memory stays flat.

BAD_INPUTS sets how many bad inputs are sent, SEED which. docs/faults.md has the figures of ten thousand.
"""

import io
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
import pytest
from convoy.client import Convoy
from convoy.core.api import SERVICES
from convoy.core.serving.server import HANDSHAKE_S
from convoy.fleet import Fleet, free_ports
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import common_pb2, segmentation_pb2
from PIL import Image

from benchmarks.processes import processes
from tests import abuse
from tests.abuse import BOMBS, GALLERY, PORTRAIT, Attempt, attempts

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(3600)]
BAD_INPUTS = int(os.environ.get("BAD_INPUTS", "900"))
SEED = int(os.environ.get("SEED", "1"))
MIB = 2**20
Tell = Callable[[str, str], None]
GROWTH_MIB = 64
MOST_TRIES, BUSY_S = 30, 1.0
PICTURE = pictures.encode(pictures.plain((220, 20, 20)))
MOST_PIXELS = 12_500_000


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    models = write_repository(tmp_path_factory.mktemp("models"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONVOY_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
        environment.setenv("CONVOY_LOG_LEVEL", "error")
        with Fleet(tmp_path_factory.mktemp("data"), models, free_ports(), metrics=False) as fleet:
            yield fleet


@pytest.fixture(scope="module")
def convoy(fleet: Fleet) -> Iterator[Convoy]:
    with fleet.client(timeout_s=60) as convoy:
        convoy.create_gallery(GALLERY)
        convoy.register(GALLERY, "p", [PORTRAIT])
        yield convoy


@pytest.fixture
def alive(fleet: Fleet, convoy: Convoy) -> Iterator[dict[str, psutil.Process]]:
    """The processes of the fleet: the same ones at the end of the test, and they answer."""
    before = processes(fleet)
    assert before.keys() == set(SERVICES)
    yield before
    assert {service: one.pid for service, one in processes(fleet).items()} == {s: one.pid for s, one in before.items()}
    assert {convoy.check_health(service) for service in before} == {"SERVING"}
    assert convoy.classify(PICTURE).best.label == "red"


@pytest.fixture
def channels(fleet: Fleet) -> Iterator[dict[str, grpc.Channel]]:
    opened = {service: grpc.insecure_channel(address) for service, address in fleet.addresses.items()}
    yield opened
    for channel in opened.values():
        channel.close()


def resident_mib(alive: dict[str, psutil.Process]) -> dict[str, float]:
    return {service: process.memory_info().rss / MIB for service, process in alive.items()}


def test_bad_inputs_have_the_right_status_and_leave_nothing_behind(
    alive: dict[str, psutil.Process], channels: dict[str, grpc.Channel], record_property: Tell
) -> None:
    def send(attempt: Attempt) -> str:
        for _ in range(MOST_TRIES):
            try:
                channels[attempt.service].unary_unary(attempt.method)(attempt.content, timeout=60)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            if code != "RESOURCE_EXHAUSTED" or code in attempt.allowed:
                break
            time.sleep(BUSY_S)  # a service with too much to do says so
        assert code in attempt.allowed, (attempt.method, code, attempt.content[:200])
        return code

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(send, attempts(BAD_INPUTS // 3, SEED)))
        before = resident_mib(alive)
        codes = Counter(callers.map(send, attempts(BAD_INPUTS, SEED + 1)))
    growth = {service: round(mib - before[service], 1) for service, mib in resident_mib(alive).items()}
    print(f"\n{BAD_INPUTS} bad inputs: {dict(codes)}; growth in MiB: {growth}")
    for name, value in (("bad inputs", BAD_INPUTS), ("answers", codes), ("growth in MiB", growth)):
        record_property(name, json.dumps(value))
    assert codes["INVALID_ARGUMENT"] >= BAD_INPUTS // 3
    assert max(growth.values()) < GROWTH_MIB, growth


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header(
    alive: dict[str, psutil.Process], channels: dict[str, grpc.Channel], name: str
) -> None:
    for service, method, request in abuse.requests(BOMBS[name]):
        with pytest.raises(grpc.RpcError) as refusal:
            channels[service].unary_unary(method)(request.SerializeToString(), timeout=10)
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT, method


def test_many_large_pictures_in_one_call_are_not_all_in_memory(
    alive: dict[str, psutil.Process], convoy: Convoy
) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (3500, 3500), (90, 90, 90, 200)).save(buffer, "PNG", compress_level=1)
    process = alive["faces"]
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # forget the peak so far
    before_mib = process.memory_info().rss / MIB
    assert len(convoy.within(300).embed_faces_many([buffer.getvalue()] * 16)) == 16
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak_mib = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    # Together they are 560 MiB of pixels, and each takes 80 MiB while it is decoded.
    assert peak_mib - before_mib < 350


def test_who_connects_and_says_nothing_is_hung_up_on(
    alive: dict[str, psutil.Process], fleet: Fleet, convoy: Convoy
) -> None:
    host, _, port = fleet.addresses["classification"].rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(200)]
    assert convoy.classify(PICTURE).best.label == "red"
    for one in idle:
        one.settimeout(6 * HANDSHAKE_S)
        while one.recv(4096):  # the server's own greeting, then the end
            pass
        one.close()


def test_who_reads_slowly_makes_the_service_wait_and_not_grow(
    alive: dict[str, psutil.Process], channels: dict[str, grpc.Channel], convoy: Convoy
) -> None:
    raw = common_pb2.RawImage(width=1500, height=1000, data=bytes(4_500_000))
    request = segmentation_pb2.SegmentRequest(
        images=[common_pb2.Image(raw=raw)], mask_format=segmentation_pb2.MASK_FORMAT_RAW
    )
    content = segmentation_pb2.SegmentStreamRequest(request=request).SerializeToString()
    sent, stop = Counter[str](), threading.Event()

    def endless() -> Iterator[bytes]:
        while not stop.is_set():
            sent["messages"] += 1
            yield content

    before = resident_mib(alive)["segmentation"]
    stream = channels["segmentation"].stream_stream("/convoy.v1.SegmentationService/SegmentStream")(endless())
    next(stream)
    quiet_since, seen = time.monotonic(), 0
    while time.monotonic() - quiet_since < 3:  # nothing is read until nothing more is taken
        if sent["messages"] != seen:
            quiet_since, seen = time.monotonic(), sent["messages"]
        assert seen < 200, "the service reads on though nobody takes its answers"
        time.sleep(0.1)
    assert convoy.segment(PICTURE).pixels_of("bright") is not None
    assert resident_mib(alive)["segmentation"] - before < 300
    stop.set()
    stream.cancel()


def test_who_sends_slowly_holds_up_nobody(
    alive: dict[str, psutil.Process], channels: dict[str, grpc.Channel], convoy: Convoy
) -> None:
    stop = threading.Event()

    def stalled() -> Iterator[bytes]:
        stop.wait()
        yield b""

    method = "/convoy.v1.ClassificationService/ClassifyStream"
    streams = [channels["classification"].stream_stream(method)(stalled()) for _ in range(100)]
    assert convoy.within(10).classify(PICTURE).best.label == "red"
    stop.set()
    for stream in streams:
        stream.cancel()
