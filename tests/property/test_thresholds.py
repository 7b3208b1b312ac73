"""Thresholds keep their promises for every calibration, rate and size."""

import math

from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.thresholds import comparison_rate, identification_rate
from hypothesis import given
from hypothesis import strategies as st

rates = st.floats(1e-12, 1.0)


@st.composite
def curves(draw: st.DrawFn) -> FalseMatchCurve:
    size = draw(st.integers(2, 12))
    steps = draw(st.lists(st.floats(0.005, 0.15), min_size=size, max_size=size))
    falls = draw(st.lists(st.floats(0.0, 3.0), min_size=size, max_size=size))
    similarity = [-0.9 + sum(steps[: i + 1]) for i in range(size)]
    return FalseMatchCurve(tuple(similarity), tuple(math.exp(-sum(falls[: i + 1])) for i in range(size)))


@given(curves(), rates, rates)
def test_a_stricter_rate_never_lowers_the_threshold(curve: FalseMatchCurve, one: float, other: float) -> None:
    assert curve.threshold(min(one, other)) >= curve.threshold(max(one, other))


@given(curves(), rates)
def test_within_the_table_strangers_reach_the_threshold_as_often_as_asked_or_less(
    curve: FalseMatchCurve, rate: float
) -> None:
    if curve.false_match_rate[-1] <= rate:
        assert curve.false_match_rate_at(curve.threshold(rate)) <= rate * (1 + 1e-9)


@given(curves(), st.floats(-1, 1), st.floats(-1, 1))
def test_strangers_reach_a_higher_similarity_no_more_often(curve: FalseMatchCurve, one: float, other: float) -> None:
    assert curve.false_match_rate_at(max(one, other)) <= curve.false_match_rate_at(min(one, other))


@given(st.floats(1e-9, 0.999), st.integers(1, 10**9))
def test_the_rate_of_a_comparison_gives_the_rate_of_the_search(rate: float, faces: int) -> None:
    assert math.isclose(identification_rate(comparison_rate(rate, faces), faces), rate, rel_tol=1e-6)


@given(st.floats(1e-9, 0.999), st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_larger_gallery_allows_a_comparison_less(rate: float, one: int, other: int) -> None:
    assert comparison_rate(rate, max(one, other)) <= comparison_rate(rate, min(one, other))
