"""Draws answers into pictures of any size (uint8 RGB [H, W, 3]). Each function returns a new picture."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from convoy.client.answers.common import Box, ImageRGB
from convoy.client.answers.explanation import Explanation
from convoy.client.answers.faces import Face, Faces
from convoy.client.answers.imaging import Transformed
from convoy.client.answers.recognition import Decision, Identification, IdentifiedFace
from convoy.client.answers.vision import Classification, Detection, Detections, Segmentation
from convoy.core.pictures.heat import lay_over
from convoy.drawing.caption_layout import place_captions
from convoy.drawing.colours import BLACK, Colour, colour_of
from convoy.drawing.objects import draw_points, paint_masks
from convoy.drawing.text import (
    add_legend_below,
    add_line_below,
    text_size,
    text_width,
    write_caption,
    write_legend,
)

GREEN: Colour = (32, 178, 96)
RED: Colour = (219, 68, 55)
AMBER: Colour = (240, 160, 32)
BLUE: Colour = (40, 120, 220)
DECISION_COLOURS = {Decision.MATCH: GREEN, Decision.NO_MATCH: RED, Decision.AMBIGUOUS: AMBER}


def draw_classification(image_rgb: ImageRGB, answer: Classification, most: int = 3) -> ImageRGB:
    """Draw the best labels into the corner."""
    picture = image_rgb.copy()
    lines = [f"{label.label} {label.probability:.0%}" for label in answer.labels[:most]]
    write_legend(picture, [(line, colour_of(0) if place == 0 else BLACK) for place, line in enumerate(lines)])
    return picture


def draw_detections(image_rgb: ImageRGB, answer: Detections) -> ImageRGB:
    """Draw a labelled box around each object, the best on top. A label without room stands below the picture.

    The pixels and points of objects are painted where the answer has them; each object then has its own colour.
    """
    own = any(found.mask is not None for found in answer.detections)
    colours = [colour_of(place if own else found.index) for place, found in enumerate(answer.detections)]
    picture = paint_masks(image_rgb, answer.detections, colours)
    for found in answer.detections:
        draw_points(picture, found, _line_width(picture))
    return _draw_boxes(
        picture,
        [
            (found.box, colour, f"{found.label} {found.score:.2f}")
            for found, colour in zip(answer.detections, colours, strict=True)
        ],
    )


def draw_tracks(image_rgb: ImageRGB, answer: Detections | Faces) -> ImageRGB:
    """Draw a box around each object that has a track, in the track's colour and with its number, at the same size."""
    found = [
        (one.box, colour_of(one.track_id), f"{one.label if isinstance(one, Detection) else 'face'} {one.track_id}")
        for one in answer
        if one.track_id
    ]
    return _draw_boxes(image_rgb.copy(), found)[: image_rgb.shape[0], : image_rgb.shape[1]]


def draw_segmentation(image_rgb: ImageRGB, answer: Segmentation, opacity: float = 0.55, most: int = 6) -> ImageRGB:
    """Lay the coloured mask over the picture and name the largest regions below it.

    opacity: 0 (no mask) to 1 (no picture).
    """
    palette = np.array([colour_of(index) for index in range(256)], np.uint8)
    picture = cv2.addWeighted(image_rgb, 1 - opacity, palette[answer.mask], opacity, 0).astype(np.uint8)
    regions = answer.regions[:most]
    return add_legend_below(picture, [(f"{one.label} {one.area:.0%}", colour_of(one.index)) for one in regions])


def draw_transformed(image_rgb: ImageRGB, answer: Transformed) -> ImageRGB:
    """Lay the picture and what came out beside each other; the picture is enlarged to the answer's size by pixels."""
    size = (answer.size.width, answer.size.height)
    before = (
        image_rgb if size == image_rgb.shape[1::-1] else cv2.resize(image_rgb, size, interpolation=cv2.INTER_NEAREST)
    )
    return np.hstack([before, answer.image_rgb]).astype(np.uint8)


def draw_explanation(image_rgb: ImageRGB, answer: Explanation) -> ImageRGB:
    """Lay the map over the picture: red where it speaks for the answer, blue where against it; say the score below.

    Draw a box around the object, if the answer is about one.
    """
    picture, place = lay_over(image_rgb, answer.heat), getattr(answer, "place", None)
    if place is not None:
        corners = (round(place.x_min), round(place.y_min)), (round(place.x_max), round(place.y_max))
        cv2.rectangle(picture, *corners, BLACK, _line_width(picture), cv2.LINE_AA)
    return add_line_below(picture, f"{answer.label} {answer.score:.2f}", RED)


def draw_faces(image_rgb: ImageRGB, faces: Iterable[Face]) -> ImageRGB:
    """Draw the box, landmarks and quality of each face, and what classifiers of faces say.

    A text without room stands below the picture.
    """
    picture, faces = image_rgb.copy(), list(faces)
    for face in faces:
        _draw_landmarks(picture, face)
    return _draw_boxes(picture, [(face.box, BLUE, _tell(face)) for face in faces])


def _tell(face: Face) -> str:
    return ", ".join(text for text in (f"quality {face.quality.score:.2f}", face.describe()) if text)


def draw_identification(image_rgb: ImageRGB, answer: Identification) -> ImageRGB:
    """Draw a box with a name around each face: green for a match, red for none, amber for ambiguous.

    A face that resembles somebody who is another face says whom it is not. A name without room stands below the
    picture.
    """
    return _draw_boxes(
        image_rgb.copy(),
        [(found.face.box, DECISION_COLOURS[found.decision], name_of(found)) for found in answer.faces],
    )


def name_of(found: IdentifiedFace) -> str:
    """Who it is, in a few words."""
    if found.person is not None:
        return f"{found.person.name} {found.person.similarity:.2f}"
    if found.decision is Decision.AMBIGUOUS:
        return " or ".join(match.name for match in found.matches[:2]) + "?"
    if found.no_match_reason == "SPOOF_SUSPECTED":
        return "spoof?"
    if found.named_elsewhere is not None:
        return f"not {found.named_elsewhere.name}"
    return "unknown"


def _draw_boxes(picture: ImageRGB, found: Sequence[tuple[Box, Colour, str]]) -> ImageRGB:
    """Draw each box with its text. A text without room stands below the picture, under a number."""
    line = _line_width(picture)
    for box, colour, _ in reversed(found):
        corners = (round(box.x_min), round(box.y_min)), (round(box.x_max), round(box.y_max))
        cv2.rectangle(picture, *corners, colour, line, cv2.LINE_AA)
    edges = np.array([(box.x_min, box.y_min, box.x_max, box.y_max) for box, _, _ in found], np.float64).reshape(-1, 4)
    extent = picture.shape[1], picture.shape[0]
    captions = place_captions(edges, [text for _, _, text in found], extent, text_size(picture), text_width)
    for caption, (_, colour, _) in zip(captions, found, strict=True):
        write_caption(picture, caption.text, (caption.left, caption.top), colour, caption.size)
    for caption, (_, colour, text) in zip(captions, found, strict=True):
        if caption.number:
            picture = add_line_below(picture, f"{caption.number}: {text}", colour)
    return picture


def _draw_landmarks(picture: ImageRGB, face: Face) -> None:
    marks = face.landmarks
    points = (marks.left_eye, marks.right_eye, marks.nose, marks.mouth_left, marks.mouth_right)
    radius = max(1, min(_line_width(picture) + 1, round(face.box.width / 30)))
    for point in points:
        centre = (round(point.x), round(point.y))
        cv2.circle(picture, centre, radius, AMBER, cv2.FILLED, cv2.LINE_AA)


def _line_width(picture: ImageRGB) -> int:
    return max(1, min(int(max(picture.shape[:2])) // 250, 10))
