"""The id, log line, metrics and span of one call."""

import asyncio
import time

import grpc
import structlog

from convoy.core import errors
from convoy.core.security.callers import Caller, begin_caller
from convoy.core.serving.status import STATUS_KEY, Context, to_status
from convoy.core.telemetry import begin_request, call_count, call_seconds, calls_in_flight, limited_count
from convoy.core.tracing import begin_call, end_call

log = structlog.get_logger()
REQUEST_ID_KEY = "x-request-id"
_LIMITS = {"MESSAGE_TOO_LARGE", "MESSAGE_TOO_SLOW", "TOO_MANY_FIELDS", "ANSWER_TOO_LARGE"}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class _Lines:
    """Lets through `most` lines a second of calls of one method that ended alike, and counts those left out.

    Alike is the same status for the same reason.
    """

    def __init__(self) -> None:
        self.most = 0.0
        self._since: dict[tuple[str, str, str], tuple[float, int, int]] = {}

    def leave_out(self, method: str, code: str, reason: str = "") -> int | None:
        """None if the line is left out; otherwise how many were, since the last line."""
        if not self.most:
            return 0
        now, key = time.monotonic(), (method, code, reason)
        began, written, left_out = self._since.get(key, (now, 0, 0))
        if now - began >= 1.0:
            began, written = now, 0
        if written >= self.most:
            self._since[key] = began, written, left_out + 1
            return None
        self._since[key] = began, written + 1, 0
        return left_out


_LINES = _Lines()


def sample_calls(most_per_s: float) -> None:
    """Log at most so many calls a second of each method, status and reason; 0 logs all."""
    _LINES.most = most_per_s


class CallLog:
    """One call, from its begin to its one end: finish or fail."""

    def __init__(self, service: str, method: str, context: Context, caller: Caller) -> None:
        self._service = service
        self._method = method.rpartition("/")[2]
        self._context = context
        self._caller = {"caller": caller.name} if caller.name else {}
        self._started = time.perf_counter()
        begin_caller(caller)
        metadata = read_metadata(context)
        self._span = begin_call(method, metadata)
        self._id = begin_request(metadata.get(REQUEST_ID_KEY, ""))
        calls_in_flight(service).inc()
        context.set_trailing_metadata(((REQUEST_ID_KEY, self._id),))

    def finish(self, code: str, **facts: object) -> None:
        """Write the log line, the metrics and the span. facts: more fields of the line."""
        elapsed_s = time.perf_counter() - self._started
        calls_in_flight(self._service).dec()
        call_count(self._service, self._method, code).inc()
        call_seconds(self._service, self._method).observe(elapsed_s)
        end_call(self._span, code)
        error = facts.get("exc_info")
        left_out = _LINES.leave_out(self._method, code, str(facts.get("reason") or (error and type(error).__name__)))
        if left_out is None:
            if error is None:
                return
            # The caller is told that the log has this call's id. Its traceback is like those of the lines before.
            facts = {"error": repr(error)[:200]}
        elif left_out:
            facts["unlogged"] = left_out
        ms = round(elapsed_s * 1000, 1)
        if code == "INTERNAL":
            log.error("call", method=self._method, code=code, ms=ms, **self._caller, **facts)
        else:
            log.info("call", method=self._method, code=code, ms=ms, **self._caller, **facts)

    async def fail(self, error: BaseException) -> None:
        """End the call with the error's status, by raising. Return only if the caller must raise the error itself."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            return self.finish("CANCELLED")
        if self._context.code() not in (None, 0, grpc.StatusCode.OK):
            # The handler has aborted the call itself.
            return self.finish(str(self._context.code()))
        status = to_status(error)
        code = _CODES[status.code]
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED or _reason(error) in _LIMITS:
            limited_count(self._service, _reason(error)).inc()
        unexpected = {"exc_info": error} if code is grpc.StatusCode.INTERNAL else {"reason": _reason(error)}
        self.finish(code.name, **unexpected)
        trailing = ((REQUEST_ID_KEY, self._id), (STATUS_KEY, status.SerializeToString()))
        # gRPC keeps the error in a cycle of references. Drop its frames, so that they do not keep the message alive.
        error.__traceback__ = None
        await self._context.abort(code, status.message, trailing)


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, errors.ConvoyError) else type(error).__name__


def read_metadata(context: Context) -> dict[str, str]:
    """Return the call's metadata without binary entries."""
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}
