"""A service as a process of its own, with the CPU time that it has used."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """Port and process of a running service."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """Seconds of CPU that the process has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        """Resident memory in MiB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0


@contextmanager
def serving(service: str, models: Path, **variables: str) -> Iterator[Served]:
    """Run a service, quiet in its log, until the block ends."""
    port = _free_port()
    chosen = {"CONVOY_PORT": str(port), "CONVOY_METRICS_PORT": "0", "CONVOY_MODELS": str(models)}
    command = [sys.executable, "-c", f"from convoy.server import run; run({service!r})"]
    environment = os.environ | chosen | {"CONVOY_LOG_LEVEL": "warning"} | variables
    with subprocess.Popen(command, env=environment) as child:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                grpc.channel_ready_future(channel).result(timeout=60)
            yield Served(port, child.pid)
        finally:
            child.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
