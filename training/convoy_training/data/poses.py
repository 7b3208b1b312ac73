"""Named points of objects, as COCO's keypoints have them: x, y and v for each, checked against their picture.

v: 0 not labelled, 1 labelled and hidden, 2 visible. `left` and `right` in names mean the object's own sides, so that a
mirrored picture exchanges them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from convoy_training.data.boxes import Split
from convoy_training.data.faults import add_fault
from convoy_training.errors import LabelError
from convoy_training.structures import Places

SLACK = 1.0
"""Pixels by which a point may lie outside its picture, as tools write them."""
BODY = {
    "nose": 0.026, "left_eye": 0.025, "right_eye": 0.025, "left_ear": 0.035, "right_ear": 0.035,
    "left_shoulder": 0.079, "right_shoulder": 0.079, "left_elbow": 0.072, "right_elbow": 0.072,
    "left_wrist": 0.062, "right_wrist": 0.062, "left_hip": 0.107, "right_hip": 0.107,
    "left_knee": 0.087, "right_knee": 0.087, "left_ankle": 0.089, "right_ankle": 0.089,
}  # fmt: skip
"""COCO's points of a body, and how exactly people tell each, as a share of the square root of the body's area."""
SIGMA = 0.05
"""The same for other points."""


@dataclass(frozen=True)
class Pose:
    """The points of one object as a label file gives them: x, y, v, x, y, v, ...; names: of its category, if given."""

    numbers: Sequence[float]
    names: tuple[str, ...] = ()


def find_sigmas(points: Sequence[str], given: Sequence[float] = ()) -> tuple[float, ...]:
    """How exactly each point can be told, as a share of the square root of its object's area."""
    return tuple(given) or tuple(BODY.get(name, SIGMA) if set(points) <= set(BODY) else SIGMA for name in points)


def check_points(points: Sequence[str], sigmas: Sequence[float]) -> None:
    """Raises ValueError for names that occur twice or are empty, and for a wrong number of sigmas."""
    if len(set(points)) != len(points) or "" in points:
        raise ValueError("points: each name must be there once, and not be empty")
    if sigmas and len(sigmas) != len(points):
        raise ValueError(f"point_sigmas: give {len(points)}, one for each point, or none")


def find_mirrored(points: Sequence[str]) -> tuple[int, ...]:
    """The order of the points in a mirrored picture: those whose names differ by left and right change places."""

    def other(name: str) -> str:
        swapped = name.replace("left", "\0").replace("right", "left").replace("\0", "right")
        return swapped if swapped in points else name

    return tuple(points.index(other(name)) for name in points)


def with_points(split: Split, file: str, points: tuple[str, ...]) -> Split:
    """The same split with the points that a recipe names. A picture with wrong ones is a fault, and left out."""
    mirrored, examples = find_mirrored(points), []
    for example in split.examples:
        name, size = example.photo.name, (example.photo.width, example.photo.height)
        try:
            if len(example.poses) < len(example.labels):
                raise LabelError(file, None, f"{name} has boxes and no points", "points missing")
            read = [_read(pose, points, size, name, place) for place, pose in enumerate(example.poses)]
            numbers = np.array(read, np.float32).reshape(-1, len(points), 3)
            examples.append(replace(example, places=Places(numbers, mirrored)))
        except LabelError as error:
            add_fault(error)
    return replace(split, examples=examples)


def read_pose(pose: Pose | None, points: tuple[str, ...], size: tuple[int, int]) -> list[list[float]]:
    """x, y and v of the points that a recipe names, 0 for those that are not labelled. size: width and height.

    Raises ValueError, with what is wrong.
    """
    if pose is None:
        return [[0.0, 0.0, 0.0] for _ in points]
    names = pose.names or points
    try:
        numbers = np.array([float(one) for one in pose.numbers], np.float64)
    except (TypeError, ValueError):
        raise ValueError("there is a point that is no number") from None
    if len(numbers) != 3 * len(names):
        raise ValueError(f"there are {len(numbers)} numbers, and x, y, v of {len(names)} points are {3 * len(names)}")
    if unknown := [name for name in points if name not in names]:
        raise ValueError(f"its category has no point '{unknown[0]}'; it has: {', '.join(names)}")
    if not np.isfinite(numbers).all():
        raise ValueError("there is a number that is not finite")
    rows = numbers.reshape(-1, 3)[[names.index(name) for name in points]]
    if not np.isin(rows[:, 2], (0, 1, 2)).all():
        raise ValueError("v of a point is 0, 1 or 2")
    labelled = rows[rows[:, 2] > 0, :2]
    if len(labelled) and (labelled.min() < -SLACK or (labelled > np.array(size) + SLACK).any()):
        raise ValueError(f"a point lies outside the picture of {size[0]}x{size[1]} pixels")
    return [row if row[2] else [0.0, 0.0, 0.0] for row in rows.tolist()]


def _read(
    pose: Pose | None, points: tuple[str, ...], size: tuple[int, int], name: str, place: int
) -> list[list[float]]:
    try:
        return read_pose(pose, points, size)
    except ValueError as error:
        raise LabelError(name, None, f"points of box {place + 1}: {error}", "points wrong") from None
