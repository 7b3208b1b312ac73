"""Measures what the web door costs beside the gRPC call with the same JPEG, and stands beside other servers' HTTP.

One run starts the classification service, a web door before it, and, where `python -m benchmarks.peers.install bentoml
litserve` made their environments, BentoML and LitServe on the same network with two workers of one thread each. All of
them stay up; rounds alternate. They share one session, so that each has the same part of a busy machine, however many
processes it is. "cpu" is CPU time of the processes (service, door) for an answer, not wall time.

    python -m benchmarks.web_speed
"""

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from convoy.core.api import SERVICES
from convoy.core.manifest import GRAPH_FILE
from convoy.fleet.ports import free_range

from benchmarks.conditions import write_result
from benchmarks.h2load import Target, closed_loop, grpc_target
from benchmarks.peers.__main__ import serving_peer
from benchmarks.peers.install import python_of
from benchmarks.raw import photo
from benchmarks.requests import TYPED_DOOR, typed_request
from benchmarks.server import Served, running, serving

NETWORK = "mobilenet-v2.uint8"
PEERS = ("bentoml", "litserve")
CALLERS = (1, 32)
GRPC, REST, JSON = "gRPC", "REST, a JPEG as body", "Connect, JSON with base64"
FORM = "REST over HTTP/1.1, a form as curl sends it"
REST_PATH = "/v1/classify?top_k=1"


@contextmanager
def door_before(service: Served) -> Iterator[Served]:
    """Run a web door before a classification service, which stands for the others too, until the block ends."""
    port = free_range(1)
    own = {
        "CONVOY_PORT": str(port),
        "CONVOY_METRICS_PORT": "0",
        "CONVOY_LOG_LEVEL": "warning",
    }
    # The console's first page asks every service whom it talks to, and waits a second for one that is away.
    own |= {f"CONVOY_{name.upper()}_ADDRESS": f"127.0.0.1:{service.port}" for name in SERVICES}
    with running(
        [sys.executable, "-m", "convoy.cli", "serve", "web"], os.environ | own, [port], own_session=False
    ) as child:
        yield Served(port, child.pid)


def targets_of(service: int, door: int, jpeg: bytes) -> dict[str, Target]:
    """The same JPEG and question in each of the ways; over HTTP/2, where nothing else is said."""
    asked = {"images": [{"encoded": base64.b64encode(jpeg).decode()}], "topK": 1}
    at = f"http://127.0.0.1:{door}"
    return {
        GRPC: grpc_target(service, TYPED_DOOR, typed_request(jpeg)),
        REST: Target(at + REST_PATH, jpeg, ("content-type: image/jpeg",)),
        FORM: form_target(at + REST_PATH, "image", jpeg),
        JSON: Target(at + TYPED_DOOR, json.dumps(asked).encode(), ("content-type: application/json",)),
    }


def target_of_peer(name: str, port: int, jpeg: bytes) -> Target:
    """A JPEG as each of them takes a file."""
    if name == "bentoml":
        return Target(f"http://127.0.0.1:{port}/classify", jpeg, ("content-type: image/jpeg",), http1=True)
    return form_target(f"http://127.0.0.1:{port}/predict", "images", jpeg)


def form_target(url: str, name: str, jpeg: bytes) -> Target:
    """A JPEG as a file of a form over HTTP/1.1."""
    edge = "convoy-benchmark"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    body = head.encode() + jpeg + f"\r\n--{edge}--\r\n".encode()
    return Target(url, body, (f"content-type: multipart/form-data; boundary={edge}",), http1=True)


def compare(folder: Path, repeats: int, seconds: float, peers: list[str]) -> dict[str, object]:
    """Start all on the model in this folder, and measure them in turn."""
    models, model, jpeg = folder.parent.parent, folder.parent.name, photo()
    runs: dict[tuple[str, int], list[Measured]] = defaultdict(list)
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(serving("classification", models, False, CONVOY_CLASSIFICATION_MODEL=model))
        door = stack.enter_context(door_before(service))
        asked = targets_of(service.port, door.port, jpeg)
        used = {name: [service, door] for name in asked}
        for name in peers:
            try:
                log = logs / f"{name}.log"
                peer = stack.enter_context(serving_peer(name, folder / GRAPH_FILE, log, own_session=False))
                target = target_of_peer(name, peer.port, jpeg)
                _wait_until_ready(target)
                asked[name], used[name] = target, [peer]
            except (RuntimeError, OSError) as error:  # measure the others, whatever this one does
                failed[name] = f"{type(error).__name__}: {error}"[:400]
        for target in asked.values():
            closed_loop(target, 8, seconds / 2)
        for _ in range(repeats):
            for callers in CALLERS:
                for name, target in list(asked.items()):
                    try:
                        runs[name, callers].append(measure(target, callers, seconds, used[name]))
                    except RuntimeError as error:
                        if name not in peers:
                            raise
                        failed[name] = f"with {callers} callers: {error}"[:400]
                        del asked[name]
        runs = {(name, callers): measured for (name, callers), measured in runs.items() if name in asked}
        first_page = first_page_s(door)
    return summary(runs) | {
        "first page of the console, s": first_page,
        "JPEG, kB": round(len(jpeg) / 1000),
        "not_measured": failed,
    }


def measure(target: Target, callers: int, seconds: float, servers: list[Served]) -> "Measured":
    """One run."""
    before = [served.cpu_s() for served in servers]
    load = closed_loop(target, callers, seconds)
    cpu_s = sum(served.cpu_s() for served in servers) - sum(before)
    return Measured(
        load.per_second, cpu_s / load.answers, load.cpu_s / load.answers, float(np.median(load.latencies_s))
    )


def first_page_s(door: Served, times: int = 5) -> float | None:
    """Median seconds until the console's first page stands, in a browser that knows nothing of it; None without one."""
    browser_path = shutil.which("chromium")
    if browser_path is None or find_spec("playwright") is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        taken: list[float] = []
        for _ in range(times):
            page = browser.new_context().new_page()
            page.goto(f"http://127.0.0.1:{door.port}/")
            page.wait_for_selector("main h1")
            taken.append(page.evaluate("performance.now()") / 1000)
            page.context.close()
        browser.close()
    return round(statistics.median(taken), 2)


@dataclass(frozen=True)
class Measured:
    """Answers a second, CPU seconds of an answer at the servers and at the load generator, median seconds."""

    per_second: float
    cpu_s: float
    load_cpu_s: float
    p50_s: float


def summary(runs: dict[tuple[str, int], list[Measured]]) -> dict[str, object]:
    """Medians, and the medians of the rounds' differences from gRPC and ratios to it."""
    shown: dict[str, object] = {}
    for (name, callers), measured in runs.items():
        beside = runs[GRPC, callers]
        shown[f"{name}, {callers} caller{'s' if callers > 1 else ''}"] = {
            "per_second": round(statistics.median(one.per_second for one in measured), 1),
            "of_grpc": _median(one.per_second / other.per_second for one, other in zip(measured, beside, strict=True)),
            "cpu_ms": round(1000 * statistics.median(one.cpu_s for one in measured), 2),
            "cpu_ms_more_than_grpc": _median(
                1000 * (one.cpu_s - other.cpu_s) for one, other in zip(measured, beside, strict=True)
            ),
            "load_cpu_ms": round(1000 * statistics.median(one.load_cpu_s for one in measured), 2),
            "p50_ms": round(1000 * statistics.median(one.p50_s for one in measured), 1),
        }
    return shown


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


def _wait_until_ready(target: Target, tries: int = 90) -> None:
    """A server may listen before its model is there."""
    for _ in range(tries):
        try:
            closed_loop(target, 1, 0.5)
            return
        except (RuntimeError, subprocess.SubprocessError):
            time.sleep(1.0)
    raise RuntimeError("it does not answer")


def main() -> None:
    """Measure, print, and write results/web_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each run")
    parser.add_argument("--peers", nargs="*", default=[name for name in PEERS if python_of(name).exists()])
    parser.add_argument(
        "--model", type=Path, help="folder of a classifier to take instead of the network, without peers"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.model:
            numbers = compare(chosen.model.resolve(), chosen.repeats, chosen.seconds, [])
        else:
            from benchmarks.networks import write_network

            network = write_network(Path(folder) / "models", NETWORK)
            numbers = compare(network, chosen.repeats, chosen.seconds, chosen.peers)
    print(json.dumps(numbers, indent=2))
    print(write_result("web_speed", " ".join(["python -m benchmarks.web_speed", *sys.argv[1:]]), numbers))


if __name__ == "__main__":
    main()
