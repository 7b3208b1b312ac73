"""Pictures that the tiny models understand: faces are patterns inside frames, objects are bright or dark rectangles."""

import cv2
import numpy as np
import numpy.typing as npt

ImageRGB = npt.NDArray[np.uint8]

GREY = 120
FRAMES = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
"""Frame colours of the first, second and third face: the tiny face detector finds one face for each colour."""


def portrait(person: int, shade: float = 1.0, size: int = 200, noise: int = 0) -> ImageRGB:
    """One person in a picture. shade: brightness; noise: seed of another photo of the same person, 0 for none."""
    return group([person], shade, size, noise)


def group(people: list[int], shade: float = 1.0, size: int = 200, noise: int = 0) -> ImageRGB:
    """Draw up to three people beside each other, `size` pixels high; the left face is a little larger."""
    picture = np.full((size, size * max(len(people), 1), 3), GREY, np.uint8)
    for place, person in enumerate(people):
        face = int(size * 0.75) - 4 * place
        top, left = (size - face) // 2, size * place + (size - face) // 2
        picture[top : top + face, left : left + face] = _face(person, FRAMES[place], face, shade, noise)
    return picture


def _face(person: int, frame: tuple[int, int, int], size: int, shade: float, noise: int) -> ImageRGB:
    pattern = np.random.default_rng(1_000 + person).uniform(40, 215, (8, 8))
    if noise:
        pattern += np.random.default_rng(noise).normal(0, 12, (8, 8))
    grey = np.clip(pattern * shade, 0, 255).astype(np.uint8)
    # After alignment the frame has 112 pixels; the embedder looks at the middle 88.
    border = round(size * 12 / 112)
    middle = cv2.resize(grey, (size - 2 * border,) * 2, interpolation=cv2.INTER_NEAREST)
    face = cv2.copyMakeBorder(middle, border, border, border, border, cv2.BORDER_CONSTANT, value=(GREY,))
    face_rgb = np.repeat(face[:, :, None], 3, axis=2)
    return np.asarray(cv2.rectangle(face_rgb, (1, 1), (size - 2, size - 2), frame, 4), np.uint8)


def plain(colour: tuple[int, int, int] = (GREY, GREY, GREY), width: int = 96, height: int = 64) -> ImageRGB:
    """Make a picture of one colour: no face, no object."""
    return np.full((height, width, 3), colour, np.uint8)


def with_box(box_xyxy: tuple[int, int, int, int], value: int = 255, width: int = 160, height: int = 120) -> ImageRGB:
    """Draw a grey picture with a bright (or dark) rectangle."""
    picture = plain(width=width, height=height)
    x_min, y_min, x_max, y_max = box_xyxy
    picture[y_min:y_max, x_min:x_max] = value
    return picture


def encode(image_rgb: ImageRGB, extension: str = ".png", quality: int = 95) -> bytes:
    """Encode a picture as a PNG, JPEG or WebP file."""
    options = [] if extension == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(extension, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()
