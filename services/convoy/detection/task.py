"""Pixels to objects, without any RPC: the same code serves and evaluates."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import Manifest, first_given
from convoy.core.models.engine import Outputs
from convoy.core.models.occlusion import Target
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.geometry import Floats, box_to_canvas, boxes_to_picture, compute_iou
from convoy.core.pictures.resizing import Placement, place
from convoy.core.pictures.run_lengths import RunLengths
from convoy.core.pictures.suppression import suppress
from convoy.detection.masks import cut_masks
from convoy.detection.points import Point, place_points

DETECTION_THRESHOLD = 0.25
IOU_THRESHOLD = 0.5
_CANDIDATES = 5000


@dataclass(frozen=True)
class Options:
    """Which boxes to keep. None takes the manifest's value; `labels` restricts the classes, and empty allows all.

    masks: also cut out each object; the model must give masks.
    """

    detection_threshold: float | None = None
    iou_threshold: float | None = None
    max_detections: int = 300
    labels: Collection[str] = ()
    masks: bool = False


@dataclass(frozen=True)
class Detection:
    """One object; its box in pixels of the picture that was sent, clipped to it.

    mask: its pixels, all in the box; None if nobody asked. points: in the manifest's order; empty if there are none.
    """

    box_xyxy: tuple[float, float, float, float]
    index: int
    label: str
    score: float
    mask: RunLengths | None = None
    points: tuple[Point, ...] = ()


def prepare(picture: Picture, manifest: Manifest) -> tuple[Pixels, Placement]:
    """The graph's input [H, W, 3] for a picture, and where the picture lies in it."""
    return place(picture.image_rgb, manifest.input)


def threshold(manifest: Manifest, options: Options) -> float:
    """The lowest score of an answer: the caller's, the manifest's, or DETECTION_THRESHOLD."""
    return first_given(options.detection_threshold, manifest.thresholds.detection, DETECTION_THRESHOLD)


def interpret(
    outputs: Outputs, placement: Placement, picture: Picture, manifest: Manifest, options: Options = Options()
) -> list[Detection]:
    """Return the objects, best first. outputs: one row: boxes [A, 4] in pixels of the graph's input, scores [A, C].

    Raises InvalidArgument(ANSWER_TOO_LARGE) if the masks that the options ask for have too many pixels together.
    """
    boxes, scores = np.asarray(outputs["boxes"], np.float32), np.asarray(outputs["scores"], np.float32)
    anchors, classes = np.nonzero(scores >= threshold(manifest, options))
    if options.labels:
        wanted = [manifest.labels.index(label) for label in options.labels]
        chosen = np.isin(classes, wanted)
        anchors, classes = anchors[chosen], classes[chosen]
    confidence = scores[anchors, classes]
    if len(confidence) > _CANDIDATES:
        best = np.argpartition(-confidence, _CANDIDATES)[:_CANDIDATES]
        anchors, classes, confidence = anchors[best], classes[best], confidence[best]
    iou_threshold = first_given(options.iou_threshold, manifest.thresholds.iou, IOU_THRESHOLD)
    kept = suppress(boxes[anchors], confidence, classes, iou_threshold, options.max_detections)
    rows = anchors[kept].astype(np.int64)
    edges = boxes_to_picture(boxes[rows], placement, picture)
    masks = cut_masks(outputs, rows, placement, picture, manifest) if options.masks else [None] * len(rows)
    points = place_points(outputs, rows, placement, picture, manifest)
    return [
        Detection((x0, y0, x1, y1), int(index), manifest.labels[index], float(score), mask, marks)
        for (x0, y0, x1, y1), index, score, mask, marks in zip(
            edges.tolist(), classes[kept], confidence[kept], masks, points, strict=True
        )
    ]


@dataclass(frozen=True)
class Aimed(Target):
    """What is explained; its place in pixels of the picture that was sent."""

    place_xyxy: tuple[float, float, float, float]


def aim(
    outputs: Outputs, placement: Placement, picture: Picture, index: int | None = None, place_xyxy: Floats | None = None
) -> Aimed:
    """What to explain: a label (None: the best) at a place [4] of the picture (None: where that label scores best).

    Its score is the best over all boxes of score times intersection over union with the place, as in D-RISE (Petsiuk et
    al., CVPR 2021). Raises FailedPrecondition(NOTHING_TO_EXPLAIN), InvalidArgument(BAD_ARGUMENT).
    """
    boxes, scores = np.asarray(outputs["boxes"], np.float32), np.asarray(outputs["scores"], np.float32)
    if not len(boxes):
        raise FailedPrecondition("NOTHING_TO_EXPLAIN", "the network answers no box for this picture")
    if place_xyxy is None:
        chosen = scores if index is None else scores[:, [index]]
        anchor, column = np.unravel_index(int(chosen.argmax()), chosen.shape)
        place, label = boxes[anchor], int(column) if index is None else index
    else:
        place = box_to_canvas(place_xyxy, placement, picture)
        fits = compute_iou(place, boxes)[:, None] * scores
        label = int(fits.max(axis=0).argmax()) if index is None else index

    def measure(row: Outputs) -> float:
        found = np.asarray(row["boxes"], np.float32)
        fits = compute_iou(place, found) * np.asarray(row["scores"], np.float32)[:, label]
        return float(fits.max(initial=0.0))

    x0, y0, x1, y1 = boxes_to_picture(place[None], placement, picture)[0].tolist()
    return Aimed(label, measure, (x0, y0, x1, y1))
