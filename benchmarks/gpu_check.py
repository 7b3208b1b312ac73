"""Checks that every published model gives the same answers on a GPU, and how much of its speed a service keeps.

`scripts/gpu-check` runs it on a machine with a GPU, in at most ten minutes. It compares every published model on each
available device with the CPU, asks for each missing device and expects a refusal, and measures ResNet-50 and
MobileNetV2 through the whole service and on plain ONNX Runtime, on the same device. `--device cpu` is a dry run.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import onnxruntime
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, InputSpec, load_manifest
from convoy.core.models.engine import PROVIDERS, Engine, Outputs

from benchmarks.conditions import write_result
from benchmarks.networks import pictures, write_network
from benchmarks.requests import TENSOR_DOOR, tensor_request
from benchmarks.server import Served, serving

PUBLISHED = Path("exported_models")
NETWORKS = ("resnet50.uint8", "mobilenet-v2.uint8")
CALLERS = (1, 8, 32)
BATCH = 4
BOUNDS = {"float32": 1e-4, "float16": 2e-2, "int8": 5e-2}
"""Largest allowed difference from the CPU, relative to 1 + |number|; for a class map, the share of its pixels."""


def compare(folder: Path, device: str) -> dict[str, object]:
    """Compare one published model on a device and on the CPU, on the same pixels."""
    manifest = load_manifest(folder)
    images = _images(manifest.input)
    expected = Engine(folder / GRAPH_FILE, "cpu").run(images)
    difference = _difference(expected, Engine(folder / GRAPH_FILE, device).run(images))
    bound = BOUNDS[manifest.precision]
    return {"difference": float(f"{difference:.2e}"), "bound": bound, "is_equal": bool(difference <= bound)}


def refuses(device: str, graph: Path) -> bool:
    """Whether the engine refuses a missing device instead of replacing it by the CPU."""
    try:
        Engine(graph, device, quiet=True)
    except FailedPrecondition as error:
        return error.reason == "DEVICE_UNAVAILABLE"
    return False


def measure(name: str, device: str, seconds: float) -> dict[str, object]:
    """Measure a network alone and through the service, on one device; raw and served runs alternate."""
    with tempfile.TemporaryDirectory() as models:
        folder, image = write_network(Path(models), name), pictures(name, 1)
        engine = Engine(folder / GRAPH_FILE, device)
        raw = {batch: _raw_rate(engine, np.repeat(image, batch, axis=0), seconds) for batch in (1, 32)}
        request = tensor_request(name, image)
        with serving("classification", Path(models), CONVOY_CLASSIFICATION_MODEL=name, CONVOY_DEVICE=device) as served:
            asyncio.run(_load(served.port, request, 8, 1.0))
            runs = {callers: asyncio.run(_load(served.port, request, callers, seconds)) for callers in CALLERS}
            memory = {"resident_mb": round(served.resident_mb()), "gpu_mb": _gpu_memory_mb(served)}
    best = max(raw.values())
    return {
        "raw_per_second": {f"batch {batch}": round(rate, 1) for batch, rate in raw.items()},
        "served": {
            f"{callers} callers": {
                "per_second": round(len(times) / seconds, 1),
                "of_raw": round(len(times) / seconds / best, 3),
                "p50_ms": round(float(np.percentile(times, 50)) * 1000, 2),
                "p99_ms": round(float(np.percentile(times, 99)) * 1000, 2),
            }
            for callers, times in runs.items()
        },
        **memory,
    }


def _images(spec: InputSpec) -> np.ndarray:
    side = (spec.long_side or 0) // spec.stride * spec.stride
    height, width = spec.height or side, spec.width or side
    return np.random.default_rng(0).integers(0, 256, (BATCH, height, width, 3), np.uint8)


def _difference(expected: Outputs, found: Outputs) -> float:
    worst = 0.0
    for name, array in expected.items():
        wanted, got = np.asarray(array, np.float64), np.asarray(found[name], np.float64)
        if name == "class_map":
            worst = max(worst, float(np.mean(wanted != got)))
        else:
            worst = max(worst, float(np.max(np.abs(wanted - got) / (1 + np.abs(wanted)))))
    return worst


def _raw_rate(engine: Engine, images: np.ndarray, seconds: float) -> float:
    """Measure how many pictures a second plain ONNX Runtime processes."""
    engine.run(images)
    runs, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        engine.run(images, alone=True)
        runs += 1
    return runs * len(images) / (time.perf_counter() - started)


async def _load(port: int, request: bytes, callers: int, seconds: float) -> list[float]:
    """Measure the seconds of each answered call, with so many callers that each have one call in flight."""
    times: list[float] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(TENSOR_DOOR)
        end = time.perf_counter() + seconds

        async def ask() -> None:
            while (started := time.perf_counter()) < end:
                await call(request)
                times.append(time.perf_counter() - started)

        await asyncio.gather(*(ask() for _ in range(callers)))
    return times


def _gpu_memory_mb(served: Served) -> int | None:
    """Return the GPU memory of the service's processes, by nvidia-smi; None if there is none."""
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [line.split(", ") for line in done.stdout.splitlines() if line.strip()]
    mine = set(served.processes())
    return sum(int(used) for pid, used in rows if int(pid) in mine and used.isdecimal())


def check(devices: list[str], seconds: float, networks: list[str]) -> tuple[dict[str, object], list[str]]:
    """Return what was measured, and what is wrong with it."""
    folders = sorted(path.parent for path in PUBLISHED.glob(f"*/*/{MANIFEST_FILE}"))
    numbers: dict[str, object] = {}
    problems: list[str] = []
    missing = [name for name in PROVIDERS if PROVIDERS[name] not in onnxruntime.get_available_providers()]
    for device in missing:
        numbers[f"{device} is refused"] = refuses(device, folders[0] / GRAPH_FILE)
        if not numbers[f"{device} is refused"]:
            problems.append(f"{device} is missing but was not refused")
    for device in devices:
        agreement = {f"{path.parent.name}/{path.name}": compare(path, device) for path in folders}
        problems += [f"{model} differs on {device}" for model, seen in agreement.items() if not seen["is_equal"]]
        speed = {name: measure(name, device, seconds) for name in networks}
        numbers[device] = {"agreement": agreement, "speed": speed}
    return numbers, problems


def main() -> None:
    """Check, print, and write results/gpu_check.json. Exits with 1 if something is wrong."""
    there = [name for name in ("cuda", "tensorrt") if PROVIDERS[name] in onnxruntime.get_available_providers()]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--device",
        action="append",
        choices=PROVIDERS,
        help="device to check; by default cuda and tensorrt, if available",
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--dry-run", action="store_true", help="run on the CPU, and write no result")
    chosen = parser.parse_args()
    devices = ["cpu"] if chosen.dry_run else chosen.device or there
    if not devices:
        sys.exit("onnxruntime has no GPU provider here; --dry-run checks this command on the CPU")
    numbers, problems = check(devices, chosen.seconds, chosen.networks)
    for name, seen in numbers.items():
        print(name, seen, flush=True)
    if not chosen.dry_run:
        print(write_result("gpu_check", " ".join(["scripts/gpu-check", *sys.argv[1:]]), numbers))
    sys.exit("; ".join(problems) or 0)


if __name__ == "__main__":
    main()
