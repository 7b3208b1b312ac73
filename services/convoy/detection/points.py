"""The named points of each object, such as eyes or elbows, in pixels of the picture that was sent."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Manifest
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.geometry import points_to_picture
from convoy.core.pictures.resizing import Placement

FACE_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The landmarks of every face detector, in the order of its output; left is the left side of the picture."""


@dataclass(frozen=True)
class Point:
    """One point; score: how sure the model is that it is visible, 0 to 1, or None if it does not say."""

    name: str
    x: float
    y: float
    score: float | None = None


def place_points(
    outputs: Outputs, chosen: npt.NDArray[np.int64], placement: Placement, picture: Picture, manifest: Manifest
) -> list[tuple[Point, ...]]:
    """Return the points of the boxes `chosen` [K]. outputs: one row: points [A, P, 2 or 3], or a face's landmarks."""
    output, names = ("landmarks", FACE_POINTS) if "landmarks" in outputs else ("points", manifest.points)
    if not names:
        return [()] * len(chosen)
    numbers = np.asarray(outputs[output], np.float32)[chosen]
    places = points_to_picture(numbers[..., :2], placement, picture).tolist()
    scores = numbers[..., 2].clip(0, 1).tolist() if numbers.shape[-1] == 3 else [[None] * len(names)] * len(chosen)
    return [
        tuple(Point(name, x, y, score) for name, (x, y), score in zip(names, row, sure, strict=True))
        for row, sure in zip(places, scores, strict=True)
    ]
