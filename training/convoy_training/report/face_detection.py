"""Report on face detection: precision and recall by size, and the pictures with the most mistakes."""

from __future__ import annotations

import numpy as np
from convoy.core.manifest import first_given
from convoy.faces.task import DETECTION_THRESHOLD

from convoy_training.data.face_pictures import Picture
from convoy_training.metrics.face_detection import Found
from convoy_training.metrics.precision import Boxes, measure_precision
from convoy_training.report.boxes import KEY, draw_boxes, match
from convoy_training.report.charts import Line, draw_lines
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.face_detection import SMALLEST_PX, Config, describe, find_faces, load_pictures

WORST = 8


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The precision-recall curves, and the worst pictures at the service's threshold."""
    manifest = describe(config).preview()
    pictures = load_pictures(config, split)
    found = [find_faces(predict, picture.decode_as_served(), manifest) for picture in pictures]
    boxes = [Boxes(f.boxes_xyxy, np.zeros(len(f.scores), int), f.scores) for f in found]
    curves = []
    for smallest in SMALLEST_PX:
        truth = [
            Boxes(p.boxes_xyxy, np.zeros(len(p.boxes_xyxy), int), ignored=p.ignored | (measure_sides(p) < smallest))
            for p in pictures
        ]
        precision = measure_precision(boxes, truth, ("face",))[0, :, 0]
        curves.append(Line(f"faces of {smallest} pixels and more", np.linspace(0, 1, 101), precision))
    shots = sorted((judge(p, f, config) for p, f in zip(pictures, found, strict=True)), key=lambda shot: -shot[0])
    return [
        Section("Precision and recall", "At IoU 0.5. Smaller faces that are found count as wrong in these curves, "
                "not in the average precision above.", [draw_lines(curves, "recall", "precision")],
                card="From left to right the least score that counts falls: more faces are found, and more of what is "
                "found is wrong. Smaller faces that are found count as wrong here, not in the table."),
        Section("Pictures with the most mistakes", KEY, shots=[shot for count, shot in shots[:WORST] if count]),
    ]  # fmt: skip


def measure_sides(picture: Picture) -> np.ndarray:
    """The shorter side of each box, in pixels."""
    sides: np.ndarray = (picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]).min(axis=1, initial=np.inf)
    return sides


def judge(picture: Picture, found: Found, config: Config) -> tuple[int, Shot]:
    """The number of mistakes that the service would make on a picture, and the picture that shows them."""
    kept = found.scores >= first_given(config.thresholds.detection, DETECTION_THRESHOLD)
    matches = match(found.boxes_xyxy[kept], picture.boxes_xyxy)
    missed = ~matches.truth_found & ~picture.ignored & (measure_sides(picture) >= min(SMALLEST_PX))
    right = matches.of_found >= 0
    image = draw_boxes(picture.decode(), found.boxes_xyxy[kept], right, picture.boxes_xyxy[missed])
    caption = f"{kept.sum()} found, {(~right).sum()} of them wrong; {missed.sum()} missed"
    return int((~right).sum() + missed.sum()), Shot(caption, image)
