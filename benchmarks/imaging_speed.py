"""What a picture costs with each published model that makes pictures, in CPU time and by the clock, without a service.

    python -m benchmarks.imaging_speed                          # 512x512, one thread and two
    python -m benchmarks.imaging_speed --side 1024 --models denoise-grey kernels-sobel

Each picture goes through the code of the service: tiles, the graph, and the mapping to 0..255. Beside the models stand
OpenCV's non-local means for grey and for colours. The median of several runs after a warm-up.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Task, load_manifest
from convoy.imaging.task import transform
from convoy_training.session import open_onnx

PUBLISHED = Path("exported_models")
THREADS = (1, 2)


def measure(name: str, threads: int, work: Callable[[], object], repeats: int) -> None:
    """Prints the CPU time and the time by the clock of `work`."""
    work()
    cpu_s, wall_s = [], []
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        cpu_s.append(time.process_time() - cpu)
        wall_s.append(time.perf_counter() - began)
    told = f"{statistics.median(cpu_s) * 1e3:8.0f} ms of CPU {statistics.median(wall_s) * 1e3:8.0f} ms by the clock"
    print(f"{name:32} {threads} thread(s) {told}", flush=True)


def find_models(names: Sequence[str]) -> list[Path]:
    """The newest versions of the models that make pictures, or of those with these names."""
    found = []
    for model in sorted(PUBLISHED.iterdir()):
        versions = [version for version in model.glob("*") if (version / MANIFEST_FILE).exists()]
        newest = max(versions, key=lambda version: int(version.name), default=None)
        if newest and (model.name in names or not names) and load_manifest(newest).task is Task.PICTURE_TO_PICTURE:
            found.append(newest)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512, help="of the picture, in pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=[], help="default: all that are published")
    asked = parser.parse_args()
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(small, (asked.side, asked.side), interpolation=cv2.INTER_CUBIC), np.uint8)
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[: asked.side // 4, : asked.side // 4] = 255
    for threads in THREADS:
        cv2.setNumThreads(threads)
        for folder in find_models(asked.models):
            manifest, predict = load_manifest(folder), open_onnx(folder / GRAPH_FILE, threads=threads)
            needs = mask if manifest.picture and "mask" in manifest.picture.inputs else None
            measure(manifest.name, threads, partial(transform, predict, picture, manifest, mask=needs), asked.repeats)
        if not asked.models:
            grey = np.ascontiguousarray(picture[..., 1])
            measure(
                "non-local means, grey", threads, partial(cv2.fastNlMeansDenoising, grey, None, 25.0), asked.repeats
            )
            measure("non-local means, colour", threads,
                    partial(cv2.fastNlMeansDenoisingColored, picture, None, 25.0, 25.0), asked.repeats)  # fmt: skip


if __name__ == "__main__":
    main()
