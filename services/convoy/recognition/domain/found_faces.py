"""Faces that the face service finds in a picture."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from convoy.recognition.domain.vectors import Vector


class Point(NamedTuple):
    """A position in pixels of the picture; (0, 0) is its top left corner."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle in pixels of the picture."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def overlap(self, other: "Box") -> float:
        """The area that both have, as a share of what they cover together (intersection over union), 0 to 1."""
        width = min(self.x_max, other.x_max) - max(self.x_min, other.x_min)
        height = min(self.y_max, other.y_max) - max(self.y_min, other.y_min)
        both = max(0.0, width) * max(0.0, height)
        covered = self.area + other.area - both
        return both / covered if covered > 0 else 0.0

    @property
    def area(self) -> float:
        """In pixels."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)


class Size(NamedTuple):
    """Width and height of a picture in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How usable a face is for recognition, as a whole (`score`) and in parts; each 0 to 1.

    likeness, visibility: None where nobody has judged them, as in an earlier version of the face service.
    """

    score: float
    size: float
    sharpness: float
    exposure: float
    frontality: float
    likeness: float | None = None
    visibility: float | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a classifier of faces says of a face; score: 0 to 1."""

    model: str
    version: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face as callers may see it, which is without its embedding.

    landmarks: the two eyes, the nose and the two corners of the mouth, each pair from the picture's left to its right;
    empty where the face service gives none. liveness: 0 to 1, None where no network judges it; attributes: what other
    classifiers say.
    """

    box: Box
    detection_score: float
    quality: Quality
    landmarks: tuple[Point, ...] = ()
    liveness: float | None = None
    attributes: tuple[Attribute, ...] = ()

    @property
    def roll_degrees(self) -> float:
        """How far the face is turned from upright, 0 to 180, by the way from its eyes to its mouth; 0 if not known."""
        if not self.landmarks:
            return 0.0
        left, right, _, mouth_left, mouth_right = self.landmarks
        across = mouth_left.x + mouth_right.x - left.x - right.x
        down = mouth_left.y + mouth_right.y - left.y - right.y
        return math.degrees(abs(math.atan2(across, down)))


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """A face and its embedding, [dimension], unit length. The embedding never leaves the service."""

    face: FoundFace
    embedding: Vector = field(compare=False)


@dataclass(frozen=True, slots=True)
class EmbeddedFaces:
    """The faces of one picture, largest first.

    found: how many faces the picture shows; more than there are here when the options left some out.
    """

    faces: tuple[EmbeddedFace, ...]
    image_size: Size
    found: int
