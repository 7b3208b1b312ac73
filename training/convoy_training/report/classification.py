"""Report on classification: confusions, curves of each class, and the surest mistakes."""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.classification import (
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_confusion_matrix,
    multiclass_precision_recall_curve,
    multiclass_roc,
)

from convoy_training.report.charts import Line, draw_lines, draw_matrix
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.classification import Config, Split, load_split, predict_split

WORST = 24


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The confusion matrix, precision-recall and ROC curves of each class, and the worst mistakes."""
    data = load_split(config, split)
    found = predict_split(predict, config, split)
    mistakes = Section("Worst mistakes", "The wrong answers given with most confidence.", shots=show_worst(data, found))
    return [*show_answers(found, data.labels, data.classes), mistakes]


def show_answers(found: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> list[Section]:
    """The confusion matrix and the curves of each class; found: probabilities [N,C]; labels: [N]."""
    scores, truth, count = torch.from_numpy(found), torch.from_numpy(labels), len(classes)
    confusion = multiclass_confusion_matrix(scores, truth, count).numpy()
    precision, recall, _ = multiclass_precision_recall_curve(scores, truth, count)
    averages = multiclass_average_precision(scores, truth, count, average=None)
    false_positive, true_positive, _ = multiclass_roc(scores, truth, count)
    areas = multiclass_auroc(scores, truth, count, average=None)
    curves = [
        Line(f"{name} {average:.3f}", r.numpy()[::-1], p.numpy()[::-1])
        for name, p, r, average in zip(classes, precision, recall, averages, strict=True)
    ]
    characteristics = [
        Line(f"{name} {area:.4f}", f.numpy(), t.numpy())
        for name, f, t, area in zip(classes, false_positive, true_positive, areas, strict=True)
    ]
    return [
        Section("Confusions", "Each row is a class, each column an answer.",
                [draw_matrix(confusion, classes, "top-1 answers")],
                card="Each row is a class, each column an answer; the diagonal is right, the darker the oftener."),
        Section("Each class against the rest", "The legends give average precision, and the area under the ROC curve.",
                [draw_lines(curves, "recall", "precision", steps=True),
                 draw_lines(characteristics, "false positive rate", "true positive rate", steps=True)],
                card="Each class against the rest, as the least probability that counts falls from left to right; the "
                "further to the upper right, the better. The legend gives average precision."),
    ]  # fmt: skip


def show_worst(data: Split, found: np.ndarray) -> list[Shot]:
    """The pictures with wrong answers, the surest first; found: probabilities [N,C]."""
    labels, classes, answers = data.labels, data.classes, found.argmax(1)
    wrong = np.flatnonzero(answers != labels)
    worst = wrong[np.argsort(-found[wrong, answers[wrong]], kind="stable")][:WORST]
    sure = found[np.arange(len(found)), answers]
    return [
        Shot(
            f"{data.name_picture(i)}: {classes[labels[i]]}, taken for {classes[answers[i]]} with {sure[i]:.3f}",
            data.images[i : i + 1][0],
        )
        for i in worst.tolist()
    ]
