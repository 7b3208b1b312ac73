"""Measures how much of ONNX Runtime's speed is left when Convoy, or the simplest possible server, serves a network.

"Raw" is ONNX Runtime in this process with nothing around it: the better of two single-threaded runs side by side and
one run on two threads. The bare server is benchmarks/bare.py. Raw and served runs alternate; each result is the median
of the rounds' ratios. The load generator shares the cores.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from convoy.core.manifest import GRAPH_FILE
from convoy.fleet.ports import free_range

from benchmarks.conditions import write_result
from benchmarks.h2load import Target, closed_loop, grpc_target
from benchmarks.networks import pictures, write_network
from benchmarks.raw import DECODED, NARROW, WIDE, Raw, Sample, photo
from benchmarks.requests import TENSOR_DOOR, TYPED_DOOR, tensor_request, typed_request
from benchmarks.server import Served, running, serving

TENSOR, JPEG = "tensor", "JPEG 640x480"
CONVOY, BARE = "convoy", "bare"


@dataclass(frozen=True)
class Case:
    """What to send, and how many callers send it."""

    payload: str
    callers: int

    def __str__(self) -> str:
        return f"{self.payload}, {self.callers} caller{'s' if self.callers > 1 else ''}"


CASES = {
    "mobilenet-v2.float": (Case(TENSOR, 8), Case(TENSOR, 32), Case(TENSOR, 1)),
    "mobilenet-v2.uint8": (Case(TENSOR, 8), Case(TENSOR, 32), Case(TENSOR, 1), Case(JPEG, 8)),
    "mobilenet-v2.int8": (Case(TENSOR, 8), Case(JPEG, 8)),
    "resnet50.float": (Case(TENSOR, 8),),
}


@dataclass(frozen=True)
class Answered:
    """One served run: answers per second, CPU seconds per answer of server and load generator, latencies in seconds."""

    per_second: float
    cpu_s: float
    load_cpu_s: float
    latencies_s: np.ndarray


def serve_once(served: Served, target: Target, callers: int, seconds: float) -> Answered:
    cpu_s = served.cpu_s()
    load = closed_loop(target, callers, seconds)
    cpu_s = served.cpu_s() - cpu_s
    if "Classify" not in target.url and load.answer_bytes < 4000:
        raise RuntimeError("the responses are too short to be answers")
    return Answered(load.per_second, cpu_s / load.answers, load.cpu_s / load.answers, load.latencies_s)


def compare(name: str, models: Path, repeats: int, seconds: float) -> dict[str, object]:
    """Measure raw, Convoy and the bare server in turn."""
    cases, images, jpeg = CASES[name], pictures(name, 1), photo()
    folder = write_network(models, name)
    raw = Raw(folder, images, jpeg)
    kinds = (NARROW, WIDE, *([DECODED] if any(case.payload == JPEG for case in cases) else []))
    limits: dict[str, list[Sample]] = defaultdict(list)
    runs: dict[str, dict[Case, list[Answered]]] = {CONVOY: defaultdict(list), BARE: defaultdict(list)}
    with ExitStack() as stack:
        convoy = stack.enter_context(serving("classification", models, CONVOY_MODEL=name))
        servers = {CONVOY: convoy, BARE: stack.enter_context(_serving_bare(folder / GRAPH_FILE))}
        contents = {TENSOR: (TENSOR_DOOR, tensor_request(name, images)), JPEG: (TYPED_DOOR, typed_request(jpeg))}
        asked = [
            (kind, case, grpc_target(served.port, *contents[case.payload]))
            for case in cases
            for kind, served in servers.items()
            if kind == CONVOY or case.payload == TENSOR
        ]
        for _, case, target in asked:
            closed_loop(target, case.callers, 1.0)
        for _ in range(repeats):
            for limit in kinds:
                limits[limit].append(raw.measure(limit, seconds))
            for kind, case, target in asked:
                runs[kind][case].append(serve_once(servers[kind], target, case.callers, seconds))
        resident_mb = {kind: round(served.resident_mb()) for kind, served in servers.items()}
        served_ok, served_failed = convoy.answered(), convoy.answered("INTERNAL")
    if served_failed or not served_ok:
        raise RuntimeError("calls failed")
    return {
        "raw": {kind: _show_raw(samples) for kind, samples in limits.items()},
        "served": {str(case): _show_served(case, answered, limits) for case, answered in runs[CONVOY].items()},
        "bare": {str(case): _show_served(case, answered, limits) for case, answered in runs[BARE].items()},
        "resident_mb": resident_mb[CONVOY],
        "bare_resident_mb": resident_mb[BARE],
    }


@contextmanager
def _serving_bare(graph: Path) -> Iterator[Served]:
    port = free_range(1)
    command = [sys.executable, "-m", "benchmarks.bare", str(graph), str(port)]
    with running(command, dict(os.environ), [port]) as child:
        yield Served(port, child.pid)


def _show_raw(samples: list[Sample]) -> dict[str, float]:
    return {
        "per_second": round(statistics.median(s.per_second for s in samples), 1),
        "cpu_ms": round(statistics.median(s.cpu_s for s in samples) * 1000, 2),
        "p50_ms": round(statistics.median(s.run_s for s in samples) * 1000, 2),
    }


def _show_served(case: Case, runs: list[Answered], limits: dict[str, list[Sample]]) -> dict[str, object]:
    """Compute medians, and their ratios to raw."""
    kinds = (DECODED,) if case.payload == JPEG else (NARROW, WIDE)
    model_cpu_s = statistics.median(s.cpu_s for s in limits[kinds[0]])
    rate = statistics.median(run.per_second for run in runs)
    ratios = [run.per_second / max(limits[kind][i].per_second for kind in kinds) for i, run in enumerate(runs)]
    cpu_s = statistics.median(run.cpu_s for run in runs)
    load_cpu_s = statistics.median(run.load_cpu_s for run in runs)
    p50, p99 = (statistics.median(np.percentile(run.latencies_s, p) for run in runs) for p in (50, 99))
    shown: dict[str, object] = {
        "per_second": round(rate, 1),
        "of_raw": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "cpu_of_raw": round(model_cpu_s / (cpu_s + load_cpu_s), 3),
        "cpu_ms": round(cpu_s * 1000, 2),
        "cpu_ms_beyond_model": round((cpu_s - model_cpu_s) * 1000, 2),
        "load_cpu_ms": round(load_cpu_s * 1000, 3),
        "p50_ms": round(float(p50) * 1000, 2),
        "p99_ms": round(float(p99) * 1000, 2),
    }
    if case.callers == 1:
        alone_s = statistics.median(s.run_s for s in limits[WIDE])
        shown["p50_ms_beyond_raw"] = round((float(p50) - alone_s) * 1000, 2)
    return shown


def main() -> None:
    """Measure, print, and write results/serving_overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each run")
    chosen = parser.parse_args()
    numbers = {}
    for name in chosen.networks:
        with tempfile.TemporaryDirectory() as folder:
            numbers[name] = compare(name, Path(folder), chosen.repeats, chosen.seconds)
        print(name, numbers[name], flush=True)
    command = " ".join(["python -m benchmarks.serving_overhead", *sys.argv[1:]])
    print(write_result("serving_overhead", command, numbers))


if __name__ == "__main__":
    main()
