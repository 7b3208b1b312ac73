"""Services as processes of any version, started side by side."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
from convoy.fleet.ports import free_range
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.compatibility.tree import Tree

START_S = 90
STOP_S = 30
FIXED = {"CONVOY_METRICS_PORT": "0", "CONVOY_LOG_LEVEL": "warning"}


@contextmanager
def serving(tree: Tree, logs: Path, services: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, str]]:
    """Start each service with its CONVOY_* settings; gives their addresses once all serve, and stops them after."""
    with ExitStack() as stack:
        started = {name: stack.enter_context(_process(tree, name, logs, own)) for name, own in services.items()}
        for name, (address, process) in started.items():
            _wait(name, address, process, logs)
        yield {name: address for name, (address, _) in started.items()}
        for _, process in started.values():
            process.terminate()


@contextmanager
def _process(
    tree: Tree, name: str, logs: Path, settings: Mapping[str, str]
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_range(1)
    environment = tree.environment(FIXED | {"CONVOY_PORT": str(port)} | dict(settings))
    with _log(logs, name).open("ab") as log:
        process = subprocess.Popen(tree.convoy("serve", name), env=environment, cwd=logs, stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}", process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(name: str, address: str, process: "subprocess.Popen[bytes]", logs: Path) -> None:
    """Return when the service says that it serves."""
    ends = time.monotonic() + START_S
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < ends:
            if process.poll() is not None:
                raise AssertionError(f"{name} has ended:\n{_log(logs, name).read_text()}")
            try:
                if (
                    stub.Check(health_pb2.HealthCheckRequest(), timeout=1).status
                    == health_pb2.HealthCheckResponse.SERVING
                ):
                    return
            except grpc.RpcError:
                pass
            time.sleep(0.1)
    raise AssertionError(f"{name} does not serve:\n{_log(logs, name).read_text()}")


def _log(logs: Path, name: str) -> Path:
    return logs / f"{name}.log"
