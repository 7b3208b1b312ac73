"""Reads the lines of YOLO text: `class x y width height`, the same with points (YOLO-pose), or polygons (YOLO-seg).

All numbers are shares of the picture in 0..1. The lines of points are those of Ultralytics: `px py v` for each, where v
is 0 for not labelled, 1 for hidden and 2 for visible, or `px py` alone, where a negative number means not labelled.
"""

from __future__ import annotations

from collections.abc import Sequence

from convoy_training.data.boxes import Row
from convoy_training.data.coco import enclose
from convoy_training.data.data_yaml import PointShape
from convoy_training.data.faults import add_fault
from convoy_training.data.lists import number_lines
from convoy_training.data.poses import Pose
from convoy_training.errors import LabelError


def parse(text: str, file: str, classes: tuple[str, ...], shape: PointShape | None = None) -> list[Row] | None:
    """The rows of a label file in shares of its picture; None if a line is wrong, and each is a fault.

    shape: the points that each object has, if the data has points.
    """
    rows: list[Row] = []
    right = True
    for number, line in number_lines(text):
        try:
            rows.append(_parse_line(line, file, number, classes, shape))
        except LabelError as error:
            add_fault(error)
            right = False
    return rows if right else None


def _parse_line(line: str, file: str, number: int, classes: tuple[str, ...], shape: PointShape | None) -> Row:
    try:
        index, *values = (float(value) for value in line.split())
        if not _may_be(len(values), shape):
            raise ValueError
    except ValueError:
        points = f" and {shape.each} numbers for each of {shape.count} points" if shape else ""
        told = f"expected 'class x y width height'{points}, found '{line if len(line) < 60 else line[:60] + '...'}'"
        raise LabelError(file, number, told, "line unreadable") from None
    if index not in range(len(classes)):
        told = f"class {index:g} is not one of 0 to {len(classes) - 1}"
        raise LabelError(file, number, told, "unknown class")
    label = classes[int(index)]
    if len(values) > 4 and shape is None:
        return Row(number, label, enclose(values), mask=[values])
    x, y, width, height = values[:4]
    edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Row(number, label, edges, pose=_read_points(values[4:], shape, int(index)))


def _may_be(count: int, shape: PointShape | None) -> bool:
    """Whether a line may have so many numbers behind its class."""
    if count == 4:
        return True
    return count == 4 + shape.count * shape.each if shape else count >= 6 and count % 2 == 0


def _read_points(values: Sequence[float], shape: PointShape | None, label: int) -> Pose | None:
    """The points of one object; None if it is a box alone."""
    if not values or shape is None:
        return None
    names = shape.names.get(label, ())
    if shape.each == 3:
        return Pose(values, names)
    pairs = zip(values[::2], values[1::2], strict=True)
    return Pose([number for x, y in pairs for number in (x, y, 0 if x < 0 or y < 0 else 2)], names)
