"""`pytest tests/slow/test_web_attack.py`: 10,000 mutated requests and 1,000 idle connections."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from convoy.fleet import Fleet, free_ports
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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
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
    assert said[200] > 200, said
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
