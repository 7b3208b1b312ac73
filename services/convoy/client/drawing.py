"""Answers drawn into pictures of any size. Pictures are uint8 RGB [H, W, 3]; each function gives a new one."""

import colorsys
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from convoy.client.answers.common import Box, ImageRGB
from convoy.client.answers.faces import Face, Landmarks
from convoy.client.answers.recognition import Decision, Identification, IdentifiedFace
from convoy.client.answers.vision import Classification, Detections, Segmentation
from convoy.core.errors import InvalidArgument
from convoy.core.images import decode_image

Colour = tuple[int, int, int]
GREEN: Colour = (32, 178, 96)
RED: Colour = (219, 68, 55)
AMBER: Colour = (240, 160, 32)
BLUE: Colour = (40, 120, 220)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (20, 20, 20)
DECISION_COLOURS = {Decision.MATCH: GREEN, Decision.NO_MATCH: RED, Decision.AMBIGUOUS: AMBER}
GOLDEN_ANGLE = 0.381966
FONT = cv2.FontFace("sans")


def read_picture(path: Path) -> ImageRGB:
    """The pixels of a picture file, upright. OSError; InvalidArgument(NOT_AN_IMAGE, ...)."""
    return decode_image(path.read_bytes()).image_rgb


def write_picture(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write a picture or a mask [H, W]; the ending of the name says how. InvalidArgument(BAD_ARGUMENT): unknown one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        cv2.imwrite(str(path), image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error:
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' is no name for a picture; try .png or .jpg") from None


def colour_of(index: int) -> Colour:
    """The colour of a class: neighbours differ as much as possible."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + index * GOLDEN_ANGLE) % 1.0, 0.75, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_classification(image_rgb: ImageRGB, answer: Classification, most: int = 3) -> ImageRGB:
    """The picture with its best labels in the corner."""
    picture = image_rgb.copy()
    lines = [f"{label.name} {label.probability:.0%}" for label in answer.labels[:most]]
    _write_legend(picture, [(line, colour_of(0) if place == 0 else BLACK) for place, line in enumerate(lines)])
    return picture


def draw_detections(image_rgb: ImageRGB, answer: Detections) -> ImageRGB:
    """The picture with a labelled box around each object, the best on top."""
    picture = image_rgb.copy()
    for found in reversed(answer.detections):
        _draw_box(picture, found.box, colour_of(found.index), f"{found.label} {found.score:.2f}")
    return picture


def draw_segmentation(image_rgb: ImageRGB, answer: Segmentation, opacity: float = 0.55, most: int = 6) -> ImageRGB:
    """The picture under its coloured mask, with the largest regions named. opacity: 0 (no mask) to 1 (no picture)."""
    palette = np.array([colour_of(index) for index in range(256)], np.uint8)
    picture = cv2.addWeighted(image_rgb, 1 - opacity, palette[answer.mask], opacity, 0).astype(np.uint8)
    regions = answer.regions[:most]
    _write_legend(picture, [(f"{region.label} {region.area:.0%}", colour_of(region.index)) for region in regions])
    return picture


def draw_faces(image_rgb: ImageRGB, faces: Iterable[Face]) -> ImageRGB:
    """The picture with each face's box, landmarks and quality."""
    picture = image_rgb.copy()
    for face in faces:
        _draw_box(picture, face.box, BLUE, f"quality {face.quality.score:.2f}")
        _draw_landmarks(picture, face.landmarks)
    return picture


def draw_identification(image_rgb: ImageRGB, answer: Identification) -> ImageRGB:
    """The picture with each face's name: green is known, red unknown, amber too close to tell."""
    picture = image_rgb.copy()
    for found in reversed(answer.faces):
        _draw_box(picture, found.face.box, DECISION_COLOURS[found.decision], name_of(found))
    return picture


def name_of(found: IdentifiedFace) -> str:
    """Who it is in a few words."""
    if found.person is not None:
        return f"{found.person.name} {found.person.similarity:.2f}"
    if found.decision is Decision.AMBIGUOUS:
        return " or ".join(match.name for match in found.matches[:2]) + "?"
    return "unknown"


def write_caption(image_rgb: ImageRGB, text: str, colour: Colour = BLACK, height: int = 34) -> ImageRGB:
    """The picture with a line of text in a bar below it, made smaller until it fits."""
    bar = np.full((height, image_rgb.shape[1], 3), colour, np.uint8)
    size = next((size for size in range(height // 2, 6, -1) if _text_width(text, size) <= bar.shape[1] - 12), 6)
    bar = _put(bar, text, (6, height - (height - size) // 2 - size // 6), WHITE, size)
    return np.vstack([image_rgb, bar])


def _draw_box(picture: ImageRGB, box: Box, colour: Colour, text: str) -> None:
    line = _line_width(picture)
    corners = (round(box.x_min), round(box.y_min)), (round(box.x_max), round(box.y_max))
    cv2.rectangle(picture, *corners, colour, line, cv2.LINE_AA)
    size = _text_size(picture)
    height = round(size * 1.5)
    top = corners[0][1] - height if corners[0][1] >= height else min(corners[1][1], picture.shape[0] - height)
    _write_tag(picture, text, (corners[0][0] - line // 2, top), colour, size)


def _draw_landmarks(picture: ImageRGB, marks: Landmarks) -> None:
    points = (marks.left_eye, marks.right_eye, marks.nose, marks.mouth_left, marks.mouth_right)
    for point in points:
        centre = (round(point.x), round(point.y))
        cv2.circle(picture, centre, _line_width(picture) + 1, AMBER, cv2.FILLED, cv2.LINE_AA)


def _write_legend(picture: ImageRGB, lines: Sequence[tuple[str, Colour]]) -> None:
    size = _text_size(picture)
    for row, (text, colour) in enumerate(lines):
        _write_tag(picture, text, (size // 3, size // 3 + row * round(size * 1.6)), colour, size)


def _write_tag(picture: ImageRGB, text: str, left_top: tuple[int, int], colour: Colour, size: int) -> None:
    """Write a line on a filled rectangle, moved to where it fits into the picture."""
    height, pad = round(size * 1.5), max(2, size // 3)
    width = _text_width(text, size) + 2 * pad
    left = max(0, min(left_top[0], picture.shape[1] - width))
    top = max(0, min(left_top[1], picture.shape[0] - height))
    cv2.rectangle(picture, (left, top), (left + width, top + height), colour, cv2.FILLED)
    _put(picture, text, (left + pad, top + round(size * 1.12)), WHITE, size)


def _put(picture: ImageRGB, text: str, baseline: tuple[int, int], colour: Colour, size: int) -> ImageRGB:
    cv2.putText(picture, text, baseline, colour, FONT, size, 600)
    return picture


def _text_width(text: str, size: int) -> int:
    _, _, width, _ = cv2.getTextSize((4096, 4096), text, (0, 0), FONT, size, 600)
    return int(width)


def _text_size(picture: ImageRGB) -> int:
    """Pixels from ascender to descender: a thirtieth of the long side, but never too small to read."""
    return max(11, min(int(max(picture.shape[:2])) // 30, 64))


def _line_width(picture: ImageRGB) -> int:
    return max(1, min(int(max(picture.shape[:2])) // 250, 10))
