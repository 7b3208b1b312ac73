"""Answers that are pictures: an annotated one for ?draw=1, a mask for `Accept: image/png`."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from convoy.client.answers import explanation, faces, recognition, vision
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Limits, decode_image, encode_png, pixels_to_decode
from convoy.core.serving.room import Room
from convoy.drawing import drawing
from convoy.web.holding import DRAWN_BYTES, SCOPE_KEY

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


class Easel:
    """Draws pictures, so many at a time as find room. limits: of a picture; room: of all, in bytes."""

    def __init__(self, limits: Limits, room: Room) -> None:
        self._limits = limits
        self._room = room

    async def draw(self, request: Request, kind: str, content: bytes, answer: Any) -> bytes:
        """As `draw`, once there is room. Raises ResourceExhausted(MESSAGES_FULL)."""
        holding = request.scope[SCOPE_KEY].beside(self._room)
        await holding.take(DRAWN_BYTES * await asyncio.to_thread(pixels_to_decode, content))
        try:
            return await asyncio.to_thread(draw, kind, content, answer, self._limits)
        finally:
            holding.release()


def check_drawable(kind: str, pictures: int) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if the answer cannot be one picture."""
    if not kind:
        raise InvalidArgument("BAD_ARGUMENT", "there is nothing to draw here; leave out draw")
    if pictures != 1:
        raise InvalidArgument("BAD_ARGUMENT", f"draw makes one picture, and {pictures} came")
