"""Overlaps of boxes, and coordinates from a graph's input back to the picture that was sent."""

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement

Floats = npt.NDArray[np.float32]


def compute_iou(box_xyxy: Floats, boxes_xyxy: Floats) -> Floats:
    """Compute the intersection over union of one box [4] with each of many [K, 4]; 0 if neither has an area."""
    sides = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:]) - np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    shared = sides.clip(0).prod(axis=1)
    areas = (box_xyxy[2:] - box_xyxy[:2]).prod() + (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    union = areas - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def points_to_picture(points_xy: Floats, placement: Placement, picture: Picture) -> Floats:
    """Map points [..., 2] in the graph's input to points in the picture that was sent."""
    return np.asarray(placement.to_source(points_xy) * np.asarray(picture.scale_xy, np.float32), np.float32)


def box_to_canvas(box_xyxy: Floats, placement: Placement, picture: Picture) -> Floats:
    """Map a box [4] of the picture that was sent to the graph's input, clipped to what the graph sees of the picture.

    Raises InvalidArgument(BAD_ARGUMENT) if nothing is left of it.
    """
    decoded = np.asarray(box_xyxy.reshape(2, 2) / np.asarray(picture.scale_xy, np.float32), np.float32)
    corners = placement.to_canvas(decoded)
    low = np.array([placement.x, placement.y], np.float32)
    seen = np.clip(corners, low, low + np.array([placement.width, placement.height], np.float32)).reshape(4)
    if not (seen[0] < seen[2] and seen[1] < seen[3]):
        raise InvalidArgument("BAD_ARGUMENT", "the place lies outside the part of the picture that the network sees")
    return np.asarray(seen, np.float32)


def boxes_to_picture(boxes_xyxy: Floats, placement: Placement, picture: Picture) -> Floats:
    """Map boxes [K, 4] in the graph's input to boxes in the picture that was sent, clipped to it."""
    corners = points_to_picture(boxes_xyxy.reshape(-1, 2, 2), placement, picture)
    return np.clip(corners, 0, np.array([picture.width, picture.height], np.float32)).reshape(-1, 4)
