"""`pytest tests/slow/test_web_attack.py`: 10,000 mutated requests, 1,000 idle connections, slow clients."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.pictures import encode, plain
from convoy.testing.tiny_models import write_repository

from tests.web_door import Door
from tests.web_fuzzing import attack, door_requests, requests

pytestmark = [pytest.mark.redis, pytest.mark.timeout(1800)]
MIB = 2**20
MOST_GROWTH_MIB = 64
PICTURE = encode(plain((220, 20, 20)))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    port = free_range(1)
    models: Path = write_repository(tmp_path_factory.mktemp("models"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONVOY_WEB_DOORS", "compreface,deepstack,rekognition")
        environment.setenv("CONVOY_DOORS_GALLERY", "attacked")
        with Fleet(tmp_path_factory.mktemp("data"), models, free_ports(), metrics=False, web_port=port) as running:
            yield running


def process_of(port: int) -> psutil.Process:
    listening = [c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port]
    return psutil.Process(listening[0])


@pytest.mark.parametrize("good", [requests(), door_requests()], ids=["own", "of others' clients"])
def test_ten_thousand_mutated_requests_leave_it_as_it_was(fleet: Fleet, good: list[bytes]) -> None:
    door = Door(urlsplit(fleet.web_url).port or 0)
    process = process_of(door.port)
    attack(door.port, 1000, 1, good)
    before = process.memory_info().rss
    said = attack(door.port, 10_000, 2, good)
    assert {status for status in said if status >= 500} == set(), said
    # Some are good still, so more than the parsers is tried. (A busy machine is late for some, which then hang up.)
    assert said[200] > 100, said
    grown = (process.memory_info().rss - before) / MIB
    print(f"statuses {dict(said)}; memory grew by {grown:.0f} MiB")
    assert grown < MOST_GROWTH_MIB
    assert door.form("/v1/classify", [("image", PICTURE)]).status == 200


def test_a_thousand_idle_connections_are_let_go(fleet: Fleet) -> None:
    door = Door(urlsplit(fleet.web_url).port or 0)
    before = process_of(door.port).memory_info().rss
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", door.port))) for _ in range(1000)]
        for client in idle[::2]:
            client.sendall(b"GET / HTTP/1.1\r\nHost: loc")  # and never ends
        assert door.form("/v1/classify", [("image", PICTURE)]).status == 200
        assert (process_of(door.port).memory_info().rss - before) / MIB < MOST_GROWTH_MIB
        for client in idle:
            client.settimeout(60)
            while client.recv(4096):
                pass  # it says why, or nothing, and hangs up


def test_slow_clients_keep_nobody_waiting_and_are_let_go(fleet: Fleet) -> None:
    """Some send a byte of their picture now and then; some never read the large answers that they asked for."""
    door = Door(urlsplit(fleet.web_url).port or 0)
    before = process_of(door.port).memory_info().rss
    head = b"POST /v1/%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    large = encode(plain(width=2000, height=2000))
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", door.port))) for _ in range(100)]
        deaf = [stack.enter_context(socket.create_connection(("127.0.0.1", door.port))) for _ in range(20)]
        for client in slow:
            client.sendall(head % (b"classify", len(PICTURE)) + PICTURE[:10])
        for client in deaf:
            client.sendall(head % (b"segment?mask_format=RAW", len(large)) + large)
        for place in range(10, 40):
            for client in slow:
                with suppress(OSError):  # it was refused meanwhile
                    client.sendall(PICTURE[place : place + 1])
            assert door.form("/v1/classify", [("image", PICTURE)]).status == 200
            time.sleep(1)
        grown = (process_of(door.port).memory_info().rss - before) / MIB
        print(f"memory grew by {grown:.0f} MiB")
        assert grown < 4 * MOST_GROWTH_MIB
        for client in slow:
            client.settimeout(60)
            said = b""
            while part := client.recv(4096):
                said += part
            assert b" 408 " in said.partition(b"\r\n")[0], said[:200]
    assert door.form("/v1/classify", [("image", PICTURE)]).status == 200
