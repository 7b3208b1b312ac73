"""A body that is far too large, one that never ends and one that is cut: each door refuses it in its own words."""

import http.client
import json
from collections.abc import Iterator

import pytest
from convoy.core.api import SERVICES

from tests.web_door import Answer, Door, web_door

FORM = "multipart/form-data; boundary=edge"
PART = b'--edge\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
AMAZON = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "RekognitionService.DetectFaces"}
CALLS: dict[str, tuple[str, dict[str, str], bytes]] = {
    "compreface": ("/api/v1/recognition/recognize", {"content-type": FORM}, PART.replace(b'"image"', b'"file"')),
    "deepstack": ("/v1/vision/detection", {"content-type": FORM}, PART),
    "rekognition": ("/", AMAZON, b'{"Image": {"Bytes": "'),
}
MEGABYTE = b"A" * 2**20


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """No service answers behind it: none is asked."""
    doors = "compreface,deepstack,rekognition"
    with web_door(dict.fromkeys(SERVICES, "127.0.0.1:9"), web_doors=doors, max_message_mb=20) as running:
        yield running


def told(name: str, answer: Answer) -> str:
    """The kind of a refusal in the door's own words."""
    said = answer.json()
    if name == "compreface":
        assert set(said) == {"message", "code"} and said["message"]
        return f"{answer.status} {said['code']}"
    if name == "deepstack":
        assert said["success"] is False and said["error"]
        return f"{answer.status} {said['reason']}"
    assert said["Message"]
    return f"{answer.status} {said['__type']}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("compreface", "413 0"), ("deepstack", "413 MESSAGE_TOO_LARGE"), ("rekognition", "400 ImageTooLargeException")],
)
def test_sixty_megabytes_are_refused(door: Door, name: str, kind: str) -> None:
    """By what the request says of itself: who sends on without listening may see a broken connection instead."""
    path, headers, start = CALLS[name]
    caller = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    try:
        caller.putrequest("POST", path)
        for header, value in (headers | {"content-length": str(60 * len(MEGABYTE))}).items():
            caller.putheader(header, value)
        caller.endheaders(start)
        answer = caller.getresponse()
        assert told(name, Answer(answer.status, {}, answer.read())) == kind
        assert answer.getheader("connection") == "close"
    finally:
        caller.close()


@pytest.mark.parametrize("name", CALLS)
def test_a_body_without_end_is_refused_at_the_limit(door: Door, name: str) -> None:
    path, headers, start = CALLS[name]
    caller, sent = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60), 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield start
        while True:
            sent += 1
            assert sent < 2000, "it is read for ever"
            yield MEGABYTE

    try:
        caller.request("POST", path, endless(), headers, encode_chunked=True)
    except OSError:
        pass  # It hung up, having answered.
    finally:
        caller.close()
    assert 10 < sent < 2000


@pytest.mark.parametrize(
    ("name", "kind"),
    [("compreface", "400 26"), ("deepstack", "400 BAD_ARGUMENT"), ("rekognition", "400 InvalidParameterException")],
)
def test_a_body_that_is_cut_is_refused(door: Door, name: str, kind: str) -> None:
    path, headers, start = CALLS[name]
    assert told(name, door.ask("POST", path, start + b"photo", headers)) == kind


def test_fields_without_number_are_refused(door: Door) -> None:
    field = b'--edge\r\ncontent-disposition: form-data; name="%d"\r\n\r\nx\r\n'
    body = b"".join(field % number for number in range(20_000)) + b"--edge--\r\n"
    for name in ("compreface", "deepstack"):
        path, headers, _ = CALLS[name]
        answer = door.ask("POST", path, body, headers)
        assert answer.status in (400, 413), json.loads(answer.content)
