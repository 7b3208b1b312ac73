"""Makes load with nghttp2's h2load (Debian: nghttp2-client), a C program that takes little CPU time from the server.

A unary gRPC call is an HTTP/2 POST of the serialized message after five bytes. h2load does not read gRPC's status, so
the server's own metrics, or the number of returned bytes, show which calls succeeded.
"""

import re
import resource
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.load import Metadata

GRPC_HEADERS = ("content-type: application/grpc", "te: trailers")


@dataclass(frozen=True)
class Target:
    """The requests to send: url, body, headers; over HTTP/2, or HTTP/1.1 with `http1`."""

    url: str
    body: bytes
    headers: tuple[str, ...]
    http1: bool = False


@dataclass(frozen=True)
class Load:
    """The result: answers, seconds of the run, latencies in seconds, bytes of an answer, CPU time of the sender."""

    answers: int
    seconds: float
    latencies_s: np.ndarray
    answer_bytes: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds


def grpc_target(port: int, path: str, request: bytes, timeout_ms: int | None = None, metadata: Metadata = ()) -> Target:
    """Make the target of a unary call; `timeout_ms` is the deadline in its headers."""
    headers = (*GRPC_HEADERS, *(f"{key}: {value}" for key, value in metadata))
    if timeout_ms is not None:
        headers = (*headers, f"grpc-timeout: {timeout_ms}m")
    return Target(f"http://127.0.0.1:{port}{path}", b"\0" + struct.pack(">I", len(request)) + request, headers)


def closed_loop(target: Target, callers: int, seconds: float) -> Load:
    """Open `callers` connections, each of which sends its next request when the last is answered."""
    return _run(target, seconds, ["-c", str(callers), "-m", "1"])


def open_loop(target: Target, per_second: float, seconds: float, connections: int = 8) -> Load:
    """Send requests at a fixed rate, whether or not earlier ones are answered."""
    each = max(1, round(per_second / connections))
    return _run(target, seconds, ["-c", str(connections), "-m", "10000", "--rps", str(each)])


def _run(target: Target, seconds: float, options: list[str]) -> Load:
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is missing: apt-get install nghttp2-client")
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(target.body)
        command = ["h2load", "-t1", "-D", f"{round(seconds * 1000)}ms", "-d", str(body), f"--log-file={log}", *options]
        command += [word for header in target.headers for word in ("-H", header)]
        command += ["--h1"] if target.http1 else []
        before = _children_cpu_s()
        done = subprocess.run([*command, target.url], capture_output=True, text=True, check=True, timeout=seconds + 60)
        cpu_s = _children_cpu_s() - before
        latencies = [int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines()] if log.exists() else []
    answers = re.search(r"(\d+) succeeded", done.stdout)
    data = re.search(r"\((\d+)\) data", done.stdout)
    if answers is None or data is None or int(answers[1]) == 0:
        raise RuntimeError(f"no request was answered: {done.stdout}{done.stderr}")
    count = int(answers[1])
    return Load(count, seconds, np.array(latencies), int(data[1]) / count, cpu_s)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
