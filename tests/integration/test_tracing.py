"""A call's spans: the stages inside the service, joined to the caller's trace."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.core import tracing
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2, recognition_pb2, recognition_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.serving import refusal, running

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
    picture = common_pb2.Image(encoded=pictures.encode(pictures.plain()))
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


@pytest.mark.redis
async def test_recognition_and_faces_share_one_trace(
    tmp_path: Path, exporter: InMemorySpanExporter, redis_url: str
) -> None:
    models = write_repository(tmp_path)
    photo = common_pb2.Image(encoded=pictures.encode(pictures.portrait(1)))
    async with (
        running("faces", models) as faces,
        running(
            "recognition", models, redis_url=redis_url, faces_address=f"127.0.0.1:{faces.server.port}"
        ) as recognition,
    ):
        stub = recognition_pb2_grpc.RecognitionServiceStub(recognition.channel)
        await stub.CreateGallery(recognition_pb2.CreateGalleryRequest(gallery="staff"))
        await stub.Identify(recognition_pb2.IdentifyRequest(gallery="staff", image=photo), metadata=HEADERS)
    tracing.flush_traces()
    ours = [s for s in exporter.get_finished_spans() if s.context and f"{s.context.trace_id:032x}" == CALLERS_TRACE]
    by_id = {span.context.span_id: span for span in ours if span.context}
    (identify,) = (span for span in ours if span.name == "convoy.v1.RecognitionService/Identify")
    (embed,) = (span for span in ours if span.name == "convoy.v1.FaceService/EmbedFaces")

    def ancestors(span: ReadableSpan) -> Iterator[ReadableSpan]:
        while span.parent is not None and span.parent.span_id in by_id:
            span = by_id[span.parent.span_id]
            yield span

    assert identify in ancestors(embed)
    stages = [span for span in ours if embed in ancestors(span)]
    assert {span.name for span in stages} >= {"preprocess", "queue", "infer", "postprocess"}
