"""The load of a service is the difference of its metrics."""

from collections import Counter

import pytest
from convoy.core.serving import load_history
from convoy.core.serving.load_history import LoadHistory, quantile
from convoy.core.telemetry import call_count, call_seconds, limited_count

SERVICE = "load-history"


@pytest.mark.parametrize(
    ("took", "share", "seconds"),
    [
        ({}, 0.5, 0.0),
        ({0.1: 0, 0.2: 0, float("inf"): 0}, 0.5, 0.0),
        ({0.1: 0, 0.2: 10, float("inf"): 10}, 0.5, 0.15),
        ({0.1: 10, 0.2: 10, float("inf"): 10}, 0.95, 0.095),
        ({0.1: 0, 0.2: 1, float("inf"): 10}, 0.95, 0.2),
    ],
)
def test_a_quantile_lies_in_its_bucket(took: dict[float, int], share: float, seconds: float) -> None:
    assert quantile(Counter(took), share) == pytest.approx(seconds)


def test_calls_of_others_and_calls_before_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    call_count(SERVICE, "Detect", "OK").inc(5)
    history = LoadHistory(SERVICE)
    call_count(SERVICE, "Detect", "OK").inc(3)
    call_count(SERVICE, "Detect", "INTERNAL").inc()
    call_count(SERVICE, "GetLoad", "OK").inc()
    call_count("another", "Detect", "OK").inc()
    call_seconds(SERVICE, "Detect").observe(0.02)
    limited_count(SERVICE, "MESSAGE_TOO_LARGE").inc()
    load = history.recent()
    assert {one.code: one.calls for one in load.calls} == {"OK": 3, "INTERNAL": 1}
    assert 10 < load.p50_ms < 25 and (load.limited, load.is_overloaded) == (0, False)
    limited_count(SERVICE, "QUEUE_FULL").inc(2)
    load = history.recent()
    assert (load.limited, load.is_overloaded) == (2, True)
    # Once a reading lies after the refusals and another after that, they are over, though still in the window.
    monkeypatch.setattr(load_history, "EVERY_S", 0.0)
    history.note()
    history.note()
    load = history.recent()
    assert (load.limited, load.is_overloaded) == (2, False)
