"""Calls of classification on signals. `model` is name or name:version, empty for the default."""

from collections.abc import Iterable

from convoy.client.answers import vision
from convoy.client.operations.operation import Operation, only, plan
from convoy.client.operations.vision import write_model
from convoy.client.signal_files import SignalLike, read_signal
from convoy.v1 import classification_pb2 as pb


def classify_signal(
    signal: SignalLike,
    *,
    rate_hz: float | None = None,
    model: str = "",
    top_k: int = 5,
    min_probability: float = 0.0,
    resample: bool = False,
) -> Operation[vision.SignalClassification]:
    """What a signal shows: samples [T] or [T, channels], or a .npy, .csv or .wav file of them.

    rate_hz: samples of each channel in a second; a WAV file says it itself. resample: convert another rate than the
    model's, which is refused otherwise.
    """
    request = _classify([signal], rate_hz, model, top_k, min_probability, resample)
    return plan("classification", request, pb.ClassifySignalResponse, lambda one: only(vision.read_signals(one)))


def classify_signals(
    signals: Iterable[SignalLike],
    *,
    rate_hz: float | None = None,
    model: str = "",
    top_k: int = 5,
    min_probability: float = 0.0,
    resample: bool = False,
) -> Operation[list[vision.SignalClassification]]:
    """`classify_signal` for several signals in one call, in their order; if one fails, so does the call."""
    request = _classify(signals, rate_hz, model, top_k, min_probability, resample)
    return plan("classification", request, pb.ClassifySignalResponse, vision.read_signals)


def _classify(
    signals: Iterable[SignalLike],
    rate_hz: float | None,
    model: str,
    top_k: int,
    min_probability: float,
    resample: bool,
) -> pb.ClassifySignalRequest:
    return pb.ClassifySignalRequest(
        signals=[_write_signal(signal, rate_hz) for signal in signals],
        model=write_model(model),
        top_k=top_k,
        min_probability=min_probability,
        resample=resample,
    )


def _write_signal(signal: SignalLike, rate_hz: float | None) -> pb.Signal:
    samples, rate = read_signal(signal, rate_hz)
    return pb.Signal(samples=samples.ravel(), channels=samples.shape[1], rate_hz=rate)
