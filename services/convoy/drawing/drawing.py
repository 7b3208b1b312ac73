"""Answers drawn into pictures of any size. Pictures are uint8 RGB [H, W, 3]; each function gives a new one."""

import colorsys
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from convoy.client.answers.common import Box, ImageRGB
from convoy.client.answers.faces import Face
from convoy.client.answers.recognition import Decision, Identification, IdentifiedFace
from convoy.client.answers.vision import Classification, Detections, Segmentation
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import decode_image
from convoy.drawing.label_layout import MIN_TEXT, place_tags, shorten, tag_height, tag_pad

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
    """Write a picture or a mask [H, W]; the ending of the name says how. InvalidArgument(BAD_ARGUMENT): no fit one."""
    check_picture_name(path, is_mask=image.ndim == 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def check_picture_name(path: Path, is_mask: bool = False) -> None:
    """Whether a picture, or a mask, can be written there. InvalidArgument(BAD_ARGUMENT)."""
    if is_mask and path.suffix.lower() != ".png":
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' would lose class numbers: a mask is written as .png")
    if not cv2.haveImageWriter(str(path)):
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' is no name for a picture; try .png or .jpg")


def colour_of(index: int) -> Colour:
    """The colour of a class: neighbours differ as much as possible."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + index * GOLDEN_ANGLE) % 1.0, 0.75, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_classification(image_rgb: ImageRGB, answer: Classification, most: int = 3) -> ImageRGB:
    """The picture with its best labels in the corner."""
    picture = image_rgb.copy()
    lines = [f"{label.label} {label.probability:.0%}" for label in answer.labels[:most]]
    _write_legend(picture, [(line, colour_of(0) if place == 0 else BLACK) for place, line in enumerate(lines)])
    return picture


def draw_detections(image_rgb: ImageRGB, answer: Detections) -> ImageRGB:
    """The picture with a labelled box around each object, the best on top; labels without room are below it."""
    return _draw_boxes(
        image_rgb.copy(),
        [(found.box, colour_of(found.index), f"{found.label} {found.score:.2f}") for found in answer.detections],
    )


def draw_segmentation(image_rgb: ImageRGB, answer: Segmentation, opacity: float = 0.55, most: int = 6) -> ImageRGB:
    """The picture under its coloured mask, with the largest regions named. opacity: 0 (no mask) to 1 (no picture)."""
    palette = np.array([colour_of(index) for index in range(256)], np.uint8)
    picture = cv2.addWeighted(image_rgb, 1 - opacity, palette[answer.mask], opacity, 0).astype(np.uint8)
    regions = answer.regions[:most]
    _write_legend(picture, [(f"{region.label} {region.area:.0%}", colour_of(region.index)) for region in regions])
    return picture


def draw_faces(image_rgb: ImageRGB, faces: Iterable[Face]) -> ImageRGB:
    """The picture with each face's box, landmarks and quality; a quality without room is below it."""
    picture, faces = image_rgb.copy(), list(faces)
    for face in faces:
        _draw_landmarks(picture, face)
    return _draw_boxes(picture, [(face.box, BLUE, f"quality {face.quality.score:.2f}") for face in faces])


def draw_identification(image_rgb: ImageRGB, answer: Identification) -> ImageRGB:
    """The picture with each face's name: green is known, red unknown, amber too close to tell.

    Names without room are below it.
    """
    return _draw_boxes(
        image_rgb.copy(),
        [(found.face.box, DECISION_COLOURS[found.decision], name_of(found)) for found in answer.faces],
    )


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


def _draw_boxes(picture: ImageRGB, found: Sequence[tuple[Box, Colour, str]]) -> ImageRGB:
    """Each box with its text; the picture grows downwards by the texts that found no room, with their numbers."""
    line = _line_width(picture)
    for box, colour, _ in reversed(found):
        corners = (round(box.x_min), round(box.y_min)), (round(box.x_max), round(box.y_max))
        cv2.rectangle(picture, *corners, colour, line, cv2.LINE_AA)
    edges = np.array([(box.x_min, box.y_min, box.x_max, box.y_max) for box, _, _ in found], np.float64).reshape(-1, 4)
    extent = picture.shape[1], picture.shape[0]
    texts = [text for _, _, text in found]
    tags = place_tags(edges, texts, extent, _text_size(picture), _text_width)
    for tag, (_, colour, _) in zip(tags, found, strict=True):
        _write_tag(picture, tag.text, (tag.left, tag.top), colour, tag.size)
    legend = [
        (f"{tag.number}: {text}", colour) for tag, (_, colour, text) in zip(tags, found, strict=True) if tag.number
    ]
    return np.vstack([picture, *(_legend_line(picture.shape[1], *entry) for entry in legend)])


def _legend_line(width: int, text: str, colour: Colour) -> ImageRGB:
    bar = np.full((tag_height(MIN_TEXT), width, 3), colour, np.uint8)
    _write_tag(bar, text, (0, 0), colour, MIN_TEXT)
    return bar


def _draw_landmarks(picture: ImageRGB, face: Face) -> None:
    marks = face.landmarks
    points = (marks.left_eye, marks.right_eye, marks.nose, marks.mouth_left, marks.mouth_right)
    radius = max(1, min(_line_width(picture) + 1, round(face.box.width / 30)))
    for point in points:
        centre = (round(point.x), round(point.y))
        cv2.circle(picture, centre, radius, AMBER, cv2.FILLED, cv2.LINE_AA)


def _write_legend(picture: ImageRGB, lines: Sequence[tuple[str, Colour]]) -> None:
    size = _text_size(picture)
    for row, (text, colour) in enumerate(lines):
        _write_tag(picture, text, (size // 3, size // 3 + row * round(size * 1.6)), colour, size)


def _write_tag(picture: ImageRGB, text: str, left_top: tuple[int, int], colour: Colour, size: int) -> None:
    """Write a line on a filled rectangle, shortened and moved until it fits into the picture."""
    height, pad = tag_height(size), tag_pad(size)
    text = shorten(text, picture.shape[1] - 2 * pad, lambda part: _text_width(part, size))
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
    return max(MIN_TEXT, min(int(max(picture.shape[:2])) // 30, 64))


def _line_width(picture: ImageRGB) -> int:
    return max(1, min(int(max(picture.shape[:2])) // 250, 10))
