"""Pixels to a class for each pixel, without any RPC: the same code serves and evaluates."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import Manifest
from convoy.core.models.engine import Outputs
from convoy.core.models.occlusion import Target
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.geometry import Floats, box_to_canvas
from convoy.core.pictures.resizing import Placement, place

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Region:
    """One class that occurs, with its share of the picture's pixels."""

    index: int
    label: str
    area: float


def prepare(picture: Picture, manifest: Manifest) -> tuple[Pixels, Placement]:
    """The graph's input [H, W, 3] for a picture, and where the picture lies in it."""
    return place(picture.image_rgb, manifest.input)


def interpret(outputs: Outputs, placement: Placement, picture: Picture) -> Mask:
    """Return the class of every pixel of the picture that was sent. outputs: one row, class_map [H, W]."""
    mask = placement.mask_to_source(np.asarray(outputs["class_map"], np.uint8))
    if mask.shape == (picture.height, picture.width):
        return mask
    size = (picture.width, picture.height)
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def regions(mask: Mask, manifest: Manifest) -> list[Region]:
    """List the classes in a mask, largest first. Raises FailedPrecondition(BAD_MODEL) if a class has no label."""
    # In parts, since bincount needs eight bytes for each pixel.
    parts = np.array_split(mask.reshape(-1), 1 + mask.size // 2**20)
    counts = np.sum([np.bincount(part, minlength=256) for part in parts], axis=0)
    present = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index] > 0]
    return [Region(index, manifest.label_of(index), float(counts[index] / mask.size)) for index in present]


def aim(
    outputs: Outputs, placement: Placement, picture: Picture, index: int | None = None, place_xyxy: Floats | None = None
) -> Target:
    """What to explain: a class (None: the largest), by its share of the pixels of the picture, or of a place [4] in it.

    Raises FailedPrecondition(NOTHING_TO_EXPLAIN) if no pixel has the class, InvalidArgument(BAD_ARGUMENT).
    """
    left, top = placement.x, placement.y
    right, bottom = left + placement.width, top + placement.height
    if place_xyxy is not None:
        low, high = np.split(box_to_canvas(place_xyxy, placement, picture), 2)
        (left, top), (right, bottom) = np.floor(low).astype(int).tolist(), np.ceil(high).astype(int).tolist()

    def pixels(row: Outputs) -> Mask:
        return np.asarray(row["class_map"], np.uint8)[top:bottom, left:right]

    label = int(np.bincount(pixels(outputs).ravel()).argmax()) if index is None else index
    if not (pixels(outputs) == label).any():
        raise FailedPrecondition("NOTHING_TO_EXPLAIN", "no pixel has this label")
    return Target(label, lambda row: float((pixels(row) == label).mean()))
