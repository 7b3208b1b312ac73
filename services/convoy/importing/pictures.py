"""Pictures to try a graph on: random pixels, and a bundled picture of a person."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from convoy.core.manifest import InputSpec
from convoy.core.pictures.decoding import Pixels, decode_image
from convoy.core.pictures.resizing import place

FACE_BOX = (0.3516, 0.1406, 0.5234, 0.3594)
"""Where the face is in the bundled picture, xyxy as shares of its sides: marked by hand from eyebrows to chin."""
PERSON_BOX = (0.0, 0.02, 0.92, 1.0)
"""Where the person in her suit is, likewise."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One picture of a graph's input size, [height, width, 3]. face_xyxy: the face in its pixels, if it shows one."""

    image_rgb: Pixels
    face_xyxy: tuple[float, float, float, float] | None = None


@cache
def photograph() -> Pixels:
    """Return the bundled picture: Eileen Collins, by NASA (public domain), with a person, a face, a flag; [H, W, 3]."""
    return decode_image((files("convoy.importing") / "astronaut.jpg").read_bytes()).image_rgb


def random_images(number: int, height: int, width: int) -> Pixels:
    """Make pictures [number, height, width, 3] of random pixels, the same each time, and all different."""
    return np.random.default_rng(number).integers(0, 256, (number, height, width, 3), np.uint8)


def trials(height: int, width: int, spec: InputSpec) -> tuple[Trial, ...]:
    """Make random pixels, and the bundled picture as the manifest places it in an input of this size."""
    fixed = spec.model_copy(update={"height": height, "width": width})
    canvas, placement = place(photograph(), fixed)
    tall, wide = photograph().shape[:2]
    corners = np.array(FACE_BOX, np.float32).reshape(2, 2) * np.array([wide, tall], np.float32)
    (x0, y0), (x1, y1) = placement.to_canvas(corners).tolist()
    return Trial(random_images(1, height, width)[0]), Trial(canvas, (x0, y0, x1, y1))
