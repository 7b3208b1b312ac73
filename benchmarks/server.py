"""Runs a server in one or several processes, and measures their CPU time and memory."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from convoy.fleet.ports import free_range

_TICKS = os.sysconf("SC_CLK_TCK")
_START_S = 600.0


@dataclass(frozen=True)
class Served:
    """Ports and first process of a running server."""

    port: int
    pid: int
    metrics_port: int = 0

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of the process and of its descendants that still run."""
        return sum(_cpu_s(pid) for pid in self.processes())

    def resident_mb(self) -> float:
        """Proportional set size, in MiB, of the process and its descendants: shared memory counts once."""
        return sum(_pss_kb(pid) for pid in self.processes()) / 1024

    def processes(self) -> list[int]:
        """List the process and its descendants."""
        parents = {int(path.name): _parent(path) for path in Path("/proc").glob("[0-9]*")}
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def answered(self, code: str = "OK") -> int:
        """Count the calls that ended with this status, by the server's own metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as page:
            text = page.read().decode()
        return sum(int(float(n)) for n in re.findall(rf'convoy_requests_total{{code="{code}",[^}}]*}} (\S+)', text))


@contextmanager
def serving(service: str, models: Path, own_session: bool = True, /, **variables: str) -> Iterator[Served]:
    """Run a Convoy service until the block ends, with few log lines. own_session: as `running` has it."""
    port, metrics_port = free_range(1), free_range(1)
    ports = {"CONVOY_PORT": str(port), "CONVOY_METRICS_PORT": str(metrics_port)}
    quiet = {"CONVOY_LOG_LEVEL": "warning", "CONVOY_MODEL_POLL_S": "0"}
    command = [sys.executable, "-c", f"from convoy.service_process import run; run({service!r})"]
    environment = os.environ | ports | quiet | {"CONVOY_MODELS": str(models)} | variables
    with running(command, environment, [port], own_session=own_session) as child:
        yield Served(port, child.pid, metrics_port)


@contextmanager
def running(
    command: list[str], environment: dict[str, str], ports: list[int], log: Path | None = None, own_session: bool = True
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command until the block ends; the block starts when the command listens on all ports.

    own_session: Linux shares cores between sessions first, so priorities of threads count only inside a session.
    Raises RuntimeError.
    """
    output = log.open("wb") if log else None
    with subprocess.Popen(
        command, env=environment, stdout=output, stderr=output and subprocess.STDOUT, start_new_session=own_session
    ) as child:
        try:
            for port in ports:
                _wait_for(port, child)
            yield child
        finally:
            everybody = Served(0, child.pid).processes()
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
            for pid in everybody[1:]:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, 9)


def _wait_for(port: int, child: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the server has ended with {child.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port} after {_START_S:.0f} s")


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss_kb(pid: int) -> int:
    try:
        found = re.search(r"Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(") ")[2].split()[1])
    except (OSError, IndexError):
        return 0
