"""Measures an embedder on people that it was not trained on: by pairs, by search, and with the poorest faces refused.

Each measure is a `Judgement`: its name, its value, the data and its number of samples, the 95 % interval, and what the
interval resamples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from convoy.faces.quality import FaceQuality, assess_quality

from convoy_training.data import identities
from convoy_training.metrics import identification, verification
from convoy_training.metrics.bootstrap import Interval, bootstrap
from convoy_training.metrics.found import measure_found
from convoy_training.metrics.rejection import measure_miss_after_rejection
from convoy_training.metrics.resampling import SAMPLES, Resampled, compare_all, measure_rates, resample_pairs

Judgement = tuple[str, float, str, int, Interval, str]
FALSE_MATCH_RATE = 1e-3
"""The rate at which quality is judged."""
FOUND_PEOPLE = 400
FOUND_RATES = {1: (1e-2, 5e-2), 3: (1e-2,)}
"""By the number of photos enrolled, the shares of strangers named at which known people are counted; the first is what
an embedder is compared by."""


def judge_pairs(vectors: np.ndarray, labels: np.ndarray, pairs: identities.Pairs) -> Iterator[Judgement]:
    """Measures accuracy and error rates of listed pairs."""
    similarities = (vectors[pairs.first] * vectors[pairs.second]).sum(axis=1)
    people = labels[pairs.first], labels[pairs.second]

    def measure(rows: np.ndarray) -> dict[str, float]:
        genuine, impostors = split_pairs(similarities, pairs, rows)
        return {
            "pair_accuracy": verification.measure_accuracy(similarities[rows], pairs.same[rows], pairs.fold[rows]),
            "tar_at_far_1e-2": verification.measure_true_match_rate(genuine, impostors, 1e-2),
            "equal_error_rate": verification.measure_equal_error_rate(genuine, impostors),
        }

    count = len(similarities)
    intervals = resample_pairs(measure, people, pairs.same, pairs.fold, samples=500)
    for name, value in measure(np.arange(count)).items():
        yield name, value, "pairs of held-out people", count, intervals[name], "interval by people"


def split_pairs(similarities: np.ndarray, pairs: identities.Pairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The similarities of the genuine and of the impostor pairs in these rows."""
    chosen, same = similarities[rows], pairs.same[rows]
    return chosen[same], chosen[~same]


def judge_found(vectors: np.ndarray, labels: np.ndarray) -> Iterator[Judgement]:
    """Measures how many known people a gallery finds while some strangers are named, if there are enough people."""
    for photos, rates in FOUND_RATES.items():
        found = measure_found(vectors, labels, FOUND_PEOPLE, photos)
        if found is None:
            return
        split = f"held-out people, {FOUND_PEOPLE} enrolled, {photos} {'photo' if photos == 1 else 'photos'} each"
        told = f"{found.stranger_photos} photos of {found.strangers} strangers; interval by galleries and people"
        for rate in rates:
            name = f"found_at_fpir_{rate:.0e}".replace("e-0", "e-") + ("" if photos == 1 else f"_with_{photos}_photos")
            yield name, found.shares[rate], split, found.probes, found.intervals[rate], told


def judge_people(vectors: np.ndarray, labels: np.ndarray) -> Iterator[Judgement]:
    """Measures rates for which the official pairs are too few: over all pairs of faces, and in an open-set search."""
    split = f"all pairs of {len(labels)} faces of {labels.max() + 1} held-out people"
    for rate, count in measure_rates(compare_all(vectors, labels), (1e-2, 1e-3, 1e-4)):
        name = f"all_pairs_tar_at_far_{rate.false_match_rate:.0e}".replace("e-0", "e-")
        yield name, rate.true_match_rate, split, count, rate.interval, "interval by people"
    gallery = identification.choose_gallery(labels)
    probes = np.setdiff1d(np.arange(len(labels)), gallery)
    searched = identification.search(vectors, labels, gallery, probes)
    intervals = identification.measure_intervals(searched)
    split = f"held-out people, one photo each of {len(gallery)} enrolled, the others and strangers as probes"
    for name, value in identification.measure_search(searched).items():
        yield name, value, split, len(probes), intervals[name], "interval by people, with one gallery"


def judge_quality(vectors: np.ndarray, faces: identities.Faces) -> Iterator[Judgement]:
    """The false non-match rate at FMR 1e-3 if genuine pairs of poor quality, as the service sees it, are refused."""
    quality = np.array([quality.score for quality in assess_faces(faces)])
    genuine, pair_quality, _ = pair_with_quality(vectors, faces.labels, quality)
    resampled = Resampled(compare_all(vectors, faces.labels))
    names = {f"fnmr_rejecting_{rejected:.0%}".replace("%", "_percent"): rejected for rejected in (0.0, 0.1, 0.3)}

    def measure(people: np.ndarray) -> dict[str, float]:
        draw = resampled.draw(people)
        threshold, weights = draw.find_threshold(FALSE_MATCH_RATE), draw.weights
        return {
            name: measure_miss_after_rejection(genuine, pair_quality, threshold, rejected, weights)
            for name, rejected in names.items()
        }

    intervals = bootstrap(measure, resampled.people, samples=SAMPLES)
    for name, value in measure(np.arange(resampled.people)).items():
        split = f"genuine pairs of held-out people at FMR 1e-3, the poorest {names[name]:.0%} refused by quality"
        yield name, value, split, len(genuine), intervals[name], "interval by people, threshold anew in each draw"


def assess_faces(faces: identities.Faces) -> list[FaceQuality]:
    """The service's quality of held-out faces. The data has landmarks but no detector's score, so that counts as 1."""
    known = {dataset: identities.read_landmarks(dataset) for dataset in {file.split("/")[0] for file in faces.files}}
    places = (file.split("/", 1) for file in faces.files)
    return [assess_quality(c, known[d][name], 1.0) for c, (d, name) in zip(faces.crops, places, strict=True)]


def pair_with_quality(
    vectors: np.ndarray, labels: np.ndarray, quality: np.ndarray, false_match_rate: float = FALSE_MATCH_RATE
) -> tuple[np.ndarray, np.ndarray, float]:
    """The similarity of each genuine pair, the quality of its poorer face, the threshold at the false-match rate."""
    rows, columns = np.triu_indices(len(labels), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], labels[rows] == labels[columns]
    threshold = verification.find_threshold(similarities[~same], false_match_rate)
    return similarities[same], np.minimum(quality[rows[same]], quality[columns[same]]), threshold
