"""Detectors with decoded boxes and scores in two outputs, of the SSD kind."""

from collections.abc import Sequence
from dataclasses import replace

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Misfit,
    Probe,
    Reading,
    Resize,
    check_classes,
    reading_of,
)
from convoy.importing.adapters.detection.detr import MOST_QUERIES
from convoy.importing.adapters.detection.pairs import (
    decode_boxes,
    draw_boxes,
    read_boxes_and_scores,
    read_unit,
    tell_form,
)
from convoy.importing.adapters.scores import Background, decode_scores, draw_scores, read_scores
from convoy.importing.sketch import Sketch


class Ssd(Adapter):
    """Boxes [N, A, 4] xyxy, decoded, in input pixels or as shares of the input; scores [N, A, C] or [N, A, 1+C].

    Scores are probabilities or logits; if there is one more than labels, the first class is the background. Source:
    Liu et al., SSD, ECCV 2016 (background as class 0, boxes as shares of the picture), and the exports that follow it.
    """

    name = "ssd"
    task = Task.DETECTION
    layout = "boxes [N, A, 4] xyxy in pixels or 0..1, scores [N, A, C] or, with a background first, [N, A, 1+C]"
    preprocess = "zero-one"
    resize: Resize = "letterbox"
    stride = 32
    dense = False

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find boxes and scores. The user or the numbers tell shares from pixels, and logits from probabilities."""
        names = read_boxes_and_scores(probe)
        classes = probe.outputs[names[1]].shape[2]
        has_background = classes == choices.classes + 1
        check_classes(classes - has_background, choices)
        background: Background = "first" if has_background else "none"
        reading = read_scores(reading_of(probe, names), probe, names[1], choices, background)
        reading = read_unit(reading, probe.every(names[0]), choices)
        form = tell_form(names[0], probe.every(names[0]), reading, probe, choices)
        if form is None and choices.adapter != self.name:
            raise Misfit(
                "its boxes may be corners or centres and sizes; choose with --boxes corners or --boxes centres"
            )
        if form == "centres" and choices.adapter != self.name and reading.shapes[0][1] <= MOST_QUERIES:
            raise Misfit("its boxes are centres and sizes, not xyxy corners (--boxes decides)")
        return replace(reading, form=form or "corners", notes=(*reading.notes, f"boxes are {form or 'corners'}"))

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes in pixels, scores without the background."""
        boxes, scores = values
        return {"boxes": draw_boxes(sketch, boxes, reading), "scores": draw_scores(sketch, scores, reading)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Boxes in pixels, scores without the background."""
        boxes, scores = values
        return {"boxes": decode_boxes(boxes, height, width, reading), "scores": decode_scores(scores, reading)}
