"""How many known people a search finds while a given share of strangers is named: what users of a gallery notice.

A gallery of K people is drawn, with one photo or three of each. Everybody else is a stranger, with every photo. A known
person is found if the nearest person is the right one, at or above the threshold that the share of strangers sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval, find_interval
from convoy_training.metrics.verification import find_threshold

RATES = (1e-3, 1e-2, 5e-2)
"""The shares of strangers who are named."""
SIZES = (50, 100, 200, 400, 600, 1000)
PHOTOS = (1, 3)
FEWEST_STRANGERS = 200
"""People. Of fewer held-out people than these and the smallest gallery, half are enrolled (`choose_sizes`)."""
FEWEST_PEOPLE = 20
DRAWS = 5
SAMPLES = 200

Rows = NDArray[np.integer]


@dataclass(frozen=True)
class Draw:
    """One gallery, searched: of each probe [P] its person, its best similarity, and whether that is the right person.

    known: whether the probe's person is in the gallery.
    """

    person: Rows
    best: NDArray[np.floating]
    right: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def measure(self, known: Rows, strangers: Rows) -> dict[float, float]:
        """The share of these probes of known people that are found, by the share of these strangers who are named."""
        return {
            rate: float(np.mean(self.right[known] & (self.best[known] >= find_threshold(self.best[strangers], rate))))
            for rate in RATES
        }


@dataclass(frozen=True)
class Found:
    """The shares of known people found, by rate, with 95 % intervals by galleries and people.

    probes, strangers, stranger_photos: on how many of each the last draw was counted.
    """

    people: int
    photos: int
    shares: Mapping[float, float]
    intervals: Mapping[float, Interval]
    probes: int
    strangers: int
    stranger_photos: int


def choose_sizes(people: int) -> tuple[Sequence[int], int]:
    """The sizes of galleries that so many held-out people allow, and how many strangers must be left at least."""
    if FEWEST_PEOPLE <= people < SIZES[0] + FEWEST_STRANGERS:
        return (people // 2,), people - people // 2
    return SIZES, FEWEST_STRANGERS


def measure_found(
    vectors: NDArray[np.floating], labels: Rows, people: int, photos: int, strangers: int = FEWEST_STRANGERS
) -> Found | None:
    """Measures galleries of so many people; None if fewer than `strangers` would be left.

    labels: the person of each of the unit vectors [N,D]. Only people with more photos than the most that are enrolled
    (`PHOTOS`) are searched for, so that one photo and three are judged by the same probes; others fill the gallery with
    one photo each. A rate that is less than one of the strangers' photos is left out.
    """
    counts = np.bincount(labels)
    wanted = np.flatnonzero(counts > max(PHOTOS))
    others = np.setdiff1d(np.flatnonzero(counts), wanted)
    if people > len(wanted) + len(others) - strangers:
        return None
    random = np.random.default_rng(0)
    draws = [_draw(vectors, labels, people, photos, (wanted, others), random) for _ in range(DRAWS)]
    shares = [draw.measure(np.flatnonzero(draw.known), np.flatnonzero(~draw.known)) for draw in draws]
    drawn = [again for draw in draws for again in _draw_again(draw)]
    last = draws[-1]
    rates = [rate for rate in RATES if all(rate * (~draw.known).sum() >= 1 for draw in draws)]
    return Found(
        people,
        photos,
        {rate: float(np.mean([one[rate] for one in shares])) for rate in rates},
        {rate: find_interval(np.array([again[rate] for again in drawn])) for rate in rates},
        int(last.known.sum()),
        len(np.unique(last.person[~last.known])),
        int((~last.known).sum()),
    )


def _draw(
    vectors: NDArray[np.floating],
    labels: Rows,
    people: int,
    photos: int,
    groups: tuple[Rows, Rows],
    random: np.random.Generator,
) -> Draw:
    """Draws a gallery: as many of the wanted people as it holds, then others; the same ones for every `photos`."""
    wanted, others = (random.permutation(group) for group in groups)
    chosen = wanted[:people]
    filling = others[: people - len(chosen)]
    enrolled, probes = [], []
    for person in chosen:
        its = random.permutation(np.flatnonzero(labels == person))
        enrolled.append(its[:photos])
        probes.append(its[max(PHOTOS) :])
    first = np.unique(labels, return_index=True)[1]
    gallery = np.concatenate([*enrolled, first[filling]])
    strangers = np.flatnonzero(~np.isin(labels, np.concatenate([chosen, filling])))
    searched = np.concatenate([*probes, strangers])
    similarities = vectors[searched] @ vectors[gallery].T
    nearest = labels[gallery][similarities.argmax(axis=1)]
    person = labels[searched]
    return Draw(person, similarities.max(axis=1), nearest == person, np.isin(person, chosen))


def _draw_again(draw: Draw) -> Iterator[dict[float, float]]:
    """Draws the people of a search anew, known ones and strangers, each with all of their photos."""
    random = np.random.default_rng(0)
    groups = [_by_person(draw, mask) for mask in (draw.known, ~draw.known)]
    for _ in range(SAMPLES // DRAWS):
        yield draw.measure(
            *(np.concatenate([group[i] for i in random.integers(0, len(group), len(group))]) for group in groups)
        )


def _by_person(draw: Draw, mask: NDArray[np.bool_]) -> list[Rows]:
    rows = np.flatnonzero(mask)
    order = rows[np.argsort(draw.person[rows], kind="stable")]
    return list(np.split(order, np.flatnonzero(np.diff(draw.person[order])) + 1))
