"""A fleet with the doors for other systems' clients open, and what benchmarks ask it with."""

import http.client
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from convoy.client import Convoy
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range

GALLERY = "measured"
JSON, AMAZON = "application/json", "application/x-amz-json-1.1"


@dataclass
class Asker:
    """One client on one connection, the fleet's own client, and the web door's process."""

    connection: http.client.HTTPConnection
    convoy: Convoy
    process: psutil.Process

    def ask(self, path: str, body: bytes, media_type: str, target: str = "") -> tuple[int, bytes]:
        headers = {"Content-Type": media_type} | ({"X-Amz-Target": f"RekognitionService.{target}"} if target else {})
        self.connection.request("POST", path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def form(self, path: str, name: str, photo: bytes) -> tuple[int, bytes]:
        head = f'--edge\r\ncontent-disposition: form-data; name="{name}"; filename="a.jpg"\r\n\r\n'.encode()
        return self.ask(path, head + photo + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge")

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def asking(models: Path) -> Iterator[Asker]:
    """Start the fleet on these models, with the gallery `measured`; stop it at the end."""
    before = dict(os.environ)
    os.environ |= {"CONVOY_WEB_DOORS": "compreface,deepstack,rekognition", "CONVOY_DOORS_GALLERY": GALLERY}
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Fleet(Path(folder), models, free_ports(), metrics=False, web_port=free_range(1)) as fleet,
            fleet.client(timeout_s=60) as convoy,
        ):
            port = urlsplit(fleet.web_url).port or 0
            convoy.create_gallery(GALLERY)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                yield Asker(connection, convoy, _listener(port))
            finally:
                connection.close()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _listener(port: int) -> psutil.Process:
    found = (c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port)
    pid = next(found)
    assert pid is not None
    return psutil.Process(pid)
