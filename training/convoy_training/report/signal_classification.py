"""Report on classification of signals: confusions, and curves of each class."""

from __future__ import annotations

from convoy_training.report.classification import show_answers
from convoy_training.report.page import Section
from convoy_training.task import Predict
from convoy_training.tasks.signal_classification import Config, load_split, predict_split


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The confusion matrix, precision-recall and ROC curves of each class."""
    data = load_split(config, split)
    return show_answers(predict_split(predict, config, split), data.labels, data.classes)
