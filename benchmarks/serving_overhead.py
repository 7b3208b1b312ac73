"""How much of ONNX Runtime's own speed is left when a network is served.

Raw is ONNX Runtime called in-process with nothing around it: the better of two single-threaded sessions side by side
and one session on two threads. Raw and served runs alternate; medians of all repeats; the load generator shares the
cores with the server.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from convoy.core.engine import Engine
from convoy.core.manifest import GRAPH_FILE
from convoy.inference import open_inference_pb2 as oip
from convoy.v1 import classification_pb2, common_pb2

from benchmarks.conditions import write_result
from benchmarks.load import closed_loop, method, open_channel
from benchmarks.networks import SIDE, write_network
from benchmarks.server import Served, serving

TENSOR_DOOR = "/inference.GRPCInferenceService/ModelInfer"
TYPED_DOOR = "/convoy.v1.ClassificationService/Classify"
IMAGE = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)


def tensor_request(name: str) -> bytes:
    """One picture of 150 KB as a tensor."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=IMAGE.shape)
    request = oip.ModelInferRequest(model_name=name, inputs=[tensor], raw_input_contents=[IMAGE.tobytes()])
    return request.SerializeToString()


def typed_request(name: str) -> bytes:
    """The same picture as raw pixels through the typed API."""
    raw = common_pb2.RawImage(width=SIDE, height=SIDE, data=IMAGE.tobytes())
    image = common_pb2.Image(raw=raw)
    return classification_pb2.ClassifyRequest(images=[image], top_k=1).SerializeToString()


def raw_rate(engine: Engine, runners: int, seconds: float, alone: bool) -> tuple[float, float]:
    """Runs a second of `runners` threads, and CPU seconds a run."""
    end = time.perf_counter() + seconds

    def run() -> int:
        count = 0
        while time.perf_counter() < end:
            engine.run(IMAGE, alone)
            count += 1
        return count

    cpu, started = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(runners) as pool:
        count = sum(f.result() for f in [pool.submit(run) for _ in range(runners)])
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count


def served_rate(served: Served, path: str, request: bytes, callers: int, seconds: float) -> tuple[float, float, float]:
    """Answers a second, server CPU seconds an answer, median latency in seconds."""

    async def measure() -> tuple[float, float, float]:
        async with open_channel(served.port) as channel:
            call = method(channel, path)
            await closed_loop(call, request, callers, 0.3)
            cpu, started = served.cpu_s(), time.perf_counter()
            answers = await closed_loop(call, request, callers, seconds)
            elapsed_s = time.perf_counter() - started
        if any(answer.code != "OK" for answer in answers):
            raise RuntimeError(f"a call failed: {next(a.code for a in answers if a.code != 'OK')}")
        latency_s = statistics.median(answer.latency_s for answer in answers)
        return len(answers) / elapsed_s, (served.cpu_s() - cpu) / len(answers), latency_s

    return asyncio.run(measure())


def compare(name: str, models: Path, repeats: int, seconds: float) -> dict[str, object]:
    """Raw and served, alternating."""
    write_network(models, name)
    graph = models / name / "1" / GRAPH_FILE
    narrow = Engine(graph, "cpu", 2)
    doors = {
        "tensor, 8 callers": (TENSOR_DOOR, tensor_request(name), 8),
        "tensor, 32 callers": (TENSOR_DOOR, tensor_request(name), 32),
        "typed raw pixels, 8 callers": (TYPED_DOOR, typed_request(name), 8),
        "tensor, 1 caller": (TENSOR_DOOR, tensor_request(name), 1),
    }
    raw: dict[str, list[tuple[float, float]]] = {"2 x 1 thread": [], "1 x 2 threads": []}
    rates: dict[str, list[tuple[float, float, float]]] = {door: [] for door in doors}
    with serving("classification", models, CONVOY_MODEL=name) as served:
        for _ in range(repeats):
            raw["2 x 1 thread"].append(raw_rate(narrow, 2, seconds, alone=False))
            raw["1 x 2 threads"].append(raw_rate(narrow, 1, seconds, alone=True))
            for door, (path, request, callers) in doors.items():
                rates[door].append(served_rate(served, path, request, callers, seconds))
        resident_mb = served.resident_mb()
    return summary(raw, rates, resident_mb)


def summary(
    raw: dict[str, list[tuple[float, float]]], rates: dict[str, list[tuple[float, float, float]]], resident_mb: float
) -> dict[str, object]:
    """Medians and ratios."""
    medians = {kind: statistics.median(rate for rate, _ in runs) for kind, runs in raw.items()}
    best = max(medians.values())
    model_cpu_s = statistics.median(cpu for _, cpu in raw["2 x 1 thread"])
    lone_raw_s = 1 / medians["1 x 2 threads"]
    served = {}
    for door, runs in rates.items():
        rate, cpu_s, latency_s = (statistics.median(values) for values in zip(*runs, strict=True))
        served[door] = {
            "per_second": round(rate, 1),
            "of_raw": round(rate / best, 3),
            "cpu_ms_beyond_model": round((cpu_s - model_cpu_s) * 1000, 2),
            "p50_ms": round(latency_s * 1000, 2),
        }
    served["tensor, 1 caller"]["p50_ms_beyond_raw"] = round(served["tensor, 1 caller"]["p50_ms"] - lone_raw_s * 1000, 2)
    return {
        "raw_per_second": {kind: round(rate, 1) for kind, rate in medians.items()},
        "served": served,
        "resident_mb": round(resident_mb),
    }


def main() -> None:
    """Measure, print, write results/serving_overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["mobilenet-v2", "resnet50"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    chosen = parser.parse_args()
    numbers = {}
    for name in chosen.networks:
        with tempfile.TemporaryDirectory() as folder:
            numbers[name] = compare(name, Path(folder), chosen.repeats, chosen.seconds)
        print(name, numbers[name])
    print(write_result("serving_overhead", "python -m benchmarks.serving_overhead", numbers))


if __name__ == "__main__":
    main()
