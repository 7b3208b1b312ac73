"""What a detection may have beside its box: the pixels of the object, and named points on it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Point, read_point
from convoy.v1 import detection_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class InstanceMask(Answer):
    """The pixels of one object.

    area: how many there are; rle: run lengths as pycocotools takes them, {"size": [height, width], "counts": text};
    polygons: outlines x, y, x, y, ... as COCO has them, without holes, if you asked for them.
    """

    area: int
    rle: dict[str, Any] = field(repr=False)
    polygons: tuple[tuple[float, ...], ...] = field(default=(), repr=False)

    @property
    def pixels(self) -> "npt.NDArray[np.bool_]":
        """The mask at the size of the picture: bool [H, W]."""
        from convoy.core.pictures.run_lengths import read_run_lengths

        height, width = self.rle["size"]
        return read_run_lengths(self.rle["counts"], height, width).pixels()


@dataclass(frozen=True)
class NamedPoint(Answer):
    """A point on an object; score: how sure the model is that it is visible, 0 to 1, or None if it does not say."""

    name: str
    position: Point
    score: float | None = None


def read_mask(message: detection_pb2.Detection) -> InstanceMask | None:
    """The mask of a detection; None if nobody asked for run lengths."""
    mask = message.mask
    if not message.HasField("mask") or not mask.HasField("rle"):
        return None
    rle = {"size": [mask.rle.size.height, mask.rle.size.width], "counts": mask.rle.counts}
    return InstanceMask(mask.area, rle, tuple(tuple(polygon.xy) for polygon in mask.polygons))


def read_points(message: detection_pb2.Detection) -> tuple[NamedPoint, ...]:
    """The points of a detection, in the order of the model's manifest."""
    return tuple(
        NamedPoint(one.name, read_point(one.position), one.score if one.HasField("score") else None)
        for one in message.points
    )
