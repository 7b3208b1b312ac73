"""Measures the upper limit: ONNX Runtime in this process, with nothing around it."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from convoy.classification.task import prepare
from convoy.core.manifest import GRAPH_FILE, Manifest, load_manifest
from convoy.core.models.engine import Engine, Outputs
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.resizing import min_side

NARROW, WIDE, DECODED = "2 x 1 thread", "1 x 2 threads", "2 x 1 thread, with decoding"


@dataclass(frozen=True)
class Sample:
    """Runs per second, CPU seconds per run, and median seconds of a run."""

    per_second: float
    cpu_s: float
    run_s: float


class Raw:
    """A network from a model folder, as fast as it can run on two cores."""

    def __init__(self, folder: Path, pictures: np.ndarray, jpeg: bytes) -> None:
        self._engine = Engine(folder / GRAPH_FILE, "cpu", 2)
        self._manifest: Manifest = load_manifest(folder)
        self._pictures = pictures
        self._jpeg = jpeg

    def measure(self, kind: str, seconds: float) -> Sample:
        """Measure one of NARROW, WIDE, DECODED."""
        if kind == WIDE:
            return _measure(lambda: self._engine.run(self._pictures, alone=True), 1, seconds)
        return _measure(self._decode_and_run if kind == DECODED else self._run, 2, seconds)

    def answer(self) -> Outputs:
        """Run the network on the pictures, and return its output."""
        return self._engine.run(self._pictures)

    def _run(self) -> object:
        return self._engine.run(self._pictures)

    def _decode_and_run(self) -> object:
        picture = decode_image(self._jpeg, min_side=min_side(self._manifest.input))
        return self._engine.run(prepare(picture, self._manifest)[0][None])


def photo() -> bytes:
    """Make a JPEG of 640 x 480 with the detail of a real picture, about 60 KB."""
    rng = np.random.default_rng(0)
    image = np.zeros((480, 640, 3), np.float32)
    for side in (5, 20, 80, 320):
        image += cv2.resize(rng.normal(0, 40, (side, side, 3)).astype(np.float32), (640, 480))
    pixels = np.clip(image + 128, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _measure(run: Callable[[], object], threads: int, seconds: float) -> Sample:
    run()
    end = time.perf_counter() + seconds

    def repeat() -> list[float]:
        times = []
        while (started := time.perf_counter()) < end:
            run()
            times.append(time.perf_counter() - started)
        return times

    cpu_s, started = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        times = [t for done in [pool.submit(repeat) for _ in range(threads)] for t in done.result()]
    elapsed_s = time.perf_counter() - started
    return Sample(len(times) / elapsed_s, (time.process_time() - cpu_s) / len(times), statistics.median(times))
