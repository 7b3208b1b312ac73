"""HTTP/1.1 and HTTP/2 as hypercorn speaks them, with fewer writes and pauses, which cost more than all its parsing.

An answer's head goes out with the content behind it, and a photo comes over HTTP/2 without a wait for the window.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
import hypercorn.protocol
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hypercorn.events import RawData
from hypercorn.protocol.events import Event, Response
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from priority.priority import DeadlockError

STREAM_WINDOW, CONNECTION_WINDOW = 512 * 1024, 1024 * 1024
"""Bytes that a client sends over HTTP/2 before it waits for leave to go on. (What is held is bounded in holding.py.)"""
_FIRST_WINDOW = 65_535
_WORDS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Http1(H11Protocol):
    """HTTP/1.1 whose status line has words, and whose short answers are one write."""

    _head = b""

    async def stream_send(self, event: Event) -> None:
        """Keep the head of an answer until there is more, or until nothing else is to do."""
        if not isinstance(event, Response) or event.status_code < 200:
            await super().stream_send(event)
            return
        headers = [*event.headers, *self.config.response_headers("h11")]
        if self.keep_alive_requests >= self.config.keep_alive_max_requests:
            headers.append((b"connection", b"close"))
        words = _WORDS.get(event.status_code, b"")
        self._head = self._written(h11.Response(headers=headers, status_code=event.status_code, reason=words))
        asyncio.get_running_loop().call_soon(self._let_head_go)

    async def _send_h11_event(self, event: Any) -> None:
        data, self._head = self._head + self._written(event), b""
        if data:
            await self.send(RawData(data=data))

    def _written(self, event: Any) -> bytes:
        try:
            return self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is h11.ERROR:
                return b""  # the client broke the protocol, and is told already
            raise

    def _let_head_go(self) -> None:
        if self._head:
            self.task_group.spawn(self._send_head)

    async def _send_head(self) -> None:
        data, self._head = self._head, b""
        if data:
            await self.send(RawData(data=data))


class Http2(H2Protocol):
    """HTTP/2 with windows that a photo fits into, and whose short answers are one write."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        announced: dict[Any, int] = dict(self.connection.local_settings) | {
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW
        }
        self.connection.local_settings = Settings(client=False, initial_values=announced)

    async def initiate(self, headers: list[tuple[bytes, bytes]] | None = None, settings: bytes | None = None) -> None:
        """Begin the connection."""
        await super().initiate(headers, settings)
        self.connection.increment_flow_control_window(CONNECTION_WINDOW - _FIRST_WINDOW)
        await self._flush()

    async def stream_send(self, event: Event) -> None:
        """Leave the head of an answer to the sending task, which takes the content along."""
        if not isinstance(event, Response):
            await super().stream_send(event)
            return
        status = (b":status", b"%d" % event.status_code)
        with suppress(KeyError, ProtocolError):  # the stream is over
            self.connection.send_headers(event.stream_id, [status, *event.headers, *self.config.response_headers("h2")])
            await self.has_data.set()

    async def send_task(self) -> None:
        """Send what streams have, as their priorities say; heads without content when nothing else is to do."""
        while not self.closed:
            try:
                stream_id = next(self.priority)
            except DeadlockError:
                await self._flush()
                await self.has_data.wait()
                await self.has_data.clear()
            else:
                await self._send_data(stream_id)

    async def _send_data(self, stream_id: int) -> None:
        try:
            buffer = self.stream_buffers[stream_id]
            room = min(self.connection.local_flow_control_window(stream_id), self.connection.max_outbound_frame_size)
            data = await buffer.pop(max(0, room))
            is_last = buffer.complete
            if data:
                self.connection.send_data(stream_id, data, end_stream=is_last)
            elif is_last:
                self.connection.end_stream(stream_id)
            else:
                self.priority.block(stream_id)
            if is_last:
                self._forget(stream_id)
            if data or is_last:
                await self._flush()
        except (KeyError, ProtocolError):  # the stream or the connection closed meanwhile
            if stream_id in self.stream_buffers:
                await self.stream_buffers[stream_id].close()
            self._forget(stream_id)

    def _forget(self, stream_id: int) -> None:
        self.stream_buffers.pop(stream_id, None)
        with suppress(KeyError):
            self.priority.remove_stream(stream_id)


def install() -> None:
    """Have hypercorn use these: it has no setting for them."""
    for name, protocol in {"H11Protocol": Http1, "H2Protocol": Http2}.items():
        setattr(hypercorn.protocol, name, protocol)
