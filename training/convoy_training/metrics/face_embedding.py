"""What an embedder is worth on people it was not trained on: by pairs, by search, and with the poorest refused.

Every measure comes as name, value, what it was measured on, and on how much of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from convoy.faces.quality import assess_quality

from convoy_training.data import identities
from convoy_training.metrics import identification, verification
from convoy_training.metrics.rejection import measure_miss_after_rejection

Interval = tuple[float, float]


def judge_pairs(similarities: np.ndarray, pairs: identities.Pairs) -> Iterator[tuple[str, float, str, int, Interval]]:
    """Name, value, what it was measured on, how much of it, 95 % interval of each measure of the pairs."""
    measures = {
        "pair_accuracy": lambda r: verification.measure_accuracy(similarities[r], pairs.same[r], pairs.fold[r]),
        "tar_at_far_1e-2": lambda r: verification.measure_true_match_rate(*split_pairs(similarities, pairs, r), 1e-2),
        "equal_error_rate": lambda r: verification.measure_equal_error_rate(*split_pairs(similarities, pairs, r)),
    }
    count = len(similarities)
    for name, measure in measures.items():
        interval = verification.measure_interval(measure, count, samples=500)
        yield name, measure(np.arange(count)), "pairs of held-out people", count, interval


def split_pairs(similarities: np.ndarray, pairs: identities.Pairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The similarities of genuine and of impostor pairs among these rows."""
    chosen, same = similarities[rows], pairs.same[rows]
    return chosen[same], chosen[~same]


def judge_people(vectors: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, float, str, int]]:
    """Rates that the official pairs are too few for: over all pairs of faces, and of an open-set search."""
    rows, columns = np.triu_indices(len(labels), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], labels[rows] == labels[columns]
    split = f"all pairs of {len(labels)} faces of {labels.max() + 1} held-out people"
    for rate in (1e-2, 1e-3, 1e-4):
        value = verification.measure_true_match_rate(similarities[same], similarities[~same], rate)
        yield f"all_pairs_tar_at_far_{rate:.0e}".replace("e-0", "e-"), value, split, len(same)
    search = identification.split_search(vectors, labels)
    split = f"held-out people, one photo each of {len(search.gallery)} enrolled, the others and strangers as probes"
    yield "rank_1", identification.measure_rank_one(search), split, len(search.probes)
    for rate in (1e-1, 1e-2):
        value = identification.measure_miss_rate(search, rate)
        yield f"fnir_at_fpir_{rate:.0e}".replace("e-0", "e-"), value, split, len(search.probes)


def judge_quality(vectors: np.ndarray, faces: identities.Faces) -> Iterator[tuple[str, float, str, int]]:
    """The false non-match rate at FMR 1e-3 as the poorest genuine pairs, by the service's own quality, are refused."""
    landmarks = identities.read_landmarks("lfw")
    points = [landmarks[file.removeprefix("lfw/")] for file in faces.files]
    quality = np.array([assess_quality(c, p, 1.0).score for c, p in zip(faces.crops, points, strict=True)])
    rows, columns = np.triu_indices(len(quality), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], faces.labels[rows] == faces.labels[columns]
    threshold = verification.find_threshold(similarities[~same], 1e-3)
    pair_quality = np.minimum(quality[rows[same]], quality[columns[same]])
    for rejected in (0.0, 0.1, 0.3):
        value = measure_miss_after_rejection(similarities[same], pair_quality, threshold, rejected)
        split = f"genuine pairs of held-out people at FMR 1e-3, the poorest {rejected:.0%} refused by quality"
        yield f"fnmr_rejecting_{rejected:.0%}".replace("%", "_percent"), value, split, int(same.sum())
