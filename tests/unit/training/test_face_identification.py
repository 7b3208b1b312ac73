"""Identification against answers worked out by hand."""

import numpy as np
import pytest
from convoy_training.metrics.identification import (
    Searched,
    choose_gallery,
    measure_intervals,
    measure_search,
    search,
)

PEOPLE = np.array([0, 0, 1, 1, 2, 3])


def search_among(*degrees: float) -> Searched:
    angles = np.radians(degrees)
    gallery = choose_gallery(PEOPLE)
    assert gallery.tolist() == [0, 2]  # people with one face are the strangers
    return search(np.column_stack([np.cos(angles), np.sin(angles)]), PEOPLE, gallery, np.array([1, 3, 4, 5]))


def miss(searched: Searched, rate: float) -> float:
    return searched.miss_rate(np.array([0, 1]), np.array([2, 3]), rate)


def test_who_is_known_and_who_is_found() -> None:
    searched = search_among(0, 5, 90, 100, 45, 200)
    assert searched.known.tolist() == [True, True, False, False] and searched.person.tolist() == [0, 1, 2, 3]
    assert searched.nearest[:2].tolist() == [0, 1] and searched.right.tolist() == [True, True, False, False]


def test_a_stranger_between_two_people_costs_nothing_while_he_is_further_away() -> None:
    searched = search_among(0, 5, 90, 100, 45, 200)
    assert measure_search(searched) == {"rank_1": 1.0, "fnir_at_fpir_1e-1": 0.0, "fnir_at_fpir_1e-2": 0.0}


def test_a_stranger_nearer_than_a_known_face_costs_that_face() -> None:
    searched = search_among(0, 5, 90, 100, 8, 200)
    assert measure_search(searched)["rank_1"] == 1.0
    assert miss(searched, 0.0) == pytest.approx(0.5)
    assert miss(searched, 0.5) == 0.0


def test_a_face_nearer_to_somebody_else_is_missed_at_any_rate() -> None:
    searched = search_among(0, 80, 90, 100, 200, 210)
    assert measure_search(searched)["rank_1"] == 0.5
    assert miss(searched, 0.5) == 0.5


def test_an_interval_draws_people_not_probes() -> None:
    # Two people of 200 probes each, one always found, one never: of two people drawn, both are the same half the time.
    right = np.repeat([True, False], 200)
    known, person = np.repeat([True, False], [400, 10]), np.concatenate([np.repeat([0, 1], 200), 2 + np.arange(10)])
    right = np.concatenate([right, np.zeros(10, bool)])
    best = np.where(known, 0.9, 0.1)
    intervals = measure_intervals(Searched(np.zeros(410, int), best, right, known, person))
    assert intervals["rank_1"] == intervals["fnir_at_fpir_1e-1"] == (0.0, 1.0)
