"""Detectors of the DETR kind: a few hundred queries, each with a box around its centre."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

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
from convoy.importing.adapters.detection.pairs import (
    decode_boxes,
    draw_boxes,
    read_boxes_and_scores,
    read_unit,
    tell_form,
)
from convoy.importing.adapters.scores import Background, decode_scores, draw_scores, read_scores
from convoy.importing.sketch import Sketch

MOST_QUERIES = 1000


class Detr(Adapter):
    """Boxes [N, Q, 4] as centre x, centre y, width, height, mostly from 0 to 1, and class scores [N, Q, C]; or one
    output [N, Q, 4+C] of both.

    C labels: each class has a sigmoid of its own (Deformable DETR, RT-DETR, D-FINE, RF-DETR). C+1 scores: softmax, and
    the last is "no object" (DETR). Each query finds its own object, so there is no suppression. Pictures are stretched.
    Source: Carion et al., ECCV 2020 (DETR); Zhao et al., CVPR 2024 (RT-DETR; Ultralytics exports it with one output);
    Peng et al., ICLR 2025 (D-FINE); roboflow/rf-detr, whose export calls its outputs dets and labels.
    """

    name = "detr"
    task = Task.DETECTION
    layout = (
        "boxes [N, Q, 4] cx, cy, w, h and scores [N, Q, C] or, with no-object last, [N, Q, C+1]; or one [N, Q, 4+C]"
    )
    preprocess = "zero-one"
    resize: Resize = "stretch"
    stride = 32
    dense = False
    iou = 1.0

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find boxes and scores of at most 1000 queries."""
        reading = self._read_joint(probe, choices) if len(probe.outputs) == 1 else self._read_pair(probe, choices)
        if reading.shapes[0][1] > MOST_QUERIES and choices.adapter != self.name:
            raise WrongShapeError(
                f"{reading.shapes[0][1]} rows are too many for queries, of which there are at most {MOST_QUERIES}"
            )
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Corners in pixels, probabilities."""
        boxes, scores = values if len(values) == 2 else _split(sketch, values[0])
        return {"boxes": draw_boxes(sketch, boxes, reading), "scores": draw_scores(sketch, scores, reading)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Corners in pixels, probabilities."""
        boxes, scores = values if len(values) == 2 else (values[0][..., :4], values[0][..., 4:])
        return {"boxes": decode_boxes(boxes, height, width, reading), "scores": decode_scores(scores, reading)}

    def _read_pair(self, probe: Probe, choices: Choices) -> Reading:
        names = read_boxes_and_scores(probe)
        background = _find_no_object(probe, names[1], choices)
        reading = read_scores(reading_of(probe, names), probe, names[1], choices, background)
        return self._read_form(read_unit(reading, probe.every(names[0]), choices), names[0], probe, choices)

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


def _split(sketch: Sketch, rows: str) -> tuple[str, str]:
    return sketch.part(rows, 0, 4, axis=2), sketch.part(rows, 4, 0, axis=2)
