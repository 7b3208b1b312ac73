"""One call over HTTP/2 in which both sides speak at the same time, by hyper's h2 alone."""

import socket
from collections.abc import Mapping
from typing import Any

import h2.config
import h2.connection
import h2.events


class Call:
    """A POST whose body is sent, and whose answer is read, a part at a time."""

    def __init__(self, connection: socket.socket, path: str, headers: Mapping[str, str], scheme: str) -> None:
        self._socket = connection
        self._socket.settimeout(60)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._stream = self._h2.get_next_available_stream_id()
        named = {":method": "POST", ":path": path, ":scheme": scheme, ":authority": "localhost", **headers}
        self._h2.send_headers(self._stream, list(named.items()))
        self._flush()
        self.headers: dict[str, str] = {}
        self._content = bytearray()
        self._has_ended = False

    def send(self, content: bytes) -> None:
        """A part of the body."""
        self._h2.send_data(self._stream, content)
        self._flush()

    def end(self) -> None:
        """Nothing more is sent."""
        self._h2.end_stream(self._stream)
        self._flush()

    def take(self, size: int) -> bytes:
        """So many bytes of the answer, as soon as they are there; fewer at its end."""
        while len(self._content) < size and not self._has_ended:
            self._receive()
        taken = bytes(self._content[:size])
        del self._content[:size]
        return taken

    def _receive(self) -> None:
        content = self._socket.recv(65536)
        assert content, "the server hung up"
        for event in self._h2.receive_data(content):
            self._hear(event)
        self._flush()

    def _hear(self, event: Any) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.headers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self._content += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, self._stream)
        elif isinstance(event, h2.events.StreamEnded):
            self._has_ended = True

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())
