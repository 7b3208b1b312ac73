"""Checks that decoded boxes are plausible, on random pixels and on the bundled picture, whatever their shapes."""

from collections.abc import Mapping

import numpy as np

from convoy.importing.adapters.adapter import Array, Misfit
from convoy.importing.adapters.arithmetic import Floats

LEAST_SPAN = 0.1
"""All boxes together must span more than this share of each side of the input, or they are not in its pixels."""
LEAST_SPAN_OF_CENTRES = 0.25
"""The same for the centres of detectors that have anchors all over the input."""
MOST_TURNED = 0.05
SURE_OF_A_FACE = 0.7
LEAST_OVERLAP = 0.4
Box = tuple[float, float, float, float]


def check_boxes(decoded: Mapping[str, Array], height: int, width: int, dense: bool, crosses: bool) -> None:
    """Raise Misfit if the boxes of one picture cannot be decoded boxes. dense, crosses: as in Adapter."""
    boxes = np.asarray(decoded["boxes"], np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise Misfit("its boxes are not finite: they are not decoded, or differently")
    turned = float(np.mean((boxes[:, 2:] < boxes[:, :2]).any(axis=1)))
    if turned > MOST_TURNED and not crosses:
        raise Misfit(f"{turned:.0%} of its boxes end before they begin: they are not decoded, or differently")
    low, high = np.percentile(boxes[:, :2], 2, axis=0), np.percentile(boxes[:, 2:], 98, axis=0)
    _check_span(high - low, LEAST_SPAN, height, width, "boxes")
    if dense:
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        low, high = np.percentile(centres, [2, 98], axis=0)
        _check_span(high - low, LEAST_SPAN_OF_CENTRES, height, width, "boxes' centres")


def check_face(decoded: Mapping[str, Array], face_xyxy: Box) -> str:
    """Note what a face detector finds in the bundled picture of one face.

    Raises Misfit if it is sure of that face, but its box or landmarks are wrong.
    """
    scores = np.asarray(decoded["scores"], np.float64).reshape(-1)
    best, face = int(scores.argmax()), np.array(face_xyxy, np.float64)
    box = np.asarray(decoded["boxes"], np.float64).reshape(-1, 4)[best]
    shared, where = overlap(box, face), f"at {_show(box)}, but the face is at {_show(face)}"
    if scores[best] < SURE_OF_A_FACE:
        return f"it finds no face in a picture of one (best score {scores[best]:.2f}): try another --preprocess"
    if shared < LEAST_OVERLAP and not _share_a_middle(box, face):
        return f"in a picture of one face, the surest box ({scores[best]:.2f}) is {where}: try another --preprocess"
    if shared < LEAST_OVERLAP:
        raise Misfit(f"it finds the face in the bundled picture with a score of {scores[best]:.2f} {where}")
    if "landmarks" in decoded:
        _check_landmarks(np.asarray(decoded["landmarks"], np.float64).reshape(-1, 5, 2)[best], face)
    return f"it finds the face in the bundled picture with a score of {scores[best]:.2f} and an overlap of {shared:.2f}"


def see_face(decoded: Mapping[str, Array], face_xyxy: Box) -> tuple[float, float]:
    """Return the score of the surest face, and its box's overlap with the face in the bundled picture."""
    scores = np.asarray(decoded["scores"], np.float64).reshape(-1)
    best = int(scores.argmax())
    box = np.asarray(decoded["boxes"], np.float64).reshape(-1, 4)[best]
    return float(scores[best]), overlap(box, np.array(face_xyxy, np.float64))


def overlap(one: Floats, other: Floats) -> float:
    """Compute the intersection over union of two boxes xyxy."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    inside = float(np.prod(np.clip(sides, 0, None)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (one, other)]
    return inside / max(sum(areas) - inside, 1e-9)


def _share_a_middle(one: Floats, other: Floats) -> bool:
    """Whether one box's centre lies in the other."""

    def holds(box: Floats, of: Floats) -> bool:
        middle = (of[:2] + of[2:]) / 2
        return bool((middle >= box[:2]).all() and (middle <= box[2:]).all())

    return holds(one, other) and holds(other, one)


def _check_landmarks(points: Floats, face: Floats) -> None:
    """Raise Misfit unless the eyes are above the mouth and all five landmarks in the face."""
    middle, half = (face[:2] + face[2:]) / 2, (face[2:] - face[:2]) * 0.7
    inside = bool((np.abs(points - middle) <= half).all())
    if not inside or points[:2, 1].max() >= points[3:, 1].min():
        raise Misfit("in a picture of a face, its landmarks are not at the eyes, nose and mouth")


def _check_span(span: Floats, least: float, height: int, width: int, what: str) -> None:
    across, down = (float(length) for length in span)
    if across < least * width or down < least * height:
        problem = f"its {what} span only {across:.3g}x{down:.3g} of {width}x{height} pixels"
        raise Misfit(f"{problem}: they are not decoded, or differently")


def _show(box: Floats) -> str:
    return "(" + ", ".join(f"{float(number):.0f}" for number in box) + ")"
