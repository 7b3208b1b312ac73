"""What an embedder is worth on people it was not trained on: by pairs, by search, and with the poorest refused.

Every measure comes as name, value, what it was measured on, and on how much of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from convoy.faces.quality import FaceQuality, assess_quality

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
    quality = np.array([quality.score for quality in assess_faces(faces)])
    genuine, pair_quality, threshold = pair_with_quality(vectors, faces.labels, quality)
    for rejected in (0.0, 0.1, 0.3):
        value = measure_miss_after_rejection(genuine, pair_quality, threshold, rejected)
        split = f"genuine pairs of held-out people at FMR 1e-3, the poorest {rejected:.0%} refused by quality"
        yield f"fnmr_rejecting_{rejected:.0%}".replace("%", "_percent"), value, split, len(genuine)


def assess_faces(faces: identities.Faces) -> list[FaceQuality]:
    """The service's quality of held-out faces, of which the data give the landmarks but no detector's score."""
    known = {dataset: identities.read_landmarks(dataset) for dataset in {file.split("/")[0] for file in faces.files}}
    places = (file.split("/", 1) for file in faces.files)
    return [assess_quality(c, known[d][name], 1.0) for c, (d, name) in zip(faces.crops, places, strict=True)]


def pair_with_quality(
    vectors: np.ndarray, labels: np.ndarray, quality: np.ndarray, false_match_rate: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, float]:
    """All genuine pairs' similarities, the quality of each pair's poorer face, the threshold at a false-match rate."""
    rows, columns = np.triu_indices(len(labels), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], labels[rows] == labels[columns]
    threshold = verification.find_threshold(similarities[~same], false_match_rate)
    return similarities[same], np.minimum(quality[rows[same]], quality[columns[same]]), threshold
