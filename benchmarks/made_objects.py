"""Makes pictures of fish, ellipses that overlap, whose masks and points are known: data for detectors of either.

    python -m benchmarks.made_objects made-fish
    convoy-train fit training/recipes/fish-mask-rcnn.yaml     # and fish-yolo-masks.yaml, fish-points.yaml

It writes COCO JSON for 240 training and 60 validation pictures, the same ones each time. A fish is an ellipse with an
eye near its head. Its points: head, tail, and the fins on its own left and right. The mask is what is seen of it; a
point that another fish covers is labelled as hidden.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from convoy_training.data.instances import encode

SIDE = 128
POINTS = ("head", "tail", "left_fin", "right_fin")
PICTURES = {"train": 240, "val": 60}
MOST = 6
LEAST_AREA = 60
"""Pixels. What shows less of itself is not labelled."""


def draw(random: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """A picture uint8 [SIDE,SIDE,3] and the annotations of its fish."""
    picture = cv2.resize(random.integers(40, 150, (9, 9, 3)).astype(np.uint8), (SIDE, SIDE))
    owner, places = np.zeros((SIDE, SIDE), np.uint8), []
    for number in range(1, int(random.integers(2, MOST + 1)) + 1):
        middle, half = random.uniform(16, SIDE - 16, 2), random.uniform([13, 6], [24, 11])
        turn = random.uniform(0, 2 * np.pi)
        along = np.array([np.cos(turn), np.sin(turn)])
        left = np.array([along[1], -along[0]])  # y points down
        shape = np.round(middle).astype(int).tolist(), np.round(half).astype(int).tolist(), float(np.degrees(turn))
        colour = random.integers(90, 250, 3).tolist()
        cv2.ellipse(picture, *shape, 0, 360, colour, -1)
        cv2.ellipse(picture, *shape, 0, 360, [value // 2 for value in colour], 1)
        cv2.circle(picture, np.round(middle + 0.6 * half[0] * along).astype(int).tolist(), 2, (10, 10, 10), -1)
        cv2.ellipse(owner, *shape, 0, 360, number, -1)
        ways = (0.9 * half[0] * along, -0.9 * half[0] * along, 0.9 * half[1] * left, -0.9 * half[1] * left)
        places.append(np.round(middle) + 0.5 + np.array(ways))
    noisy = picture + random.normal(0, 8, picture.shape)
    found = [describe(owner == number, owner, number, each) for number, each in enumerate(places, 1)]
    return noisy.clip(0, 255).astype(np.uint8), [one for one in found if one]


def describe(seen: np.ndarray, owner: np.ndarray, number: int, places: np.ndarray) -> dict[str, Any]:
    """The annotation of a fish of which the pixels `seen` show; empty if they are too few."""
    if seen.sum() < LEAST_AREA:
        return {}
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    box = [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]
    mask = encode(seen)
    points: list[float] = []
    for x, y in places.tolist():
        inside = 0 <= x < SIDE and 0 <= y < SIDE
        points += [round(x, 2), round(y, 2), 2 if owner[int(y), int(x)] == number else 1] if inside else [0, 0, 0]
    return {
        "category_id": 1, "iscrowd": 0, "bbox": [int(edge) for edge in box], "area": int(seen.sum()),
        "segmentation": {"size": mask["size"], "counts": mask["counts"].decode()}, "keypoints": points,
        "num_keypoints": sum(v > 0 for v in points[2::3]),
    }  # fmt: skip


def write(folder: Path, pictures: dict[str, int] = PICTURES) -> None:
    """Writes the splits below `folder`; raises FileExistsError if it is there."""
    folder.mkdir(parents=True)
    (folder / "annotations").mkdir()
    category = {"id": 1, "name": "fish", "keypoints": list(POINTS), "skeleton": [[1, 2], [3, 4]]}
    for place, (split, count) in enumerate(pictures.items()):
        random, images = np.random.default_rng(place), []
        annotations: list[dict[str, Any]] = []
        (folder / split).mkdir()
        for number in range(count):
            picture, found = draw(random)
            cv2.imwrite(str(folder / split / f"{number:04}.png"), picture[..., ::-1])
            images.append({"id": number, "file_name": f"{number:04}.png", "width": SIDE, "height": SIDE})
            annotations += [{"id": len(annotations) + n, "image_id": number, **one} for n, one in enumerate(found, 1)]
        document = {"images": images, "annotations": annotations, "categories": [category]}
        (folder / f"annotations/{split}.json").write_text(json.dumps(document))


def main() -> None:
    """Write the pictures and their labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
