"""JSON becomes the message that protobuf's own reader makes of it, however long the pictures in it are."""

import base64
import json
from typing import Any

import pytest
from convoy.core.errors import InvalidArgument
from convoy.inference import open_inference_pb2
from convoy.v1 import detection_pb2, recognition_pb2
from convoy.web.json_messages import read_json
from google.protobuf import json_format

LONG, SHORT = bytes(range(256)) * 40, b"short"
IN_JSON = base64.b64encode(LONG).decode()
MESSAGES: list[tuple[Any, dict[str, Any]]] = [
    (detection_pb2.DetectRequest, {"images": [{"encoded": IN_JSON}, {"encoded": "c2hvcnQ="}, {}], "maxDetections": 3}),
    (detection_pb2.DetectRequest, {"images": [{"encoded": base64.urlsafe_b64encode(LONG).decode().rstrip("=")}]}),
    (
        recognition_pb2.RegisterRequest,
        {"person_id": "ada", "photos": [{"encoded": IN_JSON}], "metadata": {"a": IN_JSON}},
    ),
    (recognition_pb2.IdentifyRequest, {"gallery": "g", "image": {"encoded": IN_JSON}, "nearest": 2}),
    (open_inference_pb2.ModelInferRequest, {"modelName": "m", "raw_input_contents": ["c2hvcnQ=", IN_JSON]}),
    (open_inference_pb2.ModelInferRequest, {"inputs": [{"contents": {"bytesContents": [IN_JSON, IN_JSON]}}]}),
]


@pytest.mark.parametrize(("kind", "values"), MESSAGES, ids=range(len(MESSAGES)))
def test_long_pictures_are_read_as_protobuf_reads_them(kind: Any, values: dict[str, Any]) -> None:
    content = json.dumps(values)
    assert read_json(content.encode(), kind) == json_format.Parse(content, kind())
    assert LONG in read_json(content.encode(), kind).SerializeToString()


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"images": [{"encoded": IN_JSON, "pixels": {"data": IN_JSON}}]}),
        json.dumps({"images": {"encoded": IN_JSON}}),
        json.dumps({"images": [IN_JSON]}),
        '{"maxDetections": 1, "maxDetections": 2}',
    ],
    ids=["two sources", "no list", "no object", "twice"],
)
def test_what_protobuf_refuses_is_refused(content: str) -> None:
    with pytest.raises(json_format.ParseError):
        json_format.Parse(content, detection_pb2.DetectRequest())
    with pytest.raises(InvalidArgument) as refused:
        read_json(content.encode(), detection_pb2.DetectRequest)
    assert refused.value.reason in ("BAD_JSON", "UNKNOWN_FIELD")
