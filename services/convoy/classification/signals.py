"""Samples to the input of a graph, without any RPC: the same code serves and evaluates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import SignalSpec

Samples = npt.NDArray[np.float32]
MOST_RATIO = 64.0
"""Between two rates. What is further apart is a mistyped rate."""
LOBES = 16
"""Zero crossings of the filter on each side; more make its edge steeper."""


@dataclass(frozen=True)
class Signal:
    """samples: [T, channels] in the unit of the model; rate_hz: samples of each channel in a second."""

    samples: Samples
    rate_hz: float


def prepare(signal: Signal, spec: SignalSpec, resample: bool = False) -> Samples:
    """The graph's input [1, length, channels] for a signal.

    Raises InvalidArgument: BAD_SIGNAL, and WRONG_RATE for another rate than the model's unless it may `resample`.
    """
    samples, rate = signal.samples, signal.rate_hz
    if not (np.isfinite(rate) and rate > 0):
        raise InvalidArgument("BAD_SIGNAL", f"rate_hz is {rate:g}; give the samples of a channel in a second")
    if samples.shape[1] != spec.channels:
        facts = {"channels": samples.shape[1], "wanted": spec.channels}
        message = f"the signal has {samples.shape[1]} channels; the model takes {spec.channels}"
        raise InvalidArgument("BAD_SIGNAL", message, facts)
    if not np.isfinite(samples).all():
        at = int(np.flatnonzero(~np.isfinite(samples).all(1))[0])
        raise InvalidArgument("BAD_SIGNAL", f"sample {at + 1} is no finite number", {"sample": at})
    length = len(samples)
    if rate != spec.rate_hz:
        length = _converted_length(length, rate, spec, resample)
    if length != spec.length:
        seconds = spec.length / spec.rate_hz
        had = f"{len(samples)} samples at {rate:g} Hz"
        message = f"the signal has {had}; the model takes {spec.length} at {spec.rate_hz:g} Hz, which are {seconds:g} s"
        raise InvalidArgument("BAD_SIGNAL", message, {"samples": len(samples), "length": spec.length})
    if rate != spec.rate_hz:
        samples = convert_rate(samples, rate, spec.rate_hz)
    return np.ascontiguousarray(samples, np.float32)[None]


def convert_rate(samples: Samples, rate_hz: float, wanted_hz: float) -> Samples:
    """[T, channels] at another rate, [round(T * wanted_hz / rate_hz), channels], by a sinc under Hann's window.

    What the lower of the two rates cannot hold is filtered out. Around the signal lie its own mirror images.
    """
    count = len(samples)
    times = np.arange(round(count * wanted_hz / rate_hz)) * (rate_hz / wanted_hz)
    cutoff = min(1.0, wanted_hz / rate_hz)
    reach = int(np.ceil(LOBES / cutoff))
    converted = np.zeros((len(times), samples.shape[1]))
    total = np.zeros(len(times))
    nearest = np.floor(times).astype(int)
    for offset in range(-reach, reach + 1):
        distance = times - (nearest + offset)
        weights = np.sinc(distance * cutoff) * (0.5 + 0.5 * np.cos(np.pi * np.clip(distance / (reach + 1), -1, 1)))
        converted += weights[:, None] * samples[_mirrored(nearest + offset, count)]
        total += weights
    return (converted / total[:, None]).astype(np.float32)


def _mirrored(places: npt.NDArray[np.int_], count: int) -> npt.NDArray[np.int_]:
    """Places outside of 0..count-1 as those of the mirror images around it."""
    around = np.abs(places) % max(1, 2 * (count - 1))
    mirrored: npt.NDArray[np.int_] = np.minimum(around, 2 * (count - 1) - around)
    return mirrored


def _converted_length(length: int, rate: float, spec: SignalSpec, resample: bool) -> int:
    if not resample:
        message = f"the signal was sampled at {rate:g} Hz; the model takes {spec.rate_hz:g} Hz"
        facts = {"rate_hz": f"{rate:g}", "wanted_hz": f"{spec.rate_hz:g}"}
        raise InvalidArgument("WRONG_RATE", message, facts, hint="set resample, and the service converts it")
    if not 1 / MOST_RATIO <= rate / spec.rate_hz <= MOST_RATIO:
        raise InvalidArgument("WRONG_RATE", f"{rate:g} Hz is too far from the model's {spec.rate_hz:g} Hz to convert")
    return round(length * spec.rate_hz / rate)
