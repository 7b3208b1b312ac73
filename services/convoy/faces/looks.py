"""How often and at which size the detector sees a picture: once whole, and once as a thumbnail, for close-ups.

A network sees only a limited area around each point. If a face fills the picture, it sees an eye or a mouth but not the
face. In a thumbnail of the same picture, the face is small enough.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from convoy.core.manifest import InputSpec, Manifest
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.geometry import compute_iou
from convoy.core.pictures.resizing import Placement
from convoy.faces import task
from convoy.faces.task import DetectedFace, Floats, Options

THUMBNAIL_PX = 128
"""Long side of the second look, in pixels; it has a twenty-fifth of the first look's pixels."""

LARGE_PX = 192
"""Use a face of the second look only if its longer side, in the first look, is at least this; the first look sees
smaller faces better."""

CLOSE_UP_PX = 288
"""If both looks see a face, prefer the second if the face's longer side, in the first look, is at least this."""

COVERED = 0.7
"""If this share of a box lies in a larger face's box, it is a part of that face, such as its mouth or an eye."""


@dataclass(frozen=True, eq=False)
class Look:
    """The detector's input, [H, W, 3], and where the picture lies in it."""

    canvas: Pixels
    placement: Placement


def take_looks(picture: Picture, manifest: Manifest) -> list[Look]:
    """Make the looks at a picture, the whole one first. A detector of a fixed size looks once: two cost double."""
    whole = Look(*task.prepare(picture, manifest))
    longest = max(whole.placement.width, whole.placement.height)
    # In a smaller picture, no face is too large for the first look.
    if manifest.input.long_side is None or longest <= CLOSE_UP_PX:
        return [whole]
    return [whole, _reduce(whole, manifest.input)]


def _reduce(look: Look, spec: InputSpec) -> Look:
    """Make the look at thumbnail size, out of the first look's canvas, since that has few pixels."""
    at = look.placement
    scale = THUMBNAIL_PX / max(at.width, at.height)
    width, height = max(1, round(at.width * scale)), max(1, round(at.height * scale))
    rows, columns = (-(-side // spec.stride) * spec.stride for side in (height, width))
    canvas = np.full((rows, columns, 3), spec.pad_value, np.uint8)
    seen = look.canvas[at.y : at.y + at.height, at.x : at.x + at.width]
    canvas[:height, :width] = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
    placement = replace(at, canvas_width=columns, canvas_height=rows, x=0, y=0, width=width, height=height)
    return Look(canvas, placement)


def merge_looks(
    outputs: list[Outputs], placements: list[Placement], picture: Picture, manifest: Manifest, options: Options
) -> list[DetectedFace]:
    """Merge the faces of all looks at a picture: each face once, largest first."""
    seen = [
        task.interpret(one, placement, picture, manifest, options)
        for one, placement in zip(outputs, placements, strict=True)
    ]
    faces = seen[0]
    scale = placements[0].width / picture.width
    for thumbnail in seen[1:]:
        faces = _add_close_ups(faces, thumbnail, scale)
    return task.select(faces, options)


def _add_close_ups(faces: list[DetectedFace], thumbnail: list[DetectedFace], scale: float) -> list[DetectedFace]:
    """Add the second look's large faces to the first look's, where they replace their own parts.

    scale: from pixels of the picture to pixels of the first look.
    """
    for face in thumbnail:
        side_px = _longer_side(face) * scale
        if side_px < LARGE_PX:
            continue
        others = np.array([one.box_xyxy for one in faces], np.float32).reshape(-1, 4)
        same = compute_iou(face.box_xyxy, others) >= task.IOU_THRESHOLD
        if same.any() and side_px < CLOSE_UP_PX:
            continue
        gone = same | (measure_cover(others, face.box_xyxy) >= COVERED)
        faces = [*(one for one, is_gone in zip(faces, gone, strict=True) if not is_gone), face]
    return faces


def measure_cover(boxes_xyxy: Floats, by_xyxy: Floats) -> Floats:
    """Compute the share of each box [K, 4] that lies in one box [4], 0 to 1."""
    lower = np.maximum(boxes_xyxy[:, :2], by_xyxy[:2])
    upper = np.minimum(boxes_xyxy[:, 2:], by_xyxy[2:])
    shared = (upper - lower).clip(0).prod(axis=1)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return np.asarray(np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0))


def _longer_side(face: DetectedFace) -> float:
    x_min, y_min, x_max, y_max = face.box_xyxy
    return float(max(x_max - x_min, y_max - y_min))
