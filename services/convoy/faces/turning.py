"""Turns a look by steps of 45 degrees, so that a detector of upright faces also finds faces at other angles."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.manifest import InputSpec
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Pixels

STEP_DEGREES = 45
"""Detectors of upright faces find a face well up to half of this from upright."""
ANGLES = tuple(range(STEP_DEGREES, 360, STEP_DEGREES))
"""The turns besides upright, in degrees counterclockwise."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Turn:
    """A turn counterclockwise by degrees and a scale, from the middle of a canvas to the middle of the turned one.

    Middles are x, y in continuous coordinates: 0 is the left edge of the first pixel.
    """

    degrees: int = 0
    scale: float = 1.0
    middle: tuple[float, float] = (0.0, 0.0)
    turned_middle: tuple[float, float] = (0.0, 0.0)

    @property
    def rotation(self) -> Floats:
        """The [2, 2] matrix of turn and scale; the y axis points down."""
        sine, cosine = _sine_cosine(self.degrees)
        return self.scale * np.array([[cosine, sine], [-sine, cosine]], np.float32)

    def back(self, points_xy: Floats) -> Floats:
        """Map points [..., 2] of the turned canvas to the canvas before."""
        offset = points_xy - np.array(self.turned_middle, np.float32)
        return np.asarray(offset @ np.linalg.inv(self.rotation).T + np.array(self.middle, np.float32), np.float32)


UPRIGHT = Turn()


def turn(canvas: Pixels, degrees: int, spec: InputSpec) -> tuple[Pixels, Turn]:
    """Turn the canvas [H, W, 3] about its middle; the turned one is no longer on its long side.

    Between the quarters the picture is therefore reduced. An input of one fixed size stays at its size.
    """
    height, width = canvas.shape[:2]
    sine, cosine = (abs(part) for part in _sine_cosine(degrees))
    needed = (width * cosine + height * sine, width * sine + height * cosine)
    if spec.long_side is None:
        scale = min(1.0, width / needed[0], height / needed[1])
        columns, rows = width, height
    else:
        scale = max(width, height) / max(needed)
        columns, rows = (math.ceil(side * scale / spec.stride - 1e-6) * spec.stride for side in needed)
    one = Turn(degrees, scale, (width / 2, height / 2), (columns / 2, rows / 2))
    if degrees % 90 == 0 and (columns, rows) == tuple(map(round, needed)):
        return np.ascontiguousarray(np.rot90(canvas, degrees // 90)), one
    # Of pixel centres, which lie half a pixel to the right of and below where a pixel begins.
    shift = np.array(one.turned_middle) - 0.5 - one.rotation @ (np.array(one.middle) - 0.5)
    matrix = np.column_stack([one.rotation, shift]).astype(np.float32)
    grey = (spec.pad_value,) * 3
    turned = cv2.warpAffine(canvas, matrix, (columns, rows), borderMode=cv2.BORDER_CONSTANT, borderValue=grey)
    return np.asarray(turned, np.uint8), one


def turn_back(outputs: Outputs, by: Turn) -> Outputs:
    """Map a detector's outputs for a turned canvas back to the canvas before.

    Landmarks keep their order: the first eye is the left one when the face is turned upright. A face fills its box
    about as an ellipse does, so the box that comes back is that of the turned ellipse.
    """
    if by.degrees == 0:
        return outputs
    edges = np.asarray(outputs["boxes"], np.float32).reshape(-1, 2, 2)
    middles, halves = by.back(edges.mean(axis=1)), (edges[:, 1] - edges[:, 0]) / 2
    reach = np.sqrt(halves**2 @ np.linalg.inv(by.rotation).T ** 2)
    boxes = np.concatenate([middles - reach, middles + reach], axis=1).astype(np.float32)
    points = np.asarray(outputs["landmarks"], np.float32).reshape(-1, 5, 2)
    return {**outputs, "boxes": boxes, "landmarks": by.back(points)}


def _sine_cosine(degrees: int) -> tuple[float, float]:
    """Exact at the quarters, so that a picture turned four times is the picture."""
    quarter = {0: (0.0, 1.0), 90: (1.0, 0.0), 180: (0.0, -1.0), 270: (-1.0, 0.0)}
    return quarter.get(degrees) or (math.sin(math.radians(degrees)), math.cos(math.radians(degrees)))
