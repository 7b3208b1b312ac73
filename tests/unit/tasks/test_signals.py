"""Samples to the input of a graph: what is refused, and conversion of rates beside SciPy's."""

import numpy as np
import pytest
from convoy.classification.signals import Signal, convert_rate, prepare
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import SignalSpec
from scipy import signal as scipy_signal

SPEC = SignalSpec(rate_hz=100.0, length=1000, channels=2, unit="mV")


def drawn(length: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(length, channels)).astype(np.float32)


def test_a_signal_that_fits_stays_as_it_is() -> None:
    samples = drawn(1000)
    assert (prepare(Signal(samples, 100.0), SPEC) == samples[None]).all()


@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason", "words"),
    [
        (drawn(999), 100.0, "BAD_SIGNAL", "999 samples at 100 Hz; the model takes 1000 at 100 Hz, which are 10 s"),
        (drawn(1000, 1), 100.0, "BAD_SIGNAL", "1 channels; the model takes 2"),
        (drawn(0), 100.0, "BAD_SIGNAL", "0 samples"),
        (drawn(1000), 250.0, "WRONG_RATE", "sampled at 250 Hz; the model takes 100 Hz"),
        (drawn(1000), 0.0, "BAD_SIGNAL", "rate_hz is 0"),
        (drawn(1000), float("nan"), "BAD_SIGNAL", "rate_hz is nan"),
    ],
)
def test_another_shape_or_rate_is_refused(samples: np.ndarray, rate_hz: float, reason: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as refused:
        prepare(Signal(samples, rate_hz), SPEC)
    assert refused.value.reason == reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("resample", [False, True])
def test_a_sample_that_is_no_number_is_refused_and_named(value: float, resample: bool) -> None:
    samples = drawn(1000)
    samples[41, 1] = value
    with pytest.raises(InvalidArgument, match="sample 42 is no finite number") as refused:
        prepare(Signal(samples, 100.0), SPEC, resample)
    assert refused.value.reason == "BAD_SIGNAL"


def test_a_resampled_signal_must_have_the_length_too() -> None:
    with pytest.raises(InvalidArgument, match="1000 samples at 250 Hz"):
        prepare(Signal(drawn(1000), 250.0), SPEC, resample=True)
    with pytest.raises(InvalidArgument, match="too far from"):
        prepare(Signal(drawn(1000), 1e9), SPEC, resample=True)


@pytest.mark.parametrize(("rate_hz", "up", "down"), [(250.0, 2, 5), (360.0, 5, 18), (50.0, 2, 1), (128.0, 25, 32)])
def test_conversion_agrees_with_scipy(rate_hz: float, up: int, down: int) -> None:
    """On what both rates can hold, away from the ends, which the two continue in different ways."""
    times = np.arange(int(rate_hz * 10)) / rate_hz
    samples = np.stack([np.sin(2 * np.pi * 3.3 * times), np.cos(2 * np.pi * 7.1 * times + 1)], axis=1).astype(
        np.float32
    )
    converted = prepare(Signal(samples, rate_hz), SPEC, resample=True)[0]
    wanted = scipy_signal.resample_poly(samples, up, down, axis=0)
    assert np.abs(converted - wanted)[100:900].max() < 0.01
    exact = np.arange(1000) / 100.0
    assert np.abs(converted[100:900, 0] - np.sin(2 * np.pi * 3.3 * exact)[100:900]).max() < 0.002


def test_what_the_lower_rate_cannot_hold_is_filtered_out() -> None:
    times = np.arange(2500) / 250.0
    high = np.sin(2 * np.pi * 80 * times).astype(np.float32)[:, None]
    assert np.abs(convert_rate(high, 250.0, 100.0)[100:900]).max() < 0.01


def test_a_constant_stays_constant_to_the_ends() -> None:
    ones = np.ones((300, 1), np.float32)
    assert np.allclose(convert_rate(ones, 300.0, 100.0), 1.0, atol=1e-6)
