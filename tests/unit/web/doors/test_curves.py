"""The curves keep each client's own default threshold on that of the policy."""

import math

import pytest
from convoy.web.doors import curves
from hypothesis import given
from hypothesis import strategies as st

COSINES = st.floats(-1.0, 1.0)
THRESHOLDS = st.floats(-0.5, 0.95)


@given(COSINES, THRESHOLDS)
def test_whoever_is_below_the_threshold_is_below_the_clients_own(similarity: float, threshold: float) -> None:
    for curve, own, coarse in (
        (curves.compreface, 0.5, 1e-5),
        (curves.deepstack, 0.67, 1e-9),
        (curves.rekognition, 80.0, 1e-6),
    ):
        value = curve(similarity, threshold)
        assert 0.0 <= value <= own * 100
        if similarity < threshold:
            assert value <= own + coarse
        else:
            assert value >= own - coarse


@given(COSINES, COSINES, THRESHOLDS)
def test_nearer_is_never_less(first: float, second: float, threshold: float) -> None:
    near, far = max(first, second), min(first, second)
    for curve in (curves.compreface, curves.deepstack, curves.rekognition):
        assert curve(near, threshold) >= curve(far, threshold)


def test_compreface_has_its_own_formula() -> None:
    # (tanh((c0 - d) * c1) + 1) / 2 with d the Euclidean distance; c0 is that of the threshold.
    d, c0 = math.sqrt(2 - 2 * 0.7), math.sqrt(2 - 2 * 0.4)
    assert curves.compreface(0.7, 0.4) == pytest.approx((math.tanh((c0 - d) * 6.0) + 1) / 2, abs=1e-5)
    assert curves.compreface(0.4, 0.4) == 0.5


def test_the_ends_of_the_scales() -> None:
    assert (curves.deepstack(-1.0, 0.4), curves.deepstack(1.0, 0.4)) == (0.0, 1.0)
    assert curves.compreface(1.0, 0.4) > 0.999 and curves.compreface(-1.0, 0.4) < 0.001
    assert curves.rekognition(1.0, 0.4) > 99.9 and curves.rekognition(0.4, 0.4) == pytest.approx(80.0)
