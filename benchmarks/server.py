"""A service as a process of its own, with the CPU time that it has used."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    """Run a service until the block ends."""
    chosen = {"CONVOY_PORT": "0", "CONVOY_METRICS_PORT": "0", "CONVOY_LOG": "json", "CONVOY_MODELS": str(models)}
    command = [sys.executable, "-c", f"from convoy.server import run; run({service!r})"]
    environment = os.environ | chosen | variables
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield Served(_port(child), child.pid)
        finally:
            child.terminate()


def _port(child: "subprocess.Popen[str]") -> int:
    assert child.stderr is not None
    for line in child.stderr:
        if found := re.search(r'"port": (\d+).*"event": "serving"', line):
            return int(found[1])
    raise RuntimeError("the service did not start")
