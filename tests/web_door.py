"""A web door in this process, on a free port, and what tests ask it with: http.client, so that every byte is theirs."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from convoy.client.channels import connection
from convoy.core.settings import Settings
from convoy.web.server import WebServer

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def reason(self) -> str:
        """The reason of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self.content[:300]
        return str(self.json()["reason"])


@dataclass(frozen=True)
class Door:
    """A running web door."""

    port: int
    own: Mapping[str, int] = field(default_factory=dict)
    """Doors for other systems' clients that have a port of their own."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        caller = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            # A body that is refused by its length is not read to its end.
            with suppress(BrokenPipeError):
                caller.request(method, path, body, dict(headers or {}))
            answer = caller.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            caller.close()

    def send(self, path: str, value: Any, method: str = "POST", **headers: str) -> Answer:
        """JSON."""
        named = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.ask(method, path, json.dumps(value), named)

    def form(self, path: str, parts: list[tuple[str, Any]], **headers: str) -> Answer:
        """A multipart form; bytes are files, everything else is a field."""
        body = b""
        for name, value in parts:
            if isinstance(value, bytes):
                head = f'name="{name}"; filename="{name}.jpg"\r\ncontent-type: application/octet-stream'
            else:
                head, value = f'name="{name}"', str(value).encode()
            body += b"--edge\r\ncontent-disposition: form-data; " + head.encode() + b"\r\n\r\n" + value + b"\r\n"
        named = {"content-type": "multipart/form-data; boundary=edge"} | headers
        return self.ask("POST", path, body + b"--edge--\r\n", named)


@contextmanager
def web_door(addresses: Mapping[str, str], **settings: Any) -> Iterator[Door]:
    """Run a web door before these services until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="web-door", daemon=True)
    thread.start()

    async def start() -> WebServer:
        chosen: dict[str, Any] = {"port": 0, "metrics_port": 0, "drain_s": 1.0}
        reached = connection(**addresses, timeout_s=30, max_message_mb=settings.get("max_message_mb"))
        server = WebServer(Settings(**(chosen | settings)), reached)
        await server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Door(server.port, dict(server.door_ports))
    finally:
        asyncio.run_coroutine_threadsafe(server.drain(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
