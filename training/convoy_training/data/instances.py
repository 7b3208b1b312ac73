"""Masks of single objects: COCO's polygons and run lengths, checked against their picture, and drawn as one map.

A map [H,W] has at each pixel the number of the object on top, counted from 1 in the order of the boxes, or 0. Of
objects that overlap, the smaller one is on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from convoy_training.data.boxes import Example, Split
from convoy_training.data.faults import add_fault
from convoy_training.errors import LabelError

Rle = dict[str, Any]
"""pycocotools' run lengths: size [height, width], and counts."""
SLACK = 1.0
"""Pixels by which a polygon may reach out of its picture, as tools write them."""


def with_masks(split: Split, file: str) -> Split:
    """The same split, every mask as run lengths. A picture with a missing or wrong mask is a fault, and left out."""
    examples = []
    for example in split.examples:
        size = example.photo.height, example.photo.width
        try:
            masks = [_read(mask, size, example.photo.name, place) for place, mask in enumerate(example.masks)]
            if len(masks) < len(example.labels):
                raise LabelError(file, None, f"{example.photo.name} has boxes and no masks", "mask missing")
            examples.append(replace(example, masks=tuple(masks)))
        except LabelError as error:
            add_fault(error)
    return replace(split, examples=examples)


def read_mask(segmentation: Any, size: tuple[int, int]) -> Rle:
    """COCO's `segmentation` of one object as run lengths. size: the picture's height and width.

    Raises ValueError, with what is wrong.
    """
    height, width = size
    if isinstance(segmentation, dict):
        if list(segmentation.get("size", [])) != [height, width]:
            raise ValueError(f"run lengths of size {segmentation.get('size')} do not fit {height}x{width} pixels")
        counts = segmentation.get("counts")
        if isinstance(counts, list):
            if not all(isinstance(one, int) and one >= 0 for one in counts) or sum(counts) != height * width:
                raise ValueError(f"run lengths do not add up to {height}x{width} pixels")
            return dict(coco.frPyObjects(segmentation, height, width))
        return {"size": [height, width], "counts": counts}
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("there are no polygons and no run lengths")
    return dict(coco.merge(coco.frPyObjects([_check_polygon(one, size) for one in segmentation], height, width)))


def draw_instances(masks: Sequence[Rle], size: tuple[int, int]) -> NDArray[np.uint16]:
    """The map of objects; the smallest is drawn last. size: height and width."""
    drawn = np.zeros(size, np.uint16)
    areas = [float(coco.area(mask)) for mask in masks]
    for place in sorted(range(len(masks)), key=lambda one: -areas[one]):
        drawn[decode(masks[place])] = place + 1
    return drawn


def draw_reduced(example: Example, size: tuple[int, int]) -> NDArray[np.uint16]:
    """The map of a picture's objects at the size at which it was decoded."""
    drawn = draw_instances(example.masks, (example.photo.height, example.photo.width))
    return resize(drawn, size)


def resize(drawn: NDArray[np.uint16], size: tuple[int, int]) -> NDArray[np.uint16]:
    """The map at another height and width, by the nearest pixel."""
    if drawn.shape == size:
        return drawn
    return np.asarray(cv2.resize(drawn, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint16)


def shrink(drawn: NDArray[np.uint16], stride: int = 4) -> NDArray[np.int32]:
    """The map at the size of the prototypes, as whole numbers that torch takes."""
    return resize(drawn, (drawn.shape[0] // stride, drawn.shape[1] // stride)).astype(np.int32)


def decode(mask: Rle) -> NDArray[np.bool_]:
    """The pixels of one object, bool [H,W]."""
    return np.asarray(coco.decode([mask]))[..., 0].astype(bool)


def encode(inside: NDArray[np.bool_]) -> Rle:
    """Run lengths of the pixels of one object."""
    return dict(coco.encode(np.asfortranarray(inside[..., None].astype(np.uint8)))[0])


def _read(mask: Any, size: tuple[int, int], name: str, place: int) -> Rle:
    try:
        return read_mask(mask, size)
    except ValueError as error:
        raise LabelError(name, None, f"mask of box {place + 1}: {error}", "mask wrong") from None


def _check_polygon(polygon: Any, size: tuple[int, int]) -> list[float]:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon needs at least three points, x and y of each")
    numbers = np.array(polygon, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("a polygon has a number that is not finite")
    height, width = size
    if numbers.min() < -SLACK or numbers[0::2].max() > width + SLACK or numbers[1::2].max() > height + SLACK:
        raise ValueError(f"a polygon leaves the picture of {width}x{height} pixels")
    return [float(number) for number in numbers]
