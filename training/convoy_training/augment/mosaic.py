"""Augmentation for detection: scale, shift and mirror one picture, or four as a mosaic (Bochkovskiy et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from convoy_training.augment.scene import GREY
from convoy_training.data.instances import resize
from convoy_training.structures import CROWD, Places, Scene

Sides = tuple[bool, bool]
"""(left and right, top and bottom): whether these sides are exchanged, or may be."""


def place(
    scene: Scene, canvas: NDArray[np.uint8], scale: float, shift: tuple[float, float], flips: Sides,
    window: tuple[int, int, int, int],
) -> Scene:  # fmt: skip
    """Mirrors, scales and then shifts (in pixels) a scene, and draws it into the `window` (x0, y0, x1, y1) of `canvas`.

    Scale and shift are rounded so that whole pixels fill whole pixels (see `Span`); boxes follow the rounded ones.
    Drops a box if 40 % of its area or less stays in the window, and a crowd if nothing does.
    """
    height, width = scene.image_rgb.shape[:2]
    x0, y0, x1, y1 = window
    # Average when shrinking, as the service does: bilinear sampling alone would skip pixels.
    divisor = max(2, int(1 / scale)) if scale < 0.75 else 1
    across = find_span(width, scale, shift[0], flips[0], (x0, x1), divisor)
    down = find_span(height, scale, shift[1], flips[1], (y0, y1), divisor)
    if (across.start, down.start, across.stop, down.stop) != window:
        canvas[y0:y1, x0:x1] = GREY[0]  # one number: NumPy fills with three of them a hundred times as slowly
    _draw(scene.image_rgb, canvas, across, down, divisor)
    mirror, offset = np.diag([across.slope, down.slope]), np.array([across.offset, down.offset])
    corners = scene.boxes_xyxy.reshape(-1, 2, 2) @ mirror + offset
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    clipped = boxes.clip([x0, y0, x0, y0], [x1, y1, x1, y1])
    kept = _area(clipped) > np.where(scene.labels <= CROWD, 0.0, 0.4) * _area(boxes)
    instances = None
    if scene.instances is not None:
        instances = np.zeros(canvas.shape[:2], np.uint16)
        part = resize(scene.instances[down.rows, across.rows], (len(down), len(across)))
        seen = part[:: -1 if flips[1] else 1, :: -1 if flips[0] else 1]
        instances[down.start : down.stop, across.start : across.stop] = _renumber(kept)[seen]
    places = None if scene.places is None else _move(scene.places, kept, mirror, offset, flips, window)
    return Scene(canvas, clipped[kept].astype(np.float32), scene.labels[kept], instances, places)


@dataclass(frozen=True)
class Span:
    """Along one axis: the pixels `rows` of a picture fill those from `start` to `stop` of a canvas.

    Edges move by x -> slope * x + offset; the slope is negative where the picture is mirrored.
    """

    rows: slice
    start: int
    stop: int
    slope: float
    offset: float

    def __len__(self) -> int:
        return self.stop - self.start


def find_span(length: int, scale: float, shift: float, flip: bool, window: tuple[int, int], divisor: int) -> Span:
    """What a window shows of `length` pixels that are mirrored if `flip`, scaled, and then shifted.

    divisor: of the number of picture's pixels; the few that remain at the end are left out.
    """
    low, high = window
    start = min(max(low, round(shift)), high - 1)
    stop = max(start + 1, min(high, round(shift + length * scale)))
    first = min(round((start - shift) / scale), length - 1) if round(shift) < low else 0
    last = length
    if shift + length * scale > high:
        last = min(length, max(first + 1, round((stop - shift) / scale)))
    last -= (last - first) % divisor if last - first >= divisor else 0
    slope = (stop - start) / (last - first)
    offset = start - first * slope
    if flip:
        return Span(slice(length - last, length - first), start, stop, -slope, offset + length * slope)
    return Span(slice(first, last), start, stop, slope, offset)


def _draw(image_rgb: NDArray[np.uint8], canvas: NDArray[np.uint8], across: Span, down: Span, divisor: int) -> None:
    """Draws the spans' part of a picture where they say; a third of an affine warp's work, since nothing turns."""
    part: MatLike = image_rgb[down.rows, across.rows]
    height, width = part.shape[:2]
    if divisor > 1:
        reduced = max(1, width // divisor), max(1, height // divisor)
        part = cv2.resize(part, reduced, interpolation=cv2.INTER_AREA)
    target, size = canvas[down.start : down.stop, across.start : across.stop], (len(across), len(down))
    if across.slope < 0 or down.slope < 0:
        sides = -1 if across.slope < 0 and down.slope < 0 else int(across.slope < 0)
        cv2.flip(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), sides, dst=target)
    else:
        cv2.resize(part, size, dst=target, interpolation=cv2.INTER_LINEAR)


def draw_single(
    scene: Scene, size: int, scales: tuple[float, float], sides: Sides, random: np.random.Generator
) -> Scene:
    """One scene on a grey square of `size` pixels; at scale 1 the longer side of the scene fills it."""
    canvas = np.empty((size, size, 3), np.uint8)
    height, width = scene.image_rgb.shape[:2]
    scale = size / max(height, width) * float(np.exp(random.uniform(*np.log(scales))))
    slack = np.array([size - width * scale, size - height * scale])
    shift = random.uniform(np.minimum(0, slack), np.maximum(0, slack))
    return place(scene, canvas, scale, (shift[0], shift[1]), _flip(sides, random), (0, 0, size, size))


def draw_mosaic(
    scenes: list[Scene], size: int, scales: tuple[float, float], sides: Sides, random: np.random.Generator
) -> Scene:
    """Four scenes on a square of `size` pixels, around a random centre."""
    canvas = np.empty((size, size, 3), np.uint8)  # the four windows fill it
    middle_x, middle_y = random.integers(size // 4, 3 * size // 4, 2)
    windows = [(0, 0, middle_x, middle_y), (middle_x, 0, size, middle_y),
               (0, middle_y, middle_x, size), (middle_x, middle_y, size, size)]  # fmt: skip
    parts = []
    for scene, window in zip(scenes, windows, strict=True):
        height, width = scene.image_rgb.shape[:2]
        scale = size / max(height, width) * float(np.exp(random.uniform(*np.log(scales))))
        room = np.array([window[2] - window[0], window[3] - window[1]])
        slack = room - np.array([width, height]) * scale
        shift = random.uniform(np.minimum(0, slack), np.maximum(0, slack)) + window[:2]
        parts.append(place(scene, canvas, scale, (shift[0], shift[1]), _flip(sides, random), window))
    boxes, labels = [p.boxes_xyxy for p in parts], [p.labels for p in parts]
    placed = [p.places for p in parts if p.places is not None]
    places = replace(placed[0], points=np.concatenate([one.points for one in placed])) if placed else None
    return Scene(canvas, np.concatenate(boxes), np.concatenate(labels), _join(parts), places)


def _renumber(kept: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """The new number of each object, 0 for those that are dropped and for the background."""
    return np.concatenate([[0], np.where(kept, kept.cumsum(), 0)]).astype(np.uint16)


def _move(
    places: Places, kept: NDArray[np.bool_], mirror: NDArray[np.floating], offset: NDArray[np.floating], flips: Sides,
    window: tuple[int, int, int, int],
) -> Places:  # fmt: skip
    """The points of the kept boxes; what leaves the window counts as not labelled."""
    points = places.points[kept]
    if flips[0] != flips[1]:  # both together turn the picture, and left stays left
        points = points[:, list(places.mirrored)]
    moved = points[..., :2] @ mirror + offset
    seen = ((moved >= window[:2]) & (moved <= window[2:])).all(-1) & (points[..., 2] > 0)
    numbers = np.concatenate([moved, points[..., 2:]], -1) * seen[..., None]
    return replace(places, points=numbers.astype(np.float32))


def _join(parts: list[Scene]) -> NDArray[np.uint16] | None:
    """One map of objects out of those of four windows, which do not overlap."""
    joined, before = None, 0
    for part in parts:
        if part.instances is not None:
            numbers = np.where(part.instances > 0, part.instances + np.uint16(before), 0).astype(np.uint16)
            joined = numbers if joined is None else joined + numbers
        before += len(part.labels)
    return joined


def _flip(sides: Sides, random: np.random.Generator) -> Sides:
    left_right, upside_down = (bool(random.random() < 0.5) for _ in sides)
    return left_right and sides[0], upside_down and sides[1]


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
