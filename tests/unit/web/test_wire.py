"""HTTP/1.1 and HTTP/2 on the wire, as h2's client and a bare socket see them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from convoy.web.wire import CONNECTION_WINDOW, STREAM_WINDOW
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, SettingsAcknowledged

from tests.web_door import HOST, Door

STREAM = "/convoy.v1.RecognitionService/IdentifyStream"
HEAD = (
    f"POST {STREAM} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/connect+json\r\ncontent-length: 99\r\n\r\n"
)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("GET /v2/health/live", b"HTTP/1.1 200 OK\r\n"),
        ("HEAD /", b"HTTP/1.1 200 OK\r\n"),
        ("GET /nothing", b"HTTP/1.1 404 Not Found\r\n"),
    ],
)
def test_a_status_has_words(door: Door, line: str, said: bytes) -> None:
    with socket.create_connection((HOST, door.port), timeout=20) as client:
        client.sendall(f"{line} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert client.makefile("rb").readline() == said


def test_the_head_of_a_stream_comes_before_its_first_message(door: Door) -> None:
    with socket.create_connection((HOST, door.port), timeout=20) as client:
        client.sendall(HEAD.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    with speaking(door) as (client, spoken):
        spoken.send_headers(1, request(STREAM, "POST", "application/connect+json"))
        client.sendall(spoken.data_to_send())
        assert hear(client, spoken, ResponseReceived).headers[0] == (b":status", b"200")


def test_a_photo_needs_no_leave_to_go_on(door: Door) -> None:
    with speaking(door) as (client, spoken):
        while spoken.outbound_flow_control_window != CONNECTION_WINDOW:
            spoken.receive_data(client.recv(65536))
        assert spoken.remote_settings.initial_window_size == STREAM_WINDOW


def test_the_last_content_says_that_it_is_the_last(door: Door) -> None:
    with speaking(door) as (client, spoken):
        spoken.send_headers(1, request("/nothing", "GET"), end_stream=True)
        client.sendall(spoken.data_to_send())
        content = hear(client, spoken, DataReceived)
        assert b"NO_SUCH_PATH" in content.data and content.stream_ended is not None
        # The connection goes on; an answer without content ends as well.
        spoken.send_headers(3, request("/", "HEAD"), end_stream=True)
        client.sendall(spoken.data_to_send())
        head = hear(client, spoken, ResponseReceived)
        assert head.headers[0] == (b":status", b"200")


def request(path: str, method: str, media_type: str = "text/plain") -> list[tuple[str, str]]:
    named = {":method": method, ":path": path, ":authority": "localhost", ":scheme": "http", "content-type": media_type}
    return list(named.items())


@contextmanager
def speaking(door: Door) -> Iterator[tuple[socket.socket, H2Connection]]:
    """A connection over HTTP/2 that has begun."""
    spoken = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    spoken.initiate_connection()
    with socket.create_connection((HOST, door.port), timeout=20) as client:
        client.sendall(spoken.data_to_send())
        hear(client, spoken, SettingsAcknowledged)
        yield client, spoken


def hear(client: socket.socket, spoken: H2Connection, kind: type) -> Any:
    """What comes, until it is of this kind."""
    while content := client.recv(65536):
        for event in spoken.receive_data(content):
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__} came")
