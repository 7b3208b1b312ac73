"""Measures which portraits, and which pictures without a face, Register accepts at each lowest detection score.

It uses portraits of one list of people, and pictures without a face in which the detector may find one: enlarged
animals of CIFAR-10, blood cells, streets, tissue, noise. One half of each kind is for choosing a limit, the other for
reporting.

    CONVOY_DATA=... python -m benchmarks.face_enrolment --half report
"""

import argparse
import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import uvloop
from convoy.core.manifest import Task
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Pixels, decode_image
from convoy.core.settings import Settings
from convoy.faces.pipeline import FacePipeline
from convoy.faces.task import Options
from convoy.v1 import common_pb2

from benchmarks.conditions import write_result
from benchmarks.face_size import read_portraits

SIDE_PX = 448
FLOORS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
QUALITY_FLOOR = Settings().quality_floor
ANIMALS = (2, 3, 4, 5, 6, 7)
ARCHIVES = {
    "cells": ("bccd_voc_A.tar", ".jpg"),
    "streets": ("camvid_A.tar", ".jpg"),
    "tissue": ("isbi2012_membrane_A.tar", ".png"),
}
HALVES = {"choose": (0, "people_train.txt"), "report": (1, "people_val.txt")}


def read_kinds(data: Path, half: int, count: int) -> dict[str, list[Pixels]]:
    """Read pictures without a face, by kind: every second one."""
    kinds = {kind: _read_archive(data / file, suffix, half, count) for kind, (file, suffix) in ARCHIVES.items()}
    packed = dict(np.load(data / "cifar10_A.npz"))
    rows = np.flatnonzero(np.isin(packed["labels"], ANIMALS))[half::2][: 4 * count]
    offsets = packed["offsets"]
    files = (packed["data"][offsets[row] : offsets[row + 1]].tobytes() for row in rows)
    kinds["animals"] = [enlarge(decode_image(file).image_rgb) for file in files]
    rng = np.random.default_rng(half)
    sizes = [8, 16, 32, 64] * (count // 8)
    kinds["noise"] = [enlarge(rng.integers(0, 256, (side, side, 3)).astype(np.uint8)) for side in sizes]
    return kinds


def _read_archive(file: Path, suffix: str, half: int, count: int) -> list[Pixels]:
    with tarfile.open(file) as archive:
        names = sorted(n for n in archive.getnames() if n.endswith(suffix) and "mask" not in n and "annot" not in n)
        chosen = names[half :: max(2, len(names) // count)][:count]
        return [decode_image(archive.extractfile(name).read()).image_rgb for name in chosen]  # type: ignore[union-attr]


def enlarge(picture: Pixels) -> Pixels:
    """Enlarge a picture to 448 pixels a side."""
    return np.asarray(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


async def read_scores(pipeline: FacePipeline, pictures: list[Pixels]) -> list[float]:
    """Measure the detection score of the largest face of each; 0 if there is none, or none of enough quality."""
    scores = []
    for pixels in pictures:
        height, width = pixels.shape[:2]
        raw = common_pb2.RawImage(width=width, height=height, data=pixels.tobytes())
        [photo] = await pipeline.detect([common_pb2.Image(raw=raw)], Options(largest_only=True), None)
        good = [face.detected.score for face in photo.faces if face.quality.score >= QUALITY_FLOOR]
        scores.append(good[0] if good else 0.0)
    return scores


async def measure(models: Path, kinds: dict[str, list[Pixels]]) -> dict[str, object]:
    """Count how many pictures of each kind Register accepts at each lowest score."""
    settings = Settings(models=models, threads=1, model_poll_s=0)
    host = ModelHost(settings, (Task.FACE_DETECTION,), {"detector": settings.face_detector})
    await host.start()
    try:
        scores = {kind: await read_scores(FacePipeline(host), pictures) for kind, pictures in kinds.items()}
    finally:
        await host.stop()
    return {
        kind: {"pictures": len(values)} | {str(floor): int(sum(one >= floor for one in values)) for floor in FLOORS}
        for kind, values in scores.items()
    }


def main() -> None:
    """Measure, print, and write results/face_enrolment.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--count", type=int, default=60, help="pictures of each kind; four times as many animals")
    options = parser.parse_args()
    data, (half, people) = Path(os.environ["CONVOY_DATA"]), HALVES[options.half]
    portraits = [enlarge(one) for one in read_portraits(data, 2 * options.count, people)]
    numbers = uvloop.run(measure(options.models, {"portraits": portraits} | read_kinds(data, half, options.count)))
    for kind, row in numbers.items():
        print(f"{kind:10}", row)
    print(write_result("face_enrolment", f"python -m benchmarks.face_enrolment --half {options.half}", numbers))


if __name__ == "__main__":
    main()
