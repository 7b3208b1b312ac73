"""Under load a few lines about calls are written, and they count those that are not."""

from typing import Any

import grpc
import pytest
from convoy.core.errors import ResourceExhausted
from convoy.core.security.callers import ANYBODY
from convoy.core.serving import call_log
from convoy.core.serving.call_log import CallLog, _Lines
from structlog.testing import capture_logs


def test_a_few_lines_a_second_and_the_next_counts_the_rest() -> None:
    lines = _Lines()
    assert [lines.leave_out("Classify", "OK") for _ in range(3)] == [0, 0, 0]  # no limit is set
    lines.most = 2
    said = [lines.leave_out("Classify", "OK") for _ in range(5)]
    assert said == [0, 0, None, None, None]
    assert lines.leave_out("Classify", "INTERNAL") == 0  # each status has lines of its own
    assert lines.leave_out("Classify", "OK", "another reason") == 0  # and each reason
    began, written, left_out = lines._since["Classify", "OK", ""]
    lines._since["Classify", "OK", ""] = began - 1.0, written, left_out
    assert lines.leave_out("Classify", "OK") == 3


class _Call:
    """As much of a call's context as its log line needs."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def set_trailing_metadata(self, trailing: object) -> None:
        pass

    def code(self) -> grpc.StatusCode | None:
        return None

    async def abort(self, *status: object) -> None:
        pass


async def test_internal_errors_have_their_lines_under_load_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _Lines()
    lines.most = 1
    monkeypatch.setattr(call_log, "_LINES", lines)
    context: Any = _Call()
    with capture_logs() as logged:
        for _ in range(3):
            await CallLog("classification", "/x/Classify", context, ANYBODY).fail(ZeroDivisionError("a fault of ours"))
        for _ in range(3):
            full = ResourceExhausted("QUEUE_FULL", "the queue is full", 0.1)
            await CallLog("classification", "/x/Classify", context, ANYBODY).fail(full)
    assert [line["code"] for line in logged] == ["INTERNAL"] * 3 + ["RESOURCE_EXHAUSTED"]
    assert ["exc_info" in line for line in logged] == [True, False, False, False]
    assert "a fault of ours" in logged[2]["error"]
