"""How much a service had to do in the last minutes: differences of its own metrics, which it looks at now and then."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from convoy.core.telemetry import IN_FLIGHT, LIMITED, QUEUE_DEPTH, REQUEST_SECONDS, REQUESTS
from convoy.v1 import status_pb2

EVERY_S = 5.0
KEPT = 61
"""Readings that are kept: five minutes."""
_OWN = frozenset(status_pb2.DESCRIPTOR.services_by_name["StatusService"].methods_by_name)

_OVERLOAD = {"QUEUE_FULL", "MESSAGES_FULL", "TOO_MANY_CALLS"}
"""Reasons that say that the service has too much to do, not that the caller asks for too much."""


@dataclass(frozen=True)
class Reading:
    """The metrics at a time. calls: by status; took: by upper bound in seconds, with those below it; limited: calls."""

    at: float
    calls: Counter[str]
    took: Counter[float]
    limited: int


class LoadHistory:
    """Readings of one service's metrics, the oldest first."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._began = time.monotonic()
        self._readings = deque([self._read()], maxlen=KEPT)

    def note(self) -> None:
        """Keep a reading, if the last one is old enough."""
        if time.monotonic() - self._readings[-1].at >= EVERY_S:
            self._readings.append(self._read())

    def recent(self) -> status_pb2.GetLoadResponse:
        """What there was to do since the oldest reading."""
        now, first = self._read(), self._readings[0]
        lately = self._readings[max(0, len(self._readings) - 2)]
        took = Counter({bound: below - first.took[bound] for bound, below in now.took.items()})
        return status_pb2.GetLoadResponse(
            version=version("convoy-vision"),
            uptime_s=now.at - self._began,
            window_s=now.at - first.at,
            calls=[status_pb2.CallCount(code=code, calls=n) for code, n in sorted((now.calls - first.calls).items())],
            p50_ms=1000 * quantile(took, 0.5),
            p95_ms=1000 * quantile(took, 0.95),
            limited=now.limited - first.limited,
            in_flight=max(0, int(sum(sample.value for sample in self._samples(IN_FLIGHT))) - 1),
            queue_depth=int(sum(sample.value for metric in QUEUE_DEPTH.collect() for sample in metric.samples)),
            is_overloaded=now.limited > lately.limited,
        )

    def _read(self) -> Reading:
        calls: Counter[str] = Counter()
        took: Counter[float] = Counter()
        for sample in self._samples(REQUESTS):
            if sample.name.endswith("_total"):
                calls[sample.labels["code"]] += int(sample.value)
        for sample in self._samples(REQUEST_SECONDS):
            if sample.name.endswith("_bucket"):
                took[float(sample.labels["le"])] += int(sample.value)
        limited = sum(
            sample.value
            for sample in self._samples(LIMITED)
            if sample.name.endswith("_total") and sample.labels["reason"] in _OVERLOAD
        )
        return Reading(time.monotonic(), calls, took, int(limited))

    def _samples(self, metric: Any) -> Iterator[Any]:
        """Those of this service, without the calls that ask for them."""
        for family in metric.collect():
            for sample in family.samples:
                if sample.labels.get("service") == self._service and sample.labels.get("method") not in _OWN:
                    yield sample


def quantile(took: Counter[float], share: float) -> float:
    """Seconds in which this share of the calls ended, as Prometheus reads it from buckets; 0 without calls."""
    bounds = sorted(took)
    if not bounds or not took[bounds[-1]]:
        return 0.0
    wanted, below, lower = share * took[bounds[-1]], 0, 0.0
    for bound in bounds:
        if took[bound] >= wanted and took[bound] > below:
            # Nothing is known of the calls that took longer than the last bound.
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (wanted - below) / (took[bound] - below)
        below, lower = took[bound], bound
    return lower
