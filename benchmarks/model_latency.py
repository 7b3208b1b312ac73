"""Measures what one call to each published model takes, through its service: by the clock, and in CPU time.

    python -m benchmarks.model_latency
    python -m benchmarks.model_latency --calls 20 --models cifar10-resnet

One caller sends the same JPEG again and again and waits for each answer. The faces service has one detector and one
embedder at a time, so it is started for each pair; an embedder is measured with the detector before it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
from convoy.client import Convoy
from convoy.core.manifest import MANIFEST_FILE, Manifest, Task, load_manifest
from convoy.testing.pictures import portrait

from benchmarks.conditions import write_result
from benchmarks.load import percentiles_ms
from benchmarks.server import Served, serving

PUBLISHED = Path("exported_models")
WARM_UP = 3
PATIENCE_S = 300.0
"""A call to a large network may take this long on a busy machine."""
SERVICES = {
    Task.CLASSIFICATION: "classification",
    Task.DETECTION: "detection",
    Task.SEGMENTATION: "segmentation",
    Task.PICTURE_TO_PICTURE: "imaging",
}
SIDES = {"imaging": (256, 256)}
USUAL = (640, 480)
Call = Callable[[Convoy, bytes, str], object]
CALLS: dict[str, Call] = {
    "classification": lambda convoy, photo, model: convoy.classify(photo, model=model),
    "detection": lambda convoy, photo, model: convoy.detect(photo, model=model),
    "segmentation": lambda convoy, photo, model: convoy.segment(photo, model=model),
    "imaging": lambda convoy, photo, model: convoy.transform(photo, model=model),
}


def published(names: list[str]) -> Iterator[Manifest]:
    """The manifests of all published models, or of those with these names, by name and version."""
    for path in sorted(PUBLISHED.glob(f"*/*/{MANIFEST_FILE}")):
        if not names or path.parts[-3] in names:
            yield load_manifest(path.parent)


def photo(width: int, height: int) -> bytes:
    """A JPEG with the face of a drawn person, as large as a camera's preview."""
    image = cv2.resize(portrait(1)[:, :, ::-1], (width, height), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def measure(served: Served, call: Callable[[], object], calls: int) -> dict[str, float]:
    """Milliseconds by the clock (p50, p99) and of CPU time for each call."""
    for _ in range(WARM_UP):
        call()
    latencies, cpu = [], served.cpu_s()
    for _ in range(calls):
        began = time.perf_counter()
        call()
        latencies.append(time.perf_counter() - began)
    found = percentiles_ms(latencies)
    return {
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "cpu_ms": round((served.cpu_s() - cpu) / calls * 1e3, 2),
    }


def measure_all(names: list[str], calls: int) -> dict[str, dict[str, Any]]:
    """What each model takes, by name:version."""
    found: dict[str, dict[str, Any]] = {}
    models = list(published(names))
    for task, service in SERVICES.items():
        if of_task := [one for one in models if one.task is task]:
            width, height = SIDES.get(service, USUAL)
            with ExitStack() as stack:
                served = stack.enter_context(serving(service, PUBLISHED))
                convoy = stack.enter_context(Convoy(timeout_s=PATIENCE_S, **{service: f"127.0.0.1:{served.port}"}))  # type: ignore[arg-type]
                for one in of_task:
                    name = f"{one.name}:{one.version}"
                    call = CALLS[service]
                    numbers = measure(served, lambda: call(convoy, photo(width, height), name), calls)  # noqa: B023
                    found[name] = {"picture": f"{width}x{height}", **numbers}
                    print(name, found[name], flush=True)
    detectors = [one for one in models if one.task is Task.FACE_DETECTION]
    embedders = [one for one in models if one.task is Task.FACE_EMBEDDING]
    for detector, embedder in zip_longest(detectors, embedders):
        found |= measure_faces(detector, embedder, calls)
    return dict(sorted(found.items()))


def measure_faces(detector: Manifest | None, embedder: Manifest | None, calls: int) -> dict[str, dict[str, Any]]:
    """What a detector takes to find the face, and an embedder with the detector before it to describe it."""
    chosen = {"CONVOY_FACE_DETECTOR": detector, "CONVOY_FACE_EMBEDDER": embedder}
    variables = {key: f"{one.name}:{one.version}" for key, one in chosen.items() if one}
    picture, found = photo(*USUAL), {}
    with ExitStack() as stack:
        served = stack.enter_context(serving("faces", PUBLISHED, **variables))
        convoy = stack.enter_context(Convoy(faces=f"127.0.0.1:{served.port}", timeout_s=PATIENCE_S))
        asked = {
            "CONVOY_FACE_DETECTOR": lambda: convoy.detect_faces(picture),
            "CONVOY_FACE_EMBEDDER": lambda: convoy.embed_faces(picture),
        }
        for key, name in variables.items():
            found[name] = {"picture": "640x480", **measure(served, asked[key], calls)}
            print(name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--models", nargs="*", default=[], help="default: all that are published")
    asked = parser.parse_args()
    numbers = measure_all(asked.models, asked.calls)
    if not asked.models:
        print(write_result("model_latency", f"python -m benchmarks.model_latency --calls {asked.calls}", numbers))


if __name__ == "__main__":
    main()
