"""What all answers share: the model that answered, and geometry in pixels of the picture that you sent."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from convoy.client.answers.answer import Answer
from convoy.v1 import common_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ImageRGB: TypeAlias = "npt.NDArray[np.uint8]"
"""Pixels [H, W, 3], red first."""


@dataclass(frozen=True)
class Model(Answer):
    """A model in one version; as text `name:version`."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Size(Answer):
    """Width and height in pixels, after EXIF orientation."""

    width: int
    height: int


@dataclass(frozen=True)
class Point(Answer):
    """A position; (0, 0) is the top left corner."""

    x: float
    y: float


@dataclass(frozen=True)
class Box(Answer):
    """An axis-parallel rectangle."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        """Pixels from the left edge to the right."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Pixels from the top edge to the bottom."""
        return self.y_max - self.y_min

    @property
    def centre(self) -> Point:
        """The middle."""
        return Point((self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2)


def read_model(message: common_pb2.ModelRef) -> Model:
    """The model of an answer."""
    return Model(message.name, message.version)


def read_size(message: common_pb2.Size) -> Size:
    """The size of a picture."""
    return Size(message.width, message.height)


def read_point(message: common_pb2.Point) -> Point:
    """A position."""
    return Point(message.x, message.y)


def read_box(message: common_pb2.Box) -> Box:
    """A rectangle."""
    return Box(message.x_min, message.y_min, message.x_max, message.y_max)


def read_time(message: Message, field: str) -> datetime | None:
    """A time with zone UTC, or None where the field is not set."""
    if not message.HasField(field):
        return None
    time: Timestamp = getattr(message, field)
    return time.ToDatetime(tzinfo=UTC)
