"""Training canvases for face detection: pictures cut around a face of any size, and mosaics of close-ups."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from convoy_training.data.face_pictures import Picture

MIRRORED = [1, 0, 2, 4, 3]
"""The order of the landmarks after mirroring, since left and right mean the sides of the image."""

TURN_DEG = 6.0
"""The standard deviation of the turns, which are cut at three and a third of it."""

SMALLEST_FACE_PX = 6.0
"""Smaller faces have too few pixels to learn from; they are ignored, and not taken for background."""


@dataclass(frozen=True)
class Scene:
    """image_rgb [S,S,3] with boxes_xyxy [M,4], landmarks [M,5,2] (NaN where unknown) and ignored [M]."""

    image_rgb: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignored: NDArray[np.bool_]


def cut_around_face(
    picture: Picture, size_px: int, face_px: tuple[float, float], random: Generator, turn_deg: float = TURN_DEG
) -> Scene:
    """A canvas in which a randomly chosen face gets a size drawn log-uniformly from `face_px`.

    The scale is at most 3, because enlarged pixels teach little, and at least 0.4. A picture that needs less than 0.4
    to fit the canvas as a whole may shrink that far.
    """
    image = picture.decode()
    sides = np.sqrt((picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]).prod(axis=1))
    target = np.exp(random.uniform(*np.log(face_px)))
    if len(sides) == 0:
        return place(picture, image, size_px, random.uniform(0.5, 1.5), random, turn_deg=turn_deg)
    # Large faces are rarer than small ones; choosing by the root of the size evens that out.
    chosen = random.choice(len(sides), p=np.sqrt(sides) / np.sqrt(sides).sum())
    scale = float(np.clip(target / sides[chosen], min(0.4, size_px / max(image.shape[:2])), 3.0))
    return place(picture, image, size_px, scale, random, picture.boxes_xyxy[chosen], turn_deg)


def show_close_up(
    picture: Picture, size_px: int, face_px: tuple[float, float], random: Generator, turn_deg: float = TURN_DEG
) -> Scene:
    """A canvas with the single large face of a close-up, of a size drawn log-uniformly from `face_px`."""
    box = picture.boxes_xyxy[0]
    scale = np.exp(random.uniform(*np.log(face_px))) / float(np.sqrt((box[2:] - box[:2]).prod()))
    return place(picture, picture.decode(), size_px, float(scale), random, box, turn_deg)


def merge_quarters(scenes: list[Scene], windows: list[tuple[int, int, int, int]], size_px: int) -> Scene:
    """Puts several scenes on one canvas, each at the top left corner of its window (x0, y0, x1, y1) and cut to it."""
    canvas = np.zeros((size_px, size_px, 3), np.uint8)
    parts = []
    for scene, (left, top, right, bottom) in zip(scenes, windows, strict=True):
        canvas[top:bottom, left:right] = scene.image_rgb[: bottom - top, : right - left]
        corner = np.array([left, top], np.float32)
        moved = Scene(canvas, scene.boxes_xyxy + np.tile(corner, 2), scene.landmarks + corner, scene.ignored)
        parts.append(_clip(moved, (left, top, right, bottom)))
    merged = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("boxes_xyxy", "landmarks", "ignored")
    )
    return Scene(canvas, *merged)


def place(
    picture: Picture, image: NDArray[np.uint8], size_px: int, scale: float, random: Generator,
    anchor: NDArray[np.float32] | None = None, turn_deg: float = TURN_DEG,
) -> Scene:  # fmt: skip
    """Scales, slightly turns, mirrors and shifts a picture onto a canvas, so that the anchor box lies inside it."""
    most = turn_deg * 10 / 3
    angle = np.radians(np.clip(random.normal(0, turn_deg), -most, most))
    mirror = bool(random.random() < 0.5)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        linear = np.diag([-1.0, 1.0]) @ linear
    box = np.array([0, 0, image.shape[1], image.shape[0]]) if anchor is None else anchor
    half = (box[2:] - box[:2]) * scale / 2
    room = np.minimum(half, size_px / 2)
    target = random.uniform(room, size_px - room)
    shift = target - linear @ ((box[:2] + box[2:]) / 2)
    # Keep the middle of the picture far enough from the canvas's border that as little canvas as possible stays empty.
    extent = np.array([image.shape[1], image.shape[0]])
    middle = linear @ (extent / 2)
    ends = np.sort([extent * scale / 2, size_px - extent * scale / 2], axis=0)
    shift = np.clip(shift + middle, ends[0], ends[1]) - middle
    matrix = np.column_stack([linear, shift])
    canvas = _warp(image, matrix, scale, size_px, tuple(int(v) for v in random.integers(0, 256, 3)))
    centres = (picture.boxes_xyxy[:, :2] + picture.boxes_xyxy[:, 2:]) / 2 @ linear.T + matrix[:, 2]
    halves = (picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]) * scale / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    landmarks = picture.landmarks @ linear.T + matrix[:, 2]
    landmarks = landmarks[:, MIRRORED] if mirror else landmarks
    scene = Scene(canvas, boxes.astype(np.float32), landmarks.astype(np.float32), picture.ignored)
    return _clip(scene, (0, 0, size_px, size_px))


def _warp(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], scale: float, size_px: int, fill: tuple[int, ...]
) -> NDArray[np.uint8]:
    """warpAffine that averages areas when it shrinks; the matrix counts from pixel edges, OpenCV from pixel centres."""
    if scale < 0.6:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ratio = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
        image, matrix = small, np.column_stack([matrix[:, :2] * ratio, matrix[:, 2]])  # type: ignore[assignment]
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ [0.5, 0.5] - 0.5])
    return cv2.warpAffine(image, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=fill)  # type: ignore[return-value]


def _clip(scene: Scene, window: tuple[int, int, int, int]) -> Scene:
    """Drops faces outside the window, clips the other boxes to it, and ignores faces too small or mostly cut off."""
    left, top, right, bottom = window
    boxes = np.clip(scene.boxes_xyxy, [left, top, left, top], [right, bottom, right, bottom])
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    areas = (scene.boxes_xyxy[:, 2:] - scene.boxes_xyxy[:, :2]).prod(axis=1)
    visible = sides.prod(axis=1) / areas
    ignored = scene.ignored | (visible < 0.5) | (np.sqrt(areas) < SMALLEST_FACE_PX)
    kept = visible > 0.05
    return Scene(scene.image_rgb, boxes[kept], scene.landmarks[kept], ignored[kept])
