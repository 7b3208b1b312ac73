"""Face detectors of the YuNet kind."""

from collections.abc import Sequence

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Probe, Reading, Resize, reading_of
from convoy.importing.adapters.arithmetic import around, cell_points, floats, landmarks
from convoy.importing.adapters.boxes import draw_cells, draw_corners, draw_landmarks
from convoy.importing.adapters.face_detection.levels import STRIDES, sort_levels
from convoy.importing.sketch import Sketch


class Yunet(Adapter):
    """Twelve outputs: for each stride 8, 16, 32 class and objectness [N, A, 1], box [N, A, 4], landmarks [N, A, 10].

    The order is: rows, then columns of cells, one anchor each. Score = sqrt(class x objectness), both clipped to 0..1;
    centre = (cell + (x, y)) x stride, size = exp(w, h) x stride, landmark = (cell + offset) x stride. The person's
    right eye comes first, which is left in the picture. Input: BGR, 0 to 255. Source: OpenCV, modules/objdetect/src/
    face_detect.cpp, and face_detection_yunet of the OpenCV zoo; Wu et al., YuNet, Machine Intelligence Research 2023.
    """

    name = "yunet"
    task = Task.FACE_DETECTION
    layout = "for each stride 8, 16, 32: cls, obj [N, A, 1], bbox [N, A, 4], kps [N, A, 10]; 1 anchor a cell"
    preprocess = "raw-bgr"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the twelve outputs by their shapes; class and objectness are used alike."""
        levels = sort_levels(probe, 1, {1: 2, 4: 1, 10: 1})
        return reading_of(probe, [name for level in levels for name in level])

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Decode each level, then put the levels one after another."""
        scores, boxes, landmarks = [], [], []
        for place, stride in enumerate(STRIDES):
            one, other, box, offsets = values[4 * place : 4 * place + 4]
            cells = draw_cells(sketch, stride, 1, offset=0)
            bounded = [sketch.op("Clip", value, 0.0, 1.0) for value in (one, other)]
            scores.append(sketch.op("Sqrt", sketch.op("Mul", *bounded)))
            boxes.append(_draw_boxes(sketch, cells, box, float(stride)))
            landmarks.append(draw_landmarks(sketch, cells, sketch.op("Mul", offsets, float(stride))))
        return {
            "boxes": sketch.concat(boxes, axis=1),
            "scores": sketch.concat(scores, axis=1),
            "landmarks": sketch.concat(landmarks, axis=1),
        }

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Level by level."""
        scores, boxes, points = [], [], []
        for place, stride in enumerate(STRIDES):
            one, other, box, offsets = (floats(value)[0] for value in values[4 * place : 4 * place + 4])
            cells = cell_points(height, width, stride)
            scores.append(np.sqrt(one.clip(0, 1) * other.clip(0, 1)))
            boxes.append(around(cells + box[:, :2] * stride, np.exp(box[:, 2:]) * stride))
            points.append(landmarks(cells, offsets * stride))
        parts = {"boxes": boxes, "scores": scores, "landmarks": points}
        return {name: np.concatenate(levels)[None] for name, levels in parts.items()}


def _draw_boxes(sketch: Sketch, cells: str, box: str, stride: float) -> str:
    centres = sketch.op("Add", cells, sketch.op("Mul", sketch.part(box, 0, 2, axis=2), stride))
    sizes = sketch.op("Mul", sketch.op("Exp", sketch.part(box, 2, 4, axis=2)), stride)
    return draw_corners(sketch, centres, sizes)
