"""Compares Convoy with PyTriton, MLServer, BentoML and LitServe: one network, one tensor, one machine, one run.

Each has two workers of one thread. The command starts all servers and keeps them running, and then measures raw ONNX
Runtime and every server in turn, several times. First run `python -m benchmarks.peers.install`, which makes the
environments.
"""

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
from convoy.core.manifest import GRAPH_FILE
from convoy.fleet.ports import free_range
from convoy.inference import open_inference_pb2 as oip

from benchmarks.conditions import write_result
from benchmarks.h2load import Load, Target, closed_loop, grpc_target
from benchmarks.networks import pictures, write_network
from benchmarks.peers.install import FOLDER, NAMES, python_of
from benchmarks.raw import NARROW, WIDE, Raw, Sample, photo
from benchmarks.requests import TENSOR_DOOR, tensor_request
from benchmarks.server import Served, running, serving

NETWORK = "mobilenet-v2.float"
CALLERS = (8, 32)
NEEDED_HELP = {
    "pytriton": "the interpreter's own libpython in LD_LIBRARY_PATH, since with the one it brings no model starts on "
    "3.11.7; 30 s in place of 1 s for the start of its model",
    "mlserver": "uvloop below 0.22: its workers ask for an event loop that newer ones no longer make",
    "litserve": "python-multipart, for files of forms",
    "bentoml": "an ASGI application, since its own type for arrays travels as JSON",
}
_BOUNDARY = "convoy-benchmark"
_TOLERANCE = 1e-4


@contextmanager
def serving_peer(name: str, graph: Path, log: Path, own_session: bool = True) -> Iterator[Served]:
    """Run a peer until the block ends. own_session: as `running` has it. Raises RuntimeError with its log's end."""
    ports = [free_range(1) for _ in range(3)]
    command = [str(python_of(name)), str(FOLDER / name / "serve.py"), str(graph), *map(str, ports)]
    path = f"{python_of(name).parent}:{os.environ['PATH']}"
    # With a PYTHONPATH, workers of LitServe and MLServer would import this project's packages.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PATH": path}
    if name == "pytriton":
        # Its own libpython does not fit the standard library of 3.11.7; its installation page shows this solution.
        environment["LD_LIBRARY_PATH"] = sysconfig.get_config_var("LIBDIR")
    try:
        with running(command, environment, ports[:1], log, own_session) as child:
            yield Served(ports[0], child.pid)
    except RuntimeError as error:
        last = log.read_text(errors="replace").splitlines()[-5:]
        raise RuntimeError(f"{error}: {' / '.join(last)}") from None


def target_of(name: str, port: int, images: np.ndarray) -> Target:
    """Make the request for one tensor in the way that the server recommends for tensors."""
    if name in ("convoy", "pytriton", "mlserver"):
        model = NETWORK if name == "convoy" else "network"
        return grpc_target(port, TENSOR_DOOR, tensor_request(model, images))
    if name == "bentoml":
        headers = ("content-type: application/octet-stream",)
        return Target(f"http://127.0.0.1:{port}/classify", images.tobytes(), headers, http1=True)
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="images"\r\n\r\n'
    body = head.encode() + images.tobytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    headers = (f"content-type: multipart/form-data; boundary={_BOUNDARY}",)
    return Target(f"http://127.0.0.1:{port}/predict", body, headers, http1=True)


def ask_once(target: Target) -> np.ndarray:
    """Make one call, and return its probabilities."""
    if target.http1:
        name, value = target.headers[0].split(": ", 1)
        request = urllib.request.Request(target.url, target.body, {name: value})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return np.frombuffer(answer.read(), np.float32)
    with grpc.insecure_channel(target.url.removeprefix("http://").removesuffix(TENSOR_DOOR)) as channel:
        call = channel.unary_unary(TENSOR_DOOR, bytes, oip.ModelInferResponse.FromString)
        response = call(target.body[5:], timeout=60)
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[0], np.float32)
    return np.array(response.outputs[0].contents.fp32_contents, np.float32)


def compare(repeats: int, seconds: float, names: list[str], models: Path) -> dict[str, object]:
    """Start all servers, check that they give the same answers, and measure them in turn."""
    folder = write_network(models, NETWORK)
    images = pictures(NETWORK, 1)
    raw = Raw(folder, images, photo())
    wanted = raw.answer()["probabilities"][0]
    targets: dict[str, Target] = {}
    servers: dict[str, Served] = {}
    failed: dict[str, str] = {}
    limits: dict[str, list[Sample]] = defaultdict(list)
    runs: dict[tuple[str, int], list[tuple[Load, float]]] = defaultdict(list)
    with ExitStack() as stack:
        servers["convoy"] = stack.enter_context(serving("classification", models, CONVOY_MODEL=NETWORK))
        for name in ["convoy", *names]:
            try:
                if name not in servers:
                    log = models.parent / f"{name}.log"
                    servers[name] = stack.enter_context(serving_peer(name, folder / GRAPH_FILE, log))
                target = target_of(name, servers[name].port, images)
                # Wait until each is ready before the next starts: PyTriton allows a step of its start only one second.
                if not np.allclose(_ask_patiently(target), wanted, atol=_TOLERANCE):
                    raise RuntimeError("its answer is not the network's")
                closed_loop(target, 8, 1.5)
                targets[name] = target
            except Exception as error:  # measure the other servers, whatever this one does
                failed[name] = f"{type(error).__name__}: {error}"[:600]
        for _ in range(repeats):
            for kind in (NARROW, WIDE):
                limits[kind].append(raw.measure(kind, seconds))
            for callers in CALLERS:
                for name, target in list(targets.items()):
                    cpu_s = servers[name].cpu_s()
                    try:
                        load = closed_loop(target, callers, seconds)
                    except (RuntimeError, subprocess.SubprocessError) as error:
                        failed[name] = f"with {callers} callers: {error}"[:600]
                        del targets[name]
                        continue
                    runs[name, callers].append((load, (servers[name].cpu_s() - cpu_s) / load.answers))
        resident_mb = {name: round(servers[name].resident_mb()) for name in targets}
    return _summary(limits, runs, resident_mb) | {"not_measured": failed, "needed_help": NEEDED_HELP}


def _ask_patiently(target: Target, tries: int = 90) -> np.ndarray:
    """Wait until the model is ready, since a server may listen before."""
    for _ in range(tries - 1):
        try:
            return ask_once(target)
        except (grpc.RpcError, OSError):
            time.sleep(1.0)
    return ask_once(target)


def _summary(
    limits: dict[str, list[Sample]],
    runs: dict[tuple[str, int], list[tuple[Load, float]]],
    resident_mb: dict[str, int],
) -> dict[str, object]:
    medians = {kind: statistics.median(s.per_second for s in samples) for kind, samples in limits.items()}
    best, model_cpu_s = max(medians.values()), statistics.median(s.cpu_s for s in limits[NARROW])
    servers: dict[str, dict[str, object]] = {name: {"resident_mb": mb} for name, mb in resident_mb.items()}
    for (name, callers), measured in runs.items():
        if name not in servers:
            continue
        rate = statistics.median(load.per_second for load, _ in measured)
        cpu_s = statistics.median(cpu_s for _, cpu_s in measured)
        latencies = np.concatenate([load.latencies_s for load, _ in measured])
        servers[name][f"{callers} callers"] = {
            "per_second": round(rate, 1),
            "of_raw": round(rate / best, 3),
            "cpu_ms_beyond_model": round((cpu_s - model_cpu_s) * 1000, 2),
            "p50_ms": round(float(np.percentile(latencies, 50)) * 1000, 2),
            "p99_ms": round(float(np.percentile(latencies, 99)) * 1000, 2),
        }
    return {"raw_per_second": {kind: round(rate, 1) for kind, rate in medians.items()}, "servers": servers}


def main() -> None:
    """Measure, print, and write results/peers.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="*", default=list(NAMES), choices=NAMES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5, help="length of each run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        numbers = compare(chosen.repeats, chosen.seconds, chosen.names, Path(folder) / "models")
    print(numbers)
    print(write_result("peers", " ".join(["python -m benchmarks.peers", *sys.argv[1:]]), numbers))


if __name__ == "__main__":
    main()
