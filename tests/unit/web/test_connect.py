"""Every RPC by the Connect protocol, before a fleet that answers by rule."""

import base64
import gzip
import http.client
import json
import socket
import threading
from typing import Any

import pytest
from convoy.core.errors import NotFound, ResourceExhausted
from convoy.v1 import detection_pb2
from convoy.web.connect import envelope
from convoy.web.methods import methods
from google.rpc import error_details_pb2

from tests.web_door import HOST, Answer, Door, web_door

DETECT = "/convoy.v1.DetectionService/Detect"
ENCODED = base64.b64encode(b"picture").decode()


def test_json_goes_in_and_comes_out(door: Door, fleet: Any) -> None:
    answer = door.send(DETECT, {"images": [{"encoded": ENCODED}], "detectionThreshold": 0.5, "model": {"name": "m"}})
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    (found,) = answer.json()["results"][0]["detections"]
    assert found["label"] == "cell" and found["box"] == {"xMin": 1.0, "xMax": 3.0, "yMax": 2.0}
    assert fleet.requests[0].images[0].encoded == b"picture"
    assert fleet.requests[0].detection_threshold == 0.5


def test_protobuf_goes_in_and_comes_out(door: Door) -> None:
    request = detection_pb2.DetectRequest(images=[{"encoded": b"x"}])
    answer = door.ask("POST", DETECT, request.SerializeToString(), {"content-type": "application/proto"})
    response = detection_pb2.DetectResponse.FromString(answer.content)
    assert response.results[0].detections[0].label == "cell"


def test_a_body_may_be_gzip_and_a_bomb_is_refused(addresses: dict[str, str]) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    with web_door(addresses, max_message_mb=1) as door:
        assert door.ask("POST", DETECT, gzip.compress(b'{"images": []}'), headers).status == 200
        assert door.ask("POST", DETECT, b"no gzip", headers).json()["code"] == "invalid_argument"
        bomb = door.ask("POST", DETECT, gzip.compress(bytes(50 << 20)), headers)
        assert bomb.status == 400 and "larger" in bomb.json()["message"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"imagez": []}', "UNKNOWN_FIELD"),
        ('{"model": {"nmae": "x"}}', "UNKNOWN_FIELD"),
        ("{", "BAD_JSON"),
        ("[]", "BAD_JSON"),
        ('{"detectionThreshold": "much"}', "BAD_JSON"),
        ("\xff\xfe", "BAD_JSON"),
        ("[" * 5000, "BAD_JSON"),
    ],
)
def test_json_that_is_no_request_is_refused(door: Door, body: str, reason: str) -> None:
    answer = door.ask("POST", DETECT, body.encode("latin-1"), {"content-type": "application/json"})
    assert answer.status == 400
    assert info_of(answer.json()).reason == reason


def test_an_unknown_field_is_named(door: Door) -> None:
    answer = door.send(DETECT, {"imagez": []})
    assert answer.json()["message"] == "DetectRequest has no field 'imagez'"


def test_an_error_of_a_service_comes_with_its_details(door: Door, fleet: Any) -> None:
    fleet.failures = [NotFound("MODEL_NOT_FOUND", "there is no model 'x'", {"model": "x"})]
    answer = door.send(DETECT, {})
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert info_of(answer.json()).reason == "MODEL_NOT_FOUND"


def test_a_full_queue_is_429_with_retry_info(door: Door, fleet: Any) -> None:
    fleet.failures = [ResourceExhausted("QUEUE_FULL", "full", 2.0)]
    answer = door.send(DETECT, {})
    assert (answer.status, answer.json()["code"]) == (429, "resource_exhausted")
    assert [detail["type"] for detail in answer.json()["details"]] == ["google.rpc.ErrorInfo", "google.rpc.RetryInfo"]


def test_other_content_types_are_415(door: Door) -> None:
    for media_type in ("text/plain", "application/connect+json", ""):
        answer = door.ask("POST", DETECT, b"{}", {"content-type": media_type})
        assert answer.status == 415 and "application/json" in answer.headers["accept-post"]


@pytest.mark.parametrize("said", ["soon", "-1", "1e3", "99999999999", " 1"])
def test_a_time_limit_that_is_no_number_is_refused(door: Door, said: str) -> None:
    answer = door.send(DETECT, {}, connect_timeout_ms=said)
    assert answer.status == (200 if said == " 1" else 400) or answer.status == 504


def test_the_caller_s_token_request_id_and_trace_go_on(door: Door, fleet: Any) -> None:
    seen: dict[str, Any] = {}
    fleet.hear = lambda request, context: seen.update(dict(context.invocation_metadata()))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    door.send(DETECT, {}, authorization="Bearer secret", x_request_id="mine", traceparent=trace)
    assert (seen["authorization"], seen["x-request-id"], seen["traceparent"]) == ("Bearer secret", "mine", trace)
    assert "convoy-client" not in seen


def test_the_client_s_address_goes_on_with_the_secret_alone(addresses: dict[str, str], fleet: Any) -> None:
    seen: dict[str, Any] = {}
    fleet.hear = lambda request, context: seen.update(dict(context.invocation_metadata()))
    with web_door(addresses, door_secret="s" * 32, web_proxies=("127.0.0.0/8",)) as door:
        door.send(DETECT, {}, x_forwarded_for="6.6.6.6, 203.0.113.7, 127.0.0.9")
        assert (seen["convoy-client"], seen["convoy-door"]) == ("203.0.113.7", "s" * 32)
        # A proxy may add a line of its own; what the caller wrote in the first one is not believed.
        caller = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
        caller.putrequest("POST", DETECT)
        for name, value in (("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9")):
            caller.putheader(name, value)
        caller.putheader("Content-Type", "application/json")
        caller.putheader("Content-Length", "2")
        caller.endheaders(b"{}")
        assert caller.getresponse().status == 200
        caller.close()
        assert seen["convoy-client"] == "203.0.113.9"
    with web_door(addresses, door_secret="s" * 32) as door:
        door.send(DETECT, {}, x_forwarded_for="203.0.113.7", convoy_client="203.0.113.8", convoy_door="x")
        assert (seen["convoy-client"], seen["convoy-door"]) == ("127.0.0.1", "s" * 32)


def test_a_call_of_several_services_is_asked_under_its_service(door: Door) -> None:
    assert "/services/classification" in door.send("/convoy.v1.ModelService/ListModels", {}).json()["message"]
    assert door.send("/services/recognition/convoy.v1.ModelService/ListModels", {}).json()["code"] == "not_found"
    # The fleet by rule has no such call, and says so: the question has arrived.
    assert door.send("/services/detection/convoy.v1.ModelService/ListModels", {}).json()["code"] == "unimplemented"


def test_every_method_of_the_protos_has_a_path(door: Door) -> None:
    """None is 404 or 405: each answers at least what the content type should be."""
    for path, method in methods().items():
        prefix = "" if len(method.services) == 1 else f"/services/{method.services[0]}"
        assert door.ask("POST", prefix + path, b"", {"content-type": "text/plain"}).status == 415
    assert len(methods()) > 40


def test_a_stream_that_is_no_stream_says_so_in_its_last_envelope(door: Door) -> None:
    for body in (b"\x00\x00", envelope(b'{"nothing": 1}'), envelope(b"{}") + b"\x00\xff\xff\xff\xff"):
        headers = {"content-type": "application/connect+json"}
        answer = door.ask("POST", "/convoy.v1.DetectionService/DetectStream", body, headers)
        assert answer.status == 200
        assert end_of(answer)["error"]["code"] == "invalid_argument"


def end_of(answer: Answer) -> Any:
    """What the last envelope of a stream says."""
    content, flags, last = answer.content, 0, b""
    while content:
        size = int.from_bytes(content[1:5], "big")
        flags, last, content = content[0], content[5 : 5 + size], content[5 + size :]
    assert flags == 2
    return json.loads(last)


def info_of(error: Any) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo of an error of Connect."""
    value = error["details"][0]["value"]
    return error_details_pb2.ErrorInfo.FromString(base64.b64decode(value + "=" * (-len(value) % 4)))


def test_bytes_that_are_no_message_are_the_caller_s_fault(door: Door) -> None:
    answer = door.ask("POST", DETECT, b"\xff", {"content-type": "application/proto"})
    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")


def test_a_call_is_given_up_when_its_client_hangs_up(door: Door, fleet: Any) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def wait(request: Any, context: Any) -> None:
        context.add_callback(is_over.set)
        has_begun.set()
        assert is_over.wait(60)

    fleet.hear = wait
    with socket.create_connection((HOST, door.port), timeout=20) as client:
        client.sendall(f"POST {DETECT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode())
        client.sendall(b"content-length: 2\r\n\r\n{}")
        assert has_begun.wait(20)
    assert is_over.wait(20)
