"""A server of files on loopback that behaves as servers do: it resumes, cuts off, lies about lengths, or is gone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """content: bytes by path. cut_after: so many bytes of an answer, then the connection ends; used up once each."""

    content: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ignores_ranges: bool = False
    ranges: list[str] = field(default_factory=list)
    address: str = ""

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@contextmanager
def serve_files() -> Iterator[Files]:
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            whole = files.content.get(self.path.lstrip("/"))
            if whole is None:
                return self.send_error(404)
            asked = self.headers.get("Range", "")
            files.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and not files.ignores_ranges else 0
            body = whole[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: files.cut_after.pop(0)] if files.cut_after else body)

        def log_message(self, *words: object) -> None:
            """Nothing is written."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    files.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
