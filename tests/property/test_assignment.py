"""Faces and people are brought together as scipy and counting every way would do it, and nobody is named twice."""

import itertools

import numpy as np
import pytest
from convoy.recognition.domain.assignment import NOBODY, assign, measure_lead
from convoy.recognition.domain.thresholds import Decision, decide
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.naming import name_faces
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

similarities = st.integers(-100, 100).map(lambda hundredths: hundredths / 100)


@st.composite
def pictures(draw: st.DrawFn, most: int = 6) -> list[list[Hit]]:
    """For each face the people whom a search finds, best first."""
    faces = draw(st.integers(1, most))
    found = []
    for _ in range(faces):
        people = draw(st.dictionaries(st.integers(0, 5), similarities, max_size=6))
        hits = [Hit(f"p{person}", "f", similarity) for person, similarity in people.items()]
        found.append(sorted(hits, key=lambda hit: (-hit.similarity, hit.person_id)))
    return found


@st.composite
def weights(draw: st.DrawFn, most: int) -> np.ndarray:
    rows, columns = draw(st.integers(1, most)), draw(st.integers(1, most))
    cell = st.one_of(st.just(-np.inf), st.floats(0.001, 2.0))
    return np.array(draw(st.lists(cell, min_size=rows * columns, max_size=rows * columns))).reshape(rows, columns)


@given(weights(12))
def test_the_total_is_that_of_scipy(weights: np.ndarray) -> None:
    assigned = assign(weights)
    held = np.flatnonzero(assigned != NOBODY)
    assert len(set(assigned[held])) == len(held)
    alone = np.zeros((len(weights), len(weights)))
    padded = np.hstack([np.where(np.isfinite(weights), weights, -1e6), alone])
    best = padded[linear_sum_assignment(padded, maximize=True)].sum()
    assert weights[held, assigned[held]].sum() == pytest.approx(best)


@given(weights(4))
def test_the_lead_is_that_over_every_other_way(weights: np.ndarray) -> None:
    assigned = assign(weights)
    rows, columns = weights.shape
    ways = []
    for way in itertools.product(range(-1, columns), repeat=rows):
        taken = [column for column in way if column != NOBODY]
        total = sum(weights[row, column] for row, column in enumerate(way) if column != NOBODY)
        if len(set(taken)) == len(taken) and np.isfinite(total):
            ways.append((total, way))
    best = max(total for total, _ in ways)
    for row, lead in enumerate(measure_lead(weights, assigned)):
        its = assigned[row]
        others = [
            total
            for total, way in ways
            if way[row] not in (its, NOBODY) or (its != NOBODY and its in [*way[:row], *way[row + 1 :]])
        ]
        assert lead == pytest.approx(best - max(others)) if others else np.isinf(lead)


@given(pictures(), similarities, st.floats(0, 0.2))
def test_nobody_is_named_twice_and_who_is_below_the_threshold_is_not_named(
    found: list[list[Hit]], threshold: float, margin: float
) -> None:
    named = name_faces(found, threshold, margin)
    names = [one.hits[0].person_id for one in named if one.decision is Decision.MATCH]
    assert len(names) == len(set(names)) and len(named) == len(found)
    for one, hits in zip(named, found, strict=True):
        claims = [hit for hit in hits if hit.similarity >= threshold]
        assert set(one.hits) <= set(claims)
        assert (one.decision is Decision.NO_MATCH) == (not one.hits)
        assert one.elsewhere == (claims[0] if claims and not one.hits else None)
        # Whoever is named at one face is on no other face's list.
        listed = [hit.person_id for hit in one.hits]
        assert not set(listed[1:] if one.decision is Decision.MATCH else listed) & set(names)


@given(pictures(most=1), similarities, st.floats(0, 0.2))
def test_a_picture_of_one_face_is_decided_as_if_nobody_was_assigned(
    found: list[list[Hit]], threshold: float, margin: float
) -> None:
    [hits], [one] = found, name_faces(found, threshold, margin)
    best, second = ([hit.similarity for hit in hits] + [None, None])[:2]
    assert one.decision is decide(best, second, threshold, margin)
    assert (one.hits, one.elsewhere) == ([hit for hit in hits if hit.similarity >= threshold], None)
