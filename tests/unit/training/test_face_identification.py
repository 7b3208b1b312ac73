"""Identification against answers worked out by hand."""

import numpy as np
import pytest
from convoy_training.metrics.identification import measure_miss_rate, measure_rank_one, split_search

PEOPLE = np.array([0, 0, 1, 1, 2, 3])


def turn(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_people_with_one_face_are_the_strangers() -> None:
    search = split_search(turn(0, 5, 90, 100, 45, 200), PEOPLE)
    assert search.gallery_people.tolist() == [0, 1]
    assert search.probe_people.tolist() == [0, 1, 2, 3]


def test_a_stranger_between_two_people_costs_nothing_while_he_is_further_away() -> None:
    search = split_search(turn(0, 5, 90, 100, 45, 200), PEOPLE)
    assert measure_rank_one(search) == 1.0
    assert measure_miss_rate(search, 0.0) == 0.0


def test_a_stranger_nearer_than_a_known_face_costs_that_face() -> None:
    search = split_search(turn(0, 5, 90, 100, 8, 200), PEOPLE)
    assert measure_rank_one(search) == 1.0
    assert measure_miss_rate(search, 0.0) == pytest.approx(0.5)
    assert measure_miss_rate(search, 0.5) == 0.0


def test_a_face_nearer_to_somebody_else_is_missed_at_any_rate() -> None:
    search = split_search(turn(0, 80, 90, 100, 200, 210), PEOPLE)
    assert measure_rank_one(search) == 0.5
    assert measure_miss_rate(search, 0.5) == 0.5
