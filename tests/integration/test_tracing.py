"""A call's spans: the stages inside the service, joined to the caller's trace."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.core import tracing
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests import tiny_pictures
from tests.serving import refusal, running
from tests.tiny_models import write_repository

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = (("traceparent", f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"),)


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    collected = InMemorySpanExporter()
    tracing.configure_tracing("classification", "", collected)
    yield collected
    tracing.flush_traces()
    tracing.configure_tracing("classification", "")


async def test_the_stages_of_a_call_join_the_callers_trace(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    picture = common_pb2.Image(encoded=tiny_pictures.encode(tiny_pictures.plain()))
    async with running("classification", write_repository(tmp_path)) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        await stub.Classify(classification_pb2.ClassifyRequest(images=[picture]), metadata=HEADERS)
        bad = classification_pb2.ClassifyRequest(images=[common_pb2.Image()])
        await refusal(stub.Classify, bad)
    tracing.flush_traces()
    spans = exporter.get_finished_spans()
    ours = {span.name: span for span in spans if span.context and f"{span.context.trace_id:032x}" == CALLERS_TRACE}
    call = ours["convoy.v1.ClassificationService/Classify"]
    assert set(ours) == {call.name, "preprocess", "queue", "infer", "postprocess"}
    for name in ("preprocess", "queue", "infer", "postprocess"):
        stage = ours[name]
        assert stage.parent is not None and call.context is not None
        assert stage.parent.span_id == call.context.span_id
        assert call.start_time <= stage.start_time <= stage.end_time <= call.end_time  # type: ignore[operator]
    failed = [span for span in spans if span.name == call.name and span is not call]
    assert [span.attributes["rpc.grpc.status_code"] for span in failed if span.attributes] == ["INVALID_ARGUMENT"]
