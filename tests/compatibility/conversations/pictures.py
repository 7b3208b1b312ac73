"""Generated pictures as messages: small, of nobody."""

import cv2
import numpy as np
from convoy.testing import pictures
from convoy.v1 import common_pb2

JUNK = common_pb2.Image(encoded=b"GIF89a?")


def image(pixels: np.ndarray, extension: str = ".png") -> common_pb2.Image:
    """A file; a PNG as small as can be."""
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if extension == ".png" else []
    _, content = cv2.imencode(extension, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return common_pb2.Image(encoded=content.tobytes())


def raw(pixels: np.ndarray) -> common_pb2.Image:
    """Pixels."""
    height, width = pixels.shape[:2]
    return common_pb2.Image(raw=common_pb2.RawImage(width=width, height=height, data=pixels.tobytes()))


def person(number: int, noise: int = 0, shade: float = 1.0) -> common_pb2.Image:
    """A portrait that the tiny face models understand."""
    return image(pictures.portrait(number, noise=noise, shade=shade))


def people(*numbers: int) -> common_pb2.Image:
    """Up to three beside each other."""
    return image(pictures.group(list(numbers)))


def scene(seed: int = 1, width: int = 160, height: int = 120) -> np.ndarray:
    """Soft blobs of colour, for networks that were trained on photographs."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), 90.0)
    for _ in range(12):
        row, column, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(8, 40)
        blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * radius**2))
        picture += blob[..., None] * rng.uniform(-90, 160, 3)
    return np.clip(picture, 0, 255).astype(np.uint8)


RED, GREEN, BLUE = (image(pictures.plain(each)) for each in ((220, 20, 20), (20, 220, 20), (20, 20, 220)))
NOBODY = image(pictures.plain())
