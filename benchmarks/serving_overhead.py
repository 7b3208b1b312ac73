"""How much of ONNX Runtime's own speed is left when a network is served.

Raw is ONNX Runtime called in-process with nothing around it, the better of two single-threaded runs side by side and
one run on two threads. Raw and served runs alternate; medians of all repeats; the load generator shares the cores.
"""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.conditions import write_result
from benchmarks.h2load import Target, closed_loop, grpc_target
from benchmarks.networks import pictures, write_network
from benchmarks.raw import DECODED, NARROW, WIDE, Raw, Sample, photo
from benchmarks.requests import TENSOR_DOOR, TYPED_DOOR, tensor_request, typed_request
from benchmarks.server import Served, serving

TENSOR, JPEG = "tensor", "JPEG 640x480"


@dataclass(frozen=True)
class Case:
    """What is sent by how many callers."""

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
    """One served run: answers a second, CPU seconds an answer of server and of load generator, latencies in seconds."""

    per_second: float
    cpu_s: float
    load_cpu_s: float
    latencies_s: np.ndarray


def serve_once(served: Served, target: Target, callers: int, seconds: float) -> Answered:
    cpu_s = served.cpu_s()
    load = closed_loop(target, callers, seconds)
    cpu_s = served.cpu_s() - cpu_s
    if "Classify" not in target.url and load.answer_bytes < 4000:
        raise RuntimeError("the answers are too short to be answers")
    return Answered(load.per_second, cpu_s / load.answers, load.cpu_s / load.answers, load.latencies_s)


def compare(name: str, models: Path, repeats: int, seconds: float) -> dict[str, object]:
    """Raw and served, alternating."""
    cases, images, jpeg = CASES[name], pictures(name, 1), photo()
    raw = Raw(write_network(models, name), images, jpeg)
    kinds = (NARROW, WIDE, *([DECODED] if any(case.payload == JPEG for case in cases) else []))
    limits: dict[str, list[Sample]] = defaultdict(list)
    runs: dict[Case, list[Answered]] = defaultdict(list)
    with serving("classification", models, CONVOY_MODEL=name) as served:
        targets = {
            TENSOR: grpc_target(served.port, TENSOR_DOOR, tensor_request(name, images)),
            JPEG: grpc_target(served.port, TYPED_DOOR, typed_request(jpeg)),
        }
        for case in cases:
            closed_loop(targets[case.payload], case.callers, 1.0)
        for _ in range(repeats):
            for kind in kinds:
                limits[kind].append(raw.measure(kind, seconds))
            for case in cases:
                runs[case].append(serve_once(served, targets[case.payload], case.callers, seconds))
        resident_mb = served.resident_mb()
        served_ok, served_failed = served.answered(), served.answered("INTERNAL")
    if served_failed or not served_ok:
        raise RuntimeError("calls failed")
    return {
        "raw": {kind: _show_raw(samples) for kind, samples in limits.items()},
        "served": {str(case): _show_served(case, answered, limits) for case, answered in runs.items()},
        "resident_mb": round(resident_mb),
    }


def _show_raw(samples: list[Sample]) -> dict[str, float]:
    return {
        "per_second": round(statistics.median(s.per_second for s in samples), 1),
        "cpu_ms": round(statistics.median(s.cpu_s for s in samples) * 1000, 2),
        "p50_ms": round(statistics.median(s.run_s for s in samples) * 1000, 2),
    }


def _show_served(case: Case, runs: list[Answered], limits: dict[str, list[Sample]]) -> dict[str, object]:
    """Medians, and how they stand to raw."""
    kinds = (DECODED,) if case.payload == JPEG else (NARROW, WIDE)
    best = max(statistics.median(s.per_second for s in limits[kind]) for kind in kinds)
    model_cpu_s = statistics.median(s.cpu_s for s in limits[kinds[0]])
    rate = statistics.median(run.per_second for run in runs)
    cpu_s = statistics.median(run.cpu_s for run in runs)
    p50, p99 = (statistics.median(np.percentile(run.latencies_s, p) for run in runs) for p in (50, 99))
    shown: dict[str, object] = {
        "per_second": round(rate, 1),
        "of_raw": round(rate / best, 3),
        "ratios": [round(run.per_second / best, 3) for run in runs],
        "cpu_ms": round(cpu_s * 1000, 2),
        "cpu_ms_beyond_model": round((cpu_s - model_cpu_s) * 1000, 2),
        "load_cpu_ms": round(statistics.median(run.load_cpu_s for run in runs) * 1000, 3),
        "p50_ms": round(float(p50) * 1000, 2),
        "p99_ms": round(float(p99) * 1000, 2),
    }
    if case.callers == 1:
        alone_s = statistics.median(s.run_s for s in limits[WIDE])
        shown["p50_ms_beyond_raw"] = round((float(p50) - alone_s) * 1000, 2)
    return shown


def main() -> None:
    """Measure, print, write results/serving_overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each run")
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
