"""Training windows for the landmark head: one face with known landmarks, or no face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convoy_training.augment.face_scene import Scene, place, show_close_up
from convoy_training.data.face_pictures import Picture

FILL = (0.4, 0.8)
"""The face's size as a share of the window."""

LARGEST_ENLARGEMENT = 3.0
TRIES = 20


def single_out(pictures: Sequence[Picture], size_px: int) -> list[Picture]:
    """A picture for each face with landmarks that fills a window without too much enlargement, with that face alone."""
    smallest = FILL[0] * size_px / LARGEST_ENLARGEMENT
    faces = []
    for picture in pictures:
        sides = np.sqrt((picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]).prod(axis=1))
        faces += [_keep(picture, [row]) for row in np.flatnonzero(picture.whole & (sides >= smallest)).tolist()]
    return faces


def draw_face(picture: Picture, size_px: int, random: np.random.Generator) -> Scene:
    """Places the face of a close-up somewhere in the window, turned a little and mirrored half of the time."""
    return show_close_up(picture, size_px, (FILL[0] * size_px, FILL[1] * size_px), random)


def draw_background(picture: Picture, size_px: int, random: np.random.Generator) -> Scene | None:
    """A part of a picture that no face reaches into; None if none is found in `TRIES` draws."""
    image = picture.decode()
    height, width = image.shape[:2]
    for _ in range(TRIES):
        side = random.uniform(0.5, 1.5) * size_px
        if side >= min(height, width):
            continue
        near = random.uniform(0, [width - side, height - side])
        boxes = picture.boxes_xyxy
        if not ((boxes[:, 2:] > near) & (boxes[:, :2] < near + side)).all(1).any():
            empty = _keep(picture, [])
            window = np.concatenate([near, near + side]).astype(np.float32)
            return place(empty, image, size_px, size_px / side, random, window)
    return None


def _keep(picture: Picture, rows: list[int]) -> Picture:
    """The picture with these of its faces."""
    index = np.array(rows, np.int64)
    return replace(
        picture,
        boxes_xyxy=picture.boxes_xyxy[index],
        landmarks=picture.landmarks[index],
        ignored=picture.ignored[index],
    )
