"""Open-set 1:K identification: is somebody in the gallery found, and is a stranger left alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.verification import find_threshold


@dataclass(frozen=True)
class Search:
    """Probes [N,D] with their people [N] against a gallery [K,D] of one template a person; unit vectors."""

    gallery: NDArray[np.floating]
    gallery_people: NDArray[np.integer]
    probes: NDArray[np.floating]
    probe_people: NDArray[np.integer]


def split_search(vectors: NDArray[np.floating], people: NDArray[np.integer]) -> Search:
    """The first face of everyone with two or more is the gallery; their others and all single faces are probes.

    So those with one face are the strangers of an open-set search, and nobody is both.
    """
    first = np.zeros(len(people), bool)
    first[np.unique(people, return_index=True)[1]] = True
    gallery = first & (np.bincount(people)[people] > 1)
    return Search(vectors[gallery], people[gallery], vectors[~gallery], people[~gallery])


def measure_rank_one(search: Search) -> float:
    """Closed-set: the share of probes of people in the gallery whose nearest template is their own."""
    known = np.isin(search.probe_people, search.gallery_people)
    nearest = (search.probes[known] @ search.gallery.T).argmax(axis=1)
    return float(np.mean(search.gallery_people[nearest] == search.probe_people[known]))


def measure_miss_rate(search: Search, false_positive_rate: float) -> float:
    """FNIR at FPIR (ISO/IEC 19795-1): the share of known probes not named first, or named below the threshold.

    The threshold is the lowest that at most this share of strangers' searches reaches.
    """
    similarities = search.probes @ search.gallery.T
    best = similarities.max(axis=1)
    known = np.isin(search.probe_people, search.gallery_people)
    threshold = find_threshold(best[~known], false_positive_rate)
    right = search.gallery_people[similarities.argmax(axis=1)] == search.probe_people
    return float(np.mean(~(right & (best >= threshold))[known]))
