"""How well tracks last on a real film: the 101 pictures of CamVid's 0016E5 that are labelled at 15 per second.

python -m benchmarks.camvid_tracks

CamVid labels pixels and not objects, so nobody knows which car is which. What can be measured is whether the numbers
survive a detector's faults: the boxes of all connected areas of cars are tracked once as they are and once with some of
them withheld, at random and as whole gaps, and the second numbers are judged against the first by py-motmetrics. Areas
of two cars that touch are one box. It prints Markdown.
"""

import io
import os
import re
import tarfile
import warnings
from pathlib import Path

import cv2
import motmetrics
import numpy as np
import numpy.typing as npt
from convoy.core.pictures.tracking import Tracks
from PIL import Image

ARCHIVE = Path(os.environ.get("CONVOY_DATA", "../shared/data")) / "camvid_A.tar"
SEQUENCE = re.compile(r"annot/0016E5_(\d+)\.png$")
AT_15_HZ = range(7959, 8160, 2)
CAR = 8
SMALLEST = 150
"""Areas of fewer pixels are no boxes."""

Boxes = list[npt.NDArray[np.float64]]


def read_boxes(archive: Path) -> Boxes:
    """The boxes of the cars of each picture, as shares of the picture: [N, 4]."""
    found: dict[int, npt.NDArray[np.float64]] = {}
    with tarfile.open(archive) as files:
        for member in files:
            if (named := SEQUENCE.search(member.name)) and int(named[1]) in AT_15_HZ:
                file = files.extractfile(member)
                assert file is not None
                found[int(named[1])] = _boxes(np.asarray(Image.open(io.BytesIO(file.read()))))
    return [found[number] for number in sorted(found)]


def _boxes(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    height, width = classes.shape
    _, _, areas, _ = cv2.connectedComponentsWithStats((classes == CAR).astype(np.uint8))
    kept = [(x / width, y / height, (x + w) / width, (y + h) / height) for x, y, w, h, n in areas[1:] if n >= SMALLEST]
    return np.array(kept, np.float64).reshape(-1, 4)


def follow(film: Boxes) -> list[list[int]]:
    """The number of each box."""
    tracks = Tracks()
    return [tracks.follow(boxes, ["Car"] * len(boxes), [True] * len(boxes)) for boxes in film]


def judge(whole: list[list[int]], kept: list[npt.NDArray[np.bool_]], numbers: list[list[int]]) -> tuple[float, int]:
    """IDF1 of the numbers of the boxes that were kept against those of the whole film, and how often one changed."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for all_numbers, seen, given in zip(whole, kept, numbers, strict=True):
        truth = [number for number, one in zip(all_numbers, seen, strict=True) if one]
        same = np.where(np.eye(len(truth), dtype=bool), 0.0, np.nan)
        accumulator.update(truth, given, same)
    summary = motmetrics.metrics.create().compute(accumulator, metrics=["idf1", "num_switches"])
    return float(summary["idf1"].iloc[0]), int(summary["num_switches"].iloc[0])


def main() -> None:
    """Print the table."""
    film = read_boxes(ARCHIVE)
    whole = follow(film)
    lengths = np.bincount(np.concatenate([np.array(one, int) for one in whole]))[1:]
    print(f"{len(film)} pictures, {lengths.sum()} boxes of cars, {len(lengths)} tracks, the longest {lengths.max()}\n")
    print("| withheld | IDF1 against the whole film | changes of number |\n|---|---:|---:|")
    random = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.5):
        kept = [random.random(len(boxes)) >= share for boxes in film]
        _show(f"{share:.0%} of the boxes, at random", film, whole, kept)
    for gap in (5, 10, 20):
        kept = [np.full(len(boxes), place % 40 >= gap) for place, boxes in enumerate(film)]
        _show(f"all boxes of {gap} of every 40 pictures", film, whole, kept)


def _show(name: str, film: Boxes, whole: list[list[int]], kept: list[npt.NDArray[np.bool_]]) -> None:
    numbers = follow([boxes[seen] for boxes, seen in zip(film, kept, strict=True)])
    idf1, changes = judge(whole, kept, numbers)
    print(f"| {name} | {idf1:.1%} | {changes} |")


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)
    main()
