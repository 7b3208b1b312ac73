"""Log lines with the request's id, and Prometheus metrics. To add a metric, define it here."""

import contextvars
import functools
import logging
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Counter, Gauge, Histogram

from convoy.core.settings import Settings
from convoy.core.tracing import span, trace_id

_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# labels() searches a locked table at each call, so the functions below keep its result.
REQUESTS = Counter("convoy_requests", "Calls answered.", ["service", "method", "code"])
REQUEST_SECONDS = Histogram("convoy_request_duration_seconds", "Whole calls.", ["service", "method"], buckets=_SECONDS)
IN_FLIGHT = Gauge("convoy_requests_in_flight", "Calls being answered.", ["service"])
STAGE_SECONDS = Histogram(
    "convoy_stage_duration_seconds",
    "Stages of a picture: preprocess, queue, infer, postprocess.",
    ["model", "version", "stage"],
    buckets=_SECONDS,
)
BATCH_SIZE = Histogram(
    "convoy_batch_size", "Pictures that ran together.", ["model", "version"], buckets=(1, 2, 4, 8, 16, 32, 64)
)
QUEUE_DEPTH = Gauge("convoy_queue_depth", "Pictures that wait for the engine.", ["model", "version"])
MESSAGE_BYTES = Counter("convoy_message_bytes", "Bytes of messages received, as they came.")
MESSAGES_REFUSED = Counter("convoy_messages_refused", "Messages refused while they arrived, by reason.", ["reason"])
STRANGERS_LIMITED = Counter(
    "convoy_strangers_limited",
    "Calls of hosts that made too many: open to all (health and the like), or refused for want of a token or scope.",
    ["kind"],
)
RESET_FLOODS = Counter("convoy_reset_floods", "Times that a host began and reset calls in a flood, and was cut off.")
LIMITED = Counter(
    "convoy_limited", "Calls that met a limit of the service, by the error's reason.", ["service", "reason"]
)
PROMPT = Counter("convoy_prompt_runs", "Work that ran ahead of another caller's flood.", ["what"])
MODEL_READY = Gauge("convoy_model_ready", "1 while a version answers.", ["model", "version"])

limited_count = functools.cache(LIMITED.labels)
prompt_count = functools.cache(PROMPT.labels)
call_count = functools.cache(REQUESTS.labels)
call_seconds = functools.cache(REQUEST_SECONDS.labels)
calls_in_flight = functools.cache(IN_FLIGHT.labels)
stage_seconds = functools.cache(STAGE_SECONDS.labels)
batch_sizes = functools.cache(BATCH_SIZE.labels)


def request_id() -> str:
    """The id of the request that is being answered; empty outside of a request."""
    return _request_id.get()


def begin_request(caller_id: str) -> str:
    """Use the caller's id for this request, or make one. Every log line and error of the request has it."""
    is_good = 0 < len(caller_id) <= 128 and caller_id.isascii() and caller_id.isprintable()
    chosen = caller_id if is_good else f"{random.getrandbits(128):032x}"
    _request_id.set(chosen)
    return chosen


@contextmanager
def stage(model: str, version: str, name: str) -> Iterator[None]:
    """Measure one stage of a picture."""
    started = time.perf_counter()
    try:
        with span(name):
            yield
    finally:
        stage_seconds(model, version, name).observe(time.perf_counter() - started)


def configure_logging(settings: Settings) -> None:
    """Write log lines to stderr, for people or as JSON."""
    json = settings.log == "json"
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            _add_ids,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _add_ids(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if request_id():
        event["request_id"] = request_id()
    if trace := trace_id():
        event["trace_id"] = trace
    return event
