"""Answers that are pictures: an annotated one for ?draw=1, a mask for `Accept: image/png`."""

from collections.abc import Callable
from typing import Any

from convoy.client.answers import explanation, faces, recognition, vision
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Limits, decode_image, encode_png
from convoy.drawing import drawing

Drawer = Callable[[Any, Any], Any]

_DRAWERS: dict[str, Drawer] = {
    "classification": lambda picture, answer: drawing.draw_classification(
        picture, vision.read_classifications(answer)[0]
    ),
    "detection": lambda picture, answer: drawing.draw_detections(picture, vision.read_detections(answer)[0]),
    "segmentation": lambda picture, answer: drawing.draw_segmentation(picture, vision.read_segmentations(answer)[0]),
    "explained": lambda picture, answer: drawing.draw_explanation(picture, explanation.read_explanation(answer)),
    "explained_detection": lambda picture, answer: drawing.draw_explanation(
        picture, explanation.read_detection(answer)
    ),
    "faces": lambda picture, answer: drawing.draw_faces(picture, faces.read_faces(answer)[0].faces),
    "identification": lambda picture, answer: drawing.draw_identification(
        picture, recognition.read_identification(answer)
    ),
}


def draw(kind: str, content: bytes, answer: Any, limits: Limits) -> bytes:
    """The annotated picture as PNG. kind: as Operation.picture; content: the picture's file; answer: the message."""
    picture = decode_image(content, limits)
    return encode_png(_DRAWERS[kind](picture.image_rgb, answer))


def check_drawable(kind: str, pictures: int) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if the answer cannot be one picture."""
    if not kind:
        raise InvalidArgument("BAD_ARGUMENT", "there is nothing to draw here; leave out draw")
    if pictures != 1:
        raise InvalidArgument("BAD_ARGUMENT", f"draw makes one picture, and {pictures} came")
