"""Windows with one face, whose landmarks are known, and windows without any, for the landmark head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convoy_training.augment.face_scene import Scene, place, show_close_up
from convoy_training.data.wider import Picture

FILL = (0.4, 0.8)
"""The face's size as a share of the window."""

TRIES = 20


def draw_face(picture: Picture, size_px: int, random: np.random.Generator) -> Scene:
    """A close-up's face somewhere in the window, turned a little, mirrored half of the time."""
    return show_close_up(picture, size_px, (FILL[0] * size_px, FILL[1] * size_px), random)


def draw_background(picture: Picture, size_px: int, random: np.random.Generator) -> Scene | None:
    """A part of a photograph that no face reaches into; None where none is found."""
    image = picture.decode()
    height, width = image.shape[:2]
    for _ in range(TRIES):
        side = random.uniform(0.5, 1.5) * size_px
        if side >= min(height, width):
            continue
        near = random.uniform(0, [width - side, height - side])
        boxes = picture.boxes_xyxy
        if not ((boxes[:, 2:] > near) & (boxes[:, :2] < near + side)).all(1).any():
            empty = replace(picture, boxes_xyxy=boxes[:0], landmarks=picture.landmarks[:0], ignored=picture.ignored[:0])
            window = np.concatenate([near, near + side]).astype(np.float32)
            return place(empty, image, size_px, size_px / side, random, window)
    return None
