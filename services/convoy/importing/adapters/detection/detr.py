"""Detectors of the DETR kind: a few hundred queries, each with a box around its centre."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Misfit,
    Probe,
    Reading,
    Resize,
    WrongShapeError,
    check_classes,
    read_one,
    reading_of,
)
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.adapters.detection.pairs import (
    decode_boxes,
    draw_boxes,
    find_best,
    read_boxes_and_scores,
    read_unit,
    tell_form,
)
from convoy.importing.adapters.scores import Background, decode_scores, draw_scores, read_scores
from convoy.importing.sketch import Sketch

MOST_QUERIES = 1000


class Detr(Adapter):
    """Boxes [N, Q, 4] as centre x, centre y, width, height, mostly from 0 to 1, and class scores [N, Q, C]; or one
    output [N, Q, 4+C] of both; or the best queries: labels [N, Q], corners [N, Q, 4] in pixels, scores [N, Q].

    C labels: each class has a sigmoid of its own (Deformable DETR, RT-DETR, D-FINE, RF-DETR). C+1 scores: softmax, and
    the last is "no object" (DETR). Each query finds its own object, so there is no suppression. Pictures are stretched.
    Source: Carion et al., ECCV 2020 (DETR); Zhao et al., CVPR 2024 (RT-DETR; Ultralytics exports it with one output);
    Peng et al., ICLR 2025 (D-FINE; its export gives the best queries, scaled by a second input, see second_input.py);
    roboflow/rf-detr, whose export calls its outputs dets and labels.
    """

    name = "detr"
    task = Task.DETECTION
    layout = (
        "boxes [N, Q, 4] cx, cy, w, h and scores [N, Q, C] or, with no-object last, [N, Q, C+1]; or one [N, Q, 4+C]; "
        "or labels [N, Q], corners [N, Q, 4], scores [N, Q]"
    )
    preprocess = "zero-one"
    resize: Resize = "stretch"
    stride = 32
    dense = False
    iou = 1.0

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find boxes and scores of at most 1000 queries."""
        read = {1: self._read_joint, 3: self._read_best}.get(len(probe.outputs), self._read_pair)
        reading = read(probe, choices)
        if reading.shapes[0][1] > MOST_QUERIES and choices.adapter != self.name:
            raise WrongShapeError(
                f"{reading.shapes[0][1]} rows are too many for queries, of which there are at most {MOST_QUERIES}"
            )
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Corners in pixels, probabilities."""
        if len(values) == 3:
            boxes, labels, best = values
            return {"boxes": draw_boxes(sketch, boxes, reading), "scores": _spread(sketch, labels, best, reading)}
        boxes, scores = values if len(values) == 2 else _split(sketch, values[0])
        return {"boxes": draw_boxes(sketch, boxes, reading), "scores": draw_scores(sketch, scores, reading)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Corners in pixels, probabilities."""
        if len(values) == 3:
            boxes, labels, best = values
            spread = np.where(np.arange(reading.classes) == labels[..., None], floats(best)[..., None], 0)
            return {"boxes": decode_boxes(boxes, height, width, reading), "scores": spread}
        boxes, scores = values if len(values) == 2 else (values[0][..., :4], values[0][..., 4:])
        return {"boxes": decode_boxes(boxes, height, width, reading), "scores": decode_scores(scores, reading)}

    def _read_pair(self, probe: Probe, choices: Choices) -> Reading:
        names = read_boxes_and_scores(probe)
        background = _find_no_object(probe, names[1], choices)
        reading = read_scores(reading_of(probe, names), probe, names[1], choices, background)
        return self._read_form(read_unit(reading, probe.every(names[0]), choices), names[0], probe, choices)

    def _read_best(self, probe: Probe, choices: Choices) -> Reading:
        """Read the best queries: their labels are numbers, and each may occur with several labels."""
        names = find_best(probe)
        if names is None:
            read_boxes_and_scores(probe)  # says what else it is
            raise WrongShapeError("the outputs are not labels [N, Q], boxes [N, Q, 4] and scores [N, Q]")
        if probe.best_of is not None:
            check_classes(probe.best_of, choices)
        highest = int(probe.every(names[1]).max())
        if highest >= choices.classes:
            raise WrongShapeError(f"its class {highest} occurs but there are only {choices.classes} labels")
        scores = probe.every(names[2])
        if scores.min() < 0 or scores.max() > 1:
            raise Misfit("its scores are not between 0 and 1")
        reading = replace(read_unit(reading_of(probe, names), probe.every(names[0]), choices), classes=choices.classes)
        form = tell_form(names[0], probe.every(names[0]), reading, probe, choices)
        if form == "centres" and choices.form is None:
            raise Misfit("its boxes are centres and sizes, but the best queries have corners (--boxes decides)")
        return replace(reading, form=form or "corners", notes=(*reading.notes, f"boxes are {form or 'corners'}"))

    def _read_joint(self, probe: Probe, choices: Choices) -> Reading:
        """Read one output: RT-DETR as Ultralytics exports it, boxes as shares, and sigmoids."""
        reading = read_one(probe, "[N, Q, 4+C]", lambda shape: len(shape) == 3 and shape[2] > 4)
        check_classes(reading.shapes[0][2] - 4, choices)
        name = reading.outputs[0]
        rows = probe.every(name)
        if rows[..., 4:].min() < 0 or rows[..., 4:].max() > 1:
            raise Misfit("its last numbers are not between 0 and 1, so they are not probabilities of classes")
        unit = read_unit(reading, rows[..., :4], choices)
        return self._read_form(unit, name, probe, choices)

    def _read_form(self, reading: Reading, name: str, probe: Probe, choices: Choices) -> Reading:
        boxes = probe.every(name)[..., :4]
        form = tell_form(name, boxes, reading, probe, choices)
        if form is None and choices.adapter != self.name:
            raise Misfit(
                "its boxes may be corners or centres and sizes; choose with --boxes corners or --boxes centres"
            )
        if form == "corners" and choices.form is None:
            raise Misfit("its boxes are xyxy corners, not centres and sizes (--boxes decides)")
        if form == "corners" and choices.adapter != self.name:
            raise Misfit("--boxes says that its boxes are corners")
        return replace(reading, form=form or "centres", notes=(*reading.notes, f"boxes are {form or 'centres'}"))


def _find_no_object(probe: Probe, name: str, choices: Choices) -> Background:
    """Whether the last class is "no object": there is one class more than labels, and most queries choose the last."""
    scores = probe.every(name)
    if scores.shape[-1] != choices.classes + 1:
        check_classes(scores.shape[-1], choices)
        return "none"
    if float(np.mean(scores.argmax(axis=-1) == choices.classes)) < 0.5:
        raise Misfit(
            f"it has {choices.classes + 1} classes for {choices.classes} labels, but the last is not `no "
            "object`: label them all, unused ones too (COCO's numbers begin at 1)"
        )
    return "last"


def _spread(sketch: Sketch, labels: str, best: str, reading: Reading) -> str:
    """Draw scores [N, Q, C] from labels and scores [N, Q]: each query's score stands at its class, 0 elsewhere."""
    numbers = sketch.reshape(sketch.cast(labels, TensorProto.INT64), 0, -1, 1)
    is_class = sketch.op("Equal", numbers, np.arange(reading.classes, dtype=np.int64)[None, None])
    return sketch.op("Mul", sketch.cast(is_class, TensorProto.FLOAT), sketch.reshape(best, 0, -1, 1))


def _split(sketch: Sketch, rows: str) -> tuple[str, str]:
    return sketch.part(rows, 0, 4, axis=2), sketch.part(rows, 4, 0, axis=2)
