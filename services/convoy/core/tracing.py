"""Traces: a span for each call and for each stage inside it, joined across services by W3C trace context.

It records nothing, at almost no cost, until CONVOY_OTLP_ENDPOINT names a collector.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_provider: "TracerProvider | None" = None


def configure_tracing(service: str, endpoint: str, exporter: "SpanExporter | None" = None) -> None:
    """Send spans to an OTLP collector over gRPC (http://host:4317), or to `exporter`; an empty endpoint sends none."""
    global _provider
    if exporter is None and not endpoint:
        _provider = None
        return
    # The SDK takes 5 MiB of memory, so import it only to send traces.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if exporter is None:
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    _provider = TracerProvider(resource=Resource.create({"service.name": f"convoy-{service}"}))
    _provider.add_span_processor(BatchSpanProcessor(exporter))


def flush_traces() -> None:
    """Send the spans that are not sent yet."""
    if _provider is not None:
        _provider.shutdown()


def begin_call(method: str, metadata: Mapping[str, str]) -> Span:
    """Begin the span of a call, as a child of the caller's. It is current until the call's task ends."""
    if _provider is None:
        return trace.INVALID_SPAN
    parent = propagate.extract(metadata)
    name = method.lstrip("/")
    service, _, rpc = name.rpartition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}
    span = _tracer().start_span(name, parent, SpanKind.SERVER, attributes)
    context.attach(trace.set_span_in_context(span, parent))
    return span


def end_call(span: Span, code: str) -> None:
    """End the span of a call with its gRPC status."""
    span.set_attribute("rpc.grpc.status_code", code)
    if code != "OK":
        span.set_status(Status(StatusCode.ERROR, code))
    span.end()


@contextmanager
def span(name: str) -> Iterator[None]:
    """Record a stage of the current call until the block ends."""
    if _provider is None:
        yield
        return
    with _tracer().start_as_current_span(name):
        yield


def past_span(name: str, start_s_ago: float, duration_s: float, **attributes: int) -> None:
    """Record a finished stage of the current call, since a batch runs for many callers at once."""
    if _provider is None:
        return
    started_ns = time.time_ns() - round(start_s_ago * 1e9)
    stage = _tracer().start_span(name, start_time=started_ns, attributes=attributes)
    stage.end(started_ns + round(duration_s * 1e9))


def outgoing_trace() -> tuple[tuple[str, str], ...]:
    """Return the metadata that joins a call to another service to the current trace."""
    if _provider is None:
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())


def trace_id() -> str:
    """Return the current trace's id in hexadecimal; empty if nothing is recorded."""
    current = trace.get_current_span().get_span_context()
    return trace.format_trace_id(current.trace_id) if current.is_valid else ""


def _tracer() -> trace.Tracer:
    assert _provider is not None
    return _provider.get_tracer("convoy")
