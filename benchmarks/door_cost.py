"""Measures the CPU time of the web door for a call of another system's client, beside the REST call behind it.

The models are tiny, so that what is left is the door. It measures CPU time and not wall time, in alternating rounds. It
also measures how long a 320x320 picture takes through DeepStack's door with a published detector.

    python -m benchmarks.door_cost
    taskset -c 0,1 python -m benchmarks.door_cost --only latency    # on a machine where nothing else runs
"""

import argparse
import base64
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from convoy.testing.pictures import encode, plain, portrait
from convoy.testing.tiny_models import write_repository

from benchmarks.conditions import write_result
from benchmarks.door_fleet import AMAZON, GALLERY, JSON, Asker, asking

ROUNDS, CALLS = 6, 100
DETECTOR = "bccd-yolo-int8"
Call = Callable[[], tuple[int, bytes]]


def pairs(asker: Asker) -> dict[str, tuple[Call, Call]]:
    """Door -> (its call, the REST call behind it)."""
    photo, text = encode(portrait(1, shade=0.9)), base64.b64encode(encode(portrait(1, shade=0.9))).decode()
    identify = f"/v1/galleries/{GALLERY}/identify"
    search = json.dumps({"CollectionId": GALLERY, "Image": {"Bytes": text}}).encode()
    own = json.dumps({"image": text, "nearest": 80, "selection": "LARGEST"}).encode()

    def form(path: str, name: str) -> Call:
        return lambda: asker.form(path, name, photo)

    return {
        "DeepStack detection": (form("/v1/vision/detection", "image"), form("/v1/detect", "image")),
        "DeepStack recognize": (form("/v1/vision/face/recognize", "image"), form(identify, "image")),
        "CompreFace recognize": (
            form("/api/v1/recognition/recognize", "file"),
            form(f"{identify}?nearest=1", "image"),
        ),
        "Rekognition SearchFacesByImage": (
            lambda: asker.ask("/", search, AMAZON, "SearchFacesByImage"),
            lambda: asker.ask(identify, own, JSON),
        ),
    }


def cost_ms(asker: Asker, call: Call, calls: int) -> float:
    """CPU milliseconds of the door's process for one call."""
    before = asker.cpu_s()
    for _ in range(calls):
        status, content = call()
        assert status == 200, content[:300]
    return (asker.cpu_s() - before) / calls * 1000


def measure_costs(rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Each door's call, the REST call, and the median of the differences of the rounds."""
    with tempfile.TemporaryDirectory() as folder, asking(write_repository(Path(folder))) as asker:
        asker.convoy.register(GALLERY, "ada", [encode(portrait(1, noise=i)) for i in (1, 2)])
        numbers = {}
        for name, (door, rest) in pairs(asker).items():
            cost_ms(asker, door, 20), cost_ms(asker, rest, 20)
            taken = [(cost_ms(asker, door, calls), cost_ms(asker, rest, calls)) for _ in range(rounds)]
            numbers[name] = {
                "door_ms": round(statistics.median(one for one, _ in taken), 3),
                "rest_ms": round(statistics.median(other for _, other in taken), 3),
                "more_ms": round(statistics.median(one - other for one, other in taken), 3),
            }
    return numbers


def measure_latency(models: Path, detector: str, calls: int) -> dict[str, float]:
    """Milliseconds of wall time for a 320x320 picture, one call after another."""
    picture = encode(plain(width=320, height=320), ".jpg")
    with asking(models) as asker:
        taken = []
        for _ in range(calls + 20):
            began = time.perf_counter()
            status, content = asker.form(f"/v1/vision/custom/{detector}", "image", picture)
            taken.append((time.perf_counter() - began) * 1000)
            assert status == 200, content[:300]
    percentiles = statistics.quantiles(taken[20:], n=100)
    return {"p50_ms": round(percentiles[49], 1), "p99_ms": round(percentiles[98], 1)}


def main() -> None:
    """Measure, print, and write results/door_cost.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--only", choices=("cost", "latency"), help="by default both, of which results/ keeps a record")
    parser.add_argument("--models", type=Path, default=Path("exported_models"), help="where the detector is")
    parser.add_argument("--detector", default=DETECTOR)
    chosen = parser.parse_args()
    numbers: dict[str, object] = {}
    if chosen.only != "latency":
        numbers["cpu of the web door"] = measure_costs(chosen.rounds, chosen.calls)
    if chosen.only != "cost":
        latency = measure_latency(chosen.models, chosen.detector, 5 * chosen.calls)
        numbers[f"320x320 by {chosen.detector}"] = latency
    print(json.dumps(numbers, indent=2))
    if not chosen.only:
        write_result("door_cost", "python -m benchmarks.door_cost", numbers)


if __name__ == "__main__":
    main()
