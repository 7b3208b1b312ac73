"""Measures how much of ONNX Runtime's speed is left when the service finds and embeds the face in a 640x480 picture.

"Raw" is the two calls of ONNX Runtime on prepared inputs, and nothing else. "Way" is the service's own FacePipeline in
this process: reading and placing the pixels, suppression, alignment, quality, and the switches between its threads;
once from decoded pixels and once from a JPEG. All run on one core, in turns, so that other work of the machine affects
all equally. The ratios are of CPU time; the output also has wall time.

    python -m benchmarks.face_pipeline photo.jpg --models exported_models
"""

import argparse
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import uvloop
from convoy.core.manifest import Task
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import decode_image
from convoy.core.settings import Settings
from convoy.faces.pipeline import FacePipeline, Photo
from convoy.faces.task import Options
from convoy.v1 import common_pb2

from benchmarks.conditions import write_result

WIDTH, HEIGHT, NANO_PX = 640, 480, 320
WARM_UP = 5
GOAL = 1.1

Call = Callable[[], Awaitable[object]]


def cut_photo(file: Path) -> npt.NDArray[np.uint8]:
    """Place the picture on a canvas of 640x480, as large as possible."""
    picture = decode_image(file.read_bytes()).image_rgb
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:HEIGHT, :WIDTH]
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas


async def time_in_turns(calls: dict[str, Call], rounds: int) -> dict[str, dict[str, float]]:
    """Compute the medians of each call's CPU and wall time, in milliseconds."""
    cpu_ms: dict[str, list[float]] = {name: [] for name in calls}
    wall_ms: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + WARM_UP):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            await call()
            if turn >= WARM_UP:
                cpu_ms[name].append(1e3 * (time.process_time() - cpu))
                wall_ms[name].append(1e3 * (time.perf_counter() - wall))
    medians = {"cpu_ms": cpu_ms, "wall_ms": wall_ms}
    return {name: {kind: round(statistics.median(times[name]), 3) for kind, times in medians.items()} for name in calls}


async def measure(models: Path, photo: npt.NDArray[np.uint8], rounds: int, detector: str, embedder: str) -> dict:  # type: ignore[type-arg]
    """Measure the raw calls and the way, in milliseconds, and compute their ratios."""
    settings = Settings(models=models, threads=1, model_poll_s=0, face_detector=detector, face_embedder=embedder)
    host = ModelHost(settings, (Task.FACE_DETECTION, Task.FACE_EMBEDDING), {"embedder": embedder, "detector": detector})
    await host.start()
    try:
        pipeline = FacePipeline(host)
        raw = common_pb2.RawImage(width=WIDTH, height=HEIGHT, data=photo.tobytes())
        jpeg = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        pixels, encoded = common_pb2.Image(raw=raw), common_pb2.Image(encoded=jpeg)

        async def go_through(image: common_pb2.Image) -> list[Photo]:
            photos = await pipeline.detect([image], Options(), None)
            return await pipeline.embed(await pipeline.embedder(common_pb2.ModelRef()), photos, None)

        faces = (await go_through(pixels))[0].faces
        if len(faces) != 1:
            raise SystemExit(f"the picture shows {len(faces)} faces; take one with one face")
        # Use the same sessions as the way: a second copy of the weights would push the first out of the cache.
        embedding = await pipeline.embedder(common_pb2.ModelRef())
        graphs = {detector: pipeline.detector.engine, embedder: embedding.engine}
        crop, canvas = faces[0].aligned_rgb[None], np.ascontiguousarray(photo[None])
        nano = np.asarray(cv2.resize(photo, (NANO_PX, NANO_PX))[None], np.uint8)

        async def run(name: str, images: npt.NDArray[np.uint8]) -> None:
            graphs[name].run(images)

        medians = await time_in_turns(
            {
                "raw detector 640x480": lambda: run(detector, canvas),
                "raw embedder": lambda: run(embedder, crop),
                f"raw detector {NANO_PX}x{NANO_PX}": lambda: run(detector, nano),
                "way from pixels": lambda: go_through(pixels),
                "way from JPEG": lambda: go_through(encoded),
            },
            rounds,
        )
    finally:
        await host.stop()
    ratios = {}
    for way in ("way from pixels", "way from JPEG"):
        for kind in ("cpu_ms", "wall_ms"):
            both = medians["raw detector 640x480"][kind] + medians["raw embedder"][kind]
            ratios[f"{way}, {kind.removesuffix('_ms')}"] = round(medians[way][kind] / both, 3)
    return {"milliseconds": medians, "ratio_to_raw": ratios, "goal": GOAL, "rounds": rounds}


def main() -> None:
    """Measure on one core, print, and write results/face_pipeline.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, help="a picture of one person")
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    parser.add_argument("--detector", default="face-detector-nano")
    parser.add_argument("--embedder", default="face-embedder")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    photo = cut_photo(options.photo)
    numbers = uvloop.run(measure(options.models, photo, options.rounds, options.detector, options.embedder))
    for name, times in numbers["milliseconds"].items():
        print(f"{name:24} {times['cpu_ms']:8.2f} ms CPU {times['wall_ms']:8.2f} ms wall")
    for name, ratio in numbers["ratio_to_raw"].items():
        print(f"{name:24} {ratio:8.3f} x raw (goal {GOAL})")
    command = f"python -m benchmarks.face_pipeline <photo> --embedder {options.embedder}"
    print(write_result("face_pipeline", command, numbers))


if __name__ == "__main__":
    main()
