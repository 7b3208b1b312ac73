"""Report on detection: precision and recall, confusions at the service's threshold, pictures with the most mistakes."""

from __future__ import annotations

import numpy as np

from convoy_training.detecting.config import Config, load_split
from convoy_training.detecting.measuring import find_objects, find_truth
from convoy_training.metrics.detection_threshold import THRESHOLDS, measure_f1
from convoy_training.metrics.precision import evaluate_boxes, read_precision
from convoy_training.report.boxes import KEY, draw_boxes, match
from convoy_training.report.charts import Line, draw_lines, draw_matrix
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict

WORST = 8


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The precision-recall curves at IoU 0.5, average precision by IoU, confusions, and the worst pictures."""
    data = load_split(config, split)
    truth = [find_truth(example) for example in data.examples]
    evaluation = evaluate_boxes(find_objects(predict, config, split, 0.001), truth, data.classes)
    precision, f1 = read_precision(evaluation), measure_f1(evaluation)
    threshold = f1.choose() if config.detection_threshold is None else config.detection_threshold
    by_score = [
        Line(f"{name} {f1.f1[:, i].max():.3f}", THRESHOLDS, f1.f1[:, i])
        for i, name in enumerate(data.classes) if not np.isnan(f1.f1[0, i])
    ]  # fmt: skip
    by_score.append(Line(f"mean {f1.mean.max():.3f}", THRESHOLDS, f1.mean))
    recall, known = np.linspace(0, 1, 101), precision[0].max(0) > -1
    curves = [
        Line(f"{name} {precision[0, :, i].mean():.3f}", recall, precision[0, :, i])
        for i, name in enumerate(data.classes) if known[i]
    ]  # fmt: skip
    by_overlap = Line("", np.linspace(0.5, 0.95, 10), precision[:, :, known].mean((1, 2)))
    found = find_objects(predict, config, split, threshold)
    confusion, judged = np.zeros((len(data.classes) + 1,) * 2, int), []
    for example, boxes in zip(data.examples, found, strict=True):
        matches = match(boxes.boxes_xyxy, example.boxes_xyxy)
        right = matches.of_found >= 0
        right[right] = example.labels[matches.of_found[right]] == boxes.labels[right]
        for owner, label in zip(matches.of_found, boxes.labels, strict=True):
            confusion[example.labels[owner] if owner >= 0 else -1, label] += 1
        missed = ~matches.truth_found
        confusion[:, -1] += np.bincount(example.labels[missed], minlength=len(confusion))
        mistakes = int((~right).sum() + missed.sum())
        if mistakes:
            judged.append((mistakes, example, boxes, right, missed))
    judged.sort(key=lambda one: -one[0])
    shots = []
    for _, example, boxes, right, missed in judged[:WORST]:
        image = draw_boxes(example.decode().image_rgb, boxes.boxes_xyxy, right, example.boxes_xyxy[missed])
        caption = (
            f"{example.photo.name}: {len(boxes.labels)} found, {(~right).sum()} of them wrong; {missed.sum()} missed"
        )
        shots.append(Shot(caption, image))
    names = [*data.classes, "nothing"]
    return [
        Section("Precision and recall", "At IoU 0.5 by class, with average precision; and the mean AP by IoU.",
                [draw_lines(curves, "recall", "precision"), draw_lines([by_overlap], "IoU", "mean average precision")],
                card="From left to right the least score that counts falls: more objects are found, and more of what "
                "is found is wrong. Boxes are matched at IoU 0.5; the legend gives average precision."),
        Section("Detection threshold", f"F1 by the least score that counts, at IoU 0.5. The classes' mean is best "
                f"from {f1.choose():.2f} on; the service's default is {threshold:.2f}.",
                [draw_lines(by_score, "detection threshold", "F1")],
                card=f"F1 by the least score that counts. The service shows objects from {threshold:.2f} on unless you "
                "ask otherwise; the legend gives the best F1 of each class."),
        Section("Confusions", f"At the service's threshold of {threshold}, boxes matched at IoU 0.5.",
                [draw_matrix(confusion, names, "objects")],
                card=f"Each row is a class, each column an answer, at the service's threshold of "
                f"{threshold}: the last column was missed, the last row is found where nothing is."),
        Section("Pictures with the most mistakes", KEY, shots=shots),
    ]  # fmt: skip
