"""Judges whether two faces are one person, by listed pairs in folds as in LFW, and by all pairs of held-out people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convoy_training.data import identities
from convoy_training.metrics import verification
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.metrics.resampling import (
    SAMPLES,
    Comparisons,
    Resampled,
    compare_all,
    measure_rates,
    resample_pairs,
)
from convoy_training.protocols.subject import Judged, Outcome, group_faces
from convoy_training.report.charts import Line, draw_bars, draw_histograms, draw_lines
from convoy_training.report.face_embedding import count_errors, show_pairs
from convoy_training.report.page import Section
from convoy_training.task import Metric

RATES = (1e-2, 1e-3, 1e-4)
GROUP_RATE = 1e-3
"""The false match rate at which groups of faces are compared with each other."""


def judge_listed_pairs(
    faces: identities.Faces,
    vectors: np.ndarray,
    pairs: identities.Pairs,
    dataset: str,
    split: str,
    faceless: np.ndarray | None = None,
) -> Outcome:
    """Judges listed pairs in folds: accuracy at the threshold of the other folds, TAR@FAR, EER, ROC, the worst pairs.

    A pair with a photo without a face (`faceless` [N]) does not match at any threshold (ISO/IEC 19795-1), since leaving
    it out would flatter the detector.
    """
    similarities = (vectors[pairs.first] * vectors[pairs.second]).sum(axis=1)
    if faceless is not None:
        similarities[faceless[pairs.first] | faceless[pairs.second]] = -1.0
    compared = Comparisons(similarities, faces.labels[pairs.first], faces.labels[pairs.second], pairs.same)
    count, folds = len(similarities), np.unique(pairs.fold)

    def measure(rows: np.ndarray) -> dict[str, float]:
        return {"accuracy": verification.measure_accuracy(similarities[rows], pairs.same[rows], pairs.fold[rows])}

    condition = f"mean of {len(folds)} folds, each at the threshold that is best on the others; interval by people"
    interval = resample_pairs(measure, (compared.first, compared.second), pairs.same, pairs.fold)["accuracy"]
    value = measure(np.arange(count))["accuracy"]
    metrics = [Metric("pair_accuracy", value, dataset, split, count, interval, condition)]
    curves, sections = [], []
    summary, roc = _summarise(compared, dataset, split)
    metrics += summary
    curves.append(roc)
    shots = [*show_pairs(faces, pairs, similarities, same=True), *show_pairs(faces, pairs, similarities, same=False)]
    groups = [("one person", compared.genuine), ("two people", compared.impostors)]
    sections.append(Section(f"{dataset}: ROC and similarities", f"{count} pairs of {split}.",
                            [_draw_roc([roc]), draw_histograms(groups, "similarity")]))  # fmt: skip
    note = "The least similar pairs of one person, then the most similar of two."
    return Outcome(metrics, curves, [*sections, Section(f"{dataset}: worst pairs", note, shots=shots)])


def judge_all_pairs(judged: Judged, dataset: str) -> Outcome:
    """Judges every pair of held-out faces: TAR@FAR with intervals by people, ROC, EER, errors by quality and pose."""
    labels = judged.faces.labels
    compared = compare_all(judged.vectors, labels)
    split = f"all pairs of {len(labels)} faces of {len(judged.faces.people)} held-out people"
    metrics, roc = _summarise(compared, dataset, split)
    rows, columns = np.triu_indices(len(labels), 1)
    rows, columns = rows[compared.same], columns[compared.same]
    quality, frontality = (np.minimum(v[rows], v[columns]) for v in (judged.quality, judged.frontality))
    groups = {name: chosen for name, chosen in group_faces(quality, frontality).items() if chosen.any()}
    resampled = Resampled(compared)

    def measure(people: np.ndarray) -> dict[str, float]:
        draw = resampled.draw(people)
        threshold = draw.find_threshold(GROUP_RATE)
        return {name: 1 - draw.measure_true_match_rate(threshold, chosen) for name, chosen in groups.items()}

    values, intervals = measure(np.arange(resampled.people)), bootstrap(measure, resampled.people, samples=SAMPLES)
    metrics += [
        Metric("fnmr_at_fmr_1e-3", value, dataset, split, int(groups[name].sum()), intervals[name],
               f"genuine pairs whose poorer face is of {name}; interval by people")
        for name, value in values.items()
    ]  # fmt: skip
    names = [f"{name} ({chosen.sum()} pairs)" for name, chosen in groups.items()]
    note = (
        f"{split}. The share of genuine pairs turned away at a false match rate of {GROUP_RATE:g}, by the poorer face."
    )
    charts = [_draw_roc([roc]), draw_bars(names, [*values.values()], "false non-match rate")]
    return Outcome(metrics, [roc], [Section(f"{dataset}: all pairs, by quality and pose", note, charts)])


def _summarise(compared: Comparisons, dataset: str, split: str) -> tuple[list[Metric], Line]:
    thresholds = np.unique(np.quantile(compared.similarities, np.linspace(0, 1, 2000)))
    extreme = np.sort(compared.impostors)[-500:]
    matched, missed = count_errors(compared.genuine, compared.impostors, np.union1d(thresholds, extreme))
    roc = Line(f"{dataset}, {split}: true match rate against false match rate", matched[::-1], 1 - missed[::-1])
    error = verification.measure_equal_error_rate(compared.genuine, compared.impostors)
    metrics = [*_list_rates(compared, dataset, split)]
    resampled = Resampled(compared)

    def measure(people: np.ndarray) -> dict[str, float]:
        return {"error": resampled.draw(people).measure_equal_error_rate()}

    interval = bootstrap(measure, resampled.people, samples=SAMPLES)["error"]
    metrics.append(Metric("equal_error_rate", error, dataset, split, len(compared.similarities), interval,
                          "interval by people"))  # fmt: skip
    return metrics, roc


def _list_rates(compared: Comparisons, dataset: str, split: str) -> Iterator[Metric]:
    for rate, count in measure_rates(compared, RATES):
        name = f"tar_at_far_{rate.false_match_rate:.0e}".replace("e-0", "e-")
        condition = (
            f"similarity {rate.threshold:.4f}, {len(compared.impostors):,} pairs of two people; interval by people"
        )
        yield Metric(name, rate.true_match_rate, dataset, split, count, rate.interval, condition)


def _draw_roc(lines: Sequence[Line]) -> str:
    shown = [Line(line.label.split(":")[0], line.x[line.x > 0], line.y[line.x > 0]) for line in lines]
    return draw_lines(shown, "false match rate", "true match rate", log_x=True, steps=True)
