"""The mask of each object: from a graph's logits to pixels of the picture that was sent.

The logits are sampled bilinearly at the middle of every pixel in the object's box; above 0 is inside. So a mask has the
picture's resolution whatever the graph's is, and no pixel of it lies outside the box.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.geometry import points_to_picture
from convoy.core.pictures.resizing import Placement
from convoy.core.pictures.run_lengths import RunLengths, encode_pixels
from convoy.core.pictures.stopping import check

MOST_PIXELS = 2**28
"""In the boxes of all objects of one picture together; sampling them takes some seconds of one core."""
_BAND = 2**20
"""How many pixels are sampled at a time, so that little memory is needed beside the mask."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Part:
    """The pixels of the picture whose middles lie in a box."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)


def cut_masks(
    outputs: Outputs, chosen: npt.NDArray[np.int64], placement: Placement, picture: Picture, manifest: Manifest
) -> list[RunLengths]:
    """Return the masks of the boxes `chosen` [K]. outputs: one row: boxes [A, 4], and what the manifest's form says.

    Raises InvalidArgument(ANSWER_TOO_LARGE).
    """
    assert manifest.masks is not None  # the servicer has refused the request
    boxes = np.asarray(outputs["boxes"], np.float32)[chosen]
    corners = np.nan_to_num(points_to_picture(boxes.reshape(-1, 2, 2), placement, picture)).reshape(-1, 4)
    parts = [_part(corner, picture) for corner in corners]
    pixels = sum(part.pixels for part in parts)
    if pixels > MOST_PIXELS:
        problem = f"the masks of {len(parts)} objects have {pixels:,} pixels together; at most {MOST_PIXELS:,} are made"
        cure = "ask for fewer objects with max_detections or detection_threshold"
        raise InvalidArgument("ANSWER_TOO_LARGE", f"{problem}: {cure}", {"pixels": pixels, "max_pixels": MOST_PIXELS})
    cut = _from_prototypes if manifest.masks.form == "prototypes" else _from_boxes
    logits_of = cut(outputs, chosen, corners, placement, picture)
    return [_cut(*logits_of(row), part, picture) for row, part in enumerate(parts)]


Sampled = tuple[Floats, tuple[float, float], tuple[float, float]]
"""Logits [h, w], and for x and for y (scale, offset): a position in the picture times scale plus offset counts their
pixels, from the edge of the first one."""


def _from_prototypes(
    outputs: Outputs, chosen: npt.NDArray[np.int64], corners: Floats, placement: Placement, picture: Picture
) -> Callable[[int], Sampled]:
    """Prototypes [M, h, w] cover the whole input; coefficients [A, M] weigh them."""
    prototypes = np.asarray(outputs["prototypes"], np.float32)
    weights = np.asarray(outputs["coefficients"], np.float32)[chosen]
    grid = np.array([prototypes.shape[2], prototypes.shape[1]], np.float32)
    grid /= np.array([placement.canvas_width, placement.canvas_height], np.float32)
    # Two points tell scale and offset of each axis.
    ends = np.array([[0, 0], [picture.width, picture.height]], np.float32)
    there = placement.to_canvas(np.asarray(ends / np.asarray(picture.scale_xy, np.float32))) * grid
    scale = (there[1] - there[0]) / (ends[1] - ends[0])
    x, y = ((float(scale[axis]), float(there[0, axis])) for axis in (0, 1))

    def logits_of(row: int) -> Sampled:
        return np.tensordot(weights[row], prototypes, axes=1).astype(np.float32), x, y

    return logits_of


def _from_boxes(
    outputs: Outputs, chosen: npt.NDArray[np.int64], corners: Floats, placement: Placement, picture: Picture
) -> Callable[[int], Sampled]:
    """Each of masks [A, m, m] covers its own box."""
    masks = np.asarray(outputs["masks"], np.float32)[chosen]

    def axis(start: float, end: float, cells: int) -> tuple[float, float]:
        scale = cells / max(end - start, 1e-6)
        return scale, -start * scale

    def logits_of(row: int) -> Sampled:
        x0, y0, x1, y1 = corners[row].tolist()
        return masks[row], axis(x0, x1, masks.shape[2]), axis(y0, y1, masks.shape[1])

    return logits_of


def _part(corners_xyxy: Floats, picture: Picture) -> _Part:
    # A middle on the left or upper edge lies inside, one on the right or lower edge outside.
    low, high = np.ceil(corners_xyxy[:2] - 0.5), np.ceil(corners_xyxy[2:] - 0.5)
    size = np.array([picture.width, picture.height])
    left, top = low.clip(0, size).astype(int).tolist()
    right, bottom = high.clip(0, size).astype(int).tolist()
    return _Part(left, top, max(left, right), max(top, bottom))


def _cut(logits: Floats, x: tuple[float, float], y: tuple[float, float], part: _Part, picture: Picture) -> RunLengths:
    inside = np.zeros((part.bottom - part.top, part.right - part.left), np.bool_)
    columns = _positions(part.left, part.right, x, logits.shape[1])
    rows_at_once = max(1, _BAND // max(1, inside.shape[1]))
    for top in range(0, len(inside), rows_at_once):
        check()
        bottom = min(top + rows_at_once, len(inside))
        rows = _positions(part.top + top, part.top + bottom, y, logits.shape[0])
        inside[top:bottom] = _between(_between(logits, *rows).T, *columns).T > 0
    return encode_pixels(inside, part.left, part.top, picture.height, picture.width)


def _positions(
    start: int, end: int, axis: tuple[float, float], cells: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """For the middles of pixels: the cells before and after each, and how far it is between their middles."""
    scale, offset = axis
    places = ((np.arange(start, end) + 0.5) * scale + offset - 0.5).clip(0, cells - 1)
    before = np.floor(places).astype(np.int64)
    return before, np.minimum(before + 1, cells - 1), (places - before).astype(np.float32)


def _between(logits: Floats, before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], share: Floats) -> Floats:
    """Rows of logits [h, w] at positions between rows."""
    return np.asarray(logits[before] * (1 - share[:, None]) + logits[after] * share[:, None])
