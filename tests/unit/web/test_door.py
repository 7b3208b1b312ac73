"""The web door lets in whom it knows, and tells everybody else why not."""

import select
import socket
from collections.abc import Iterator

import pytest
from convoy.web.application import CONSOLE

from tests.web_door import HOST, Door, web_door


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """No service is there: what is tested comes before any call."""
    with web_door({"detection": "127.0.0.1:9"}, web_hosts=("convoy.example",)) as running:
        yield running


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "convoy.example", "Convoy.Example", "localhost:8080"]
)
def test_it_answers_to_names_that_it_knows(door: Door, host: str) -> None:
    assert door.ask("GET", "/v2/health/live", headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.9.8.7", "", "localhost.evil.example", "a b"])
def test_it_answers_to_no_other(door: Door, host: str) -> None:
    answer = door.ask("GET", "/v2/health/live", headers={"Host": host})
    assert answer.status in (400, 421)
    if answer.status == 421:
        assert answer.reason == "UNKNOWN_HOST"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_pages_of_other_sites_may_call_nothing(door: Door, method: str, headers: dict[str, str]) -> None:
    answer = door.ask(method, "/v1/galleries/staff", headers=headers)
    assert (answer.status, answer.reason) == (403, "FOREIGN_ORIGIN")
    assert "access-control-allow-origin" not in answer.headers


def test_its_own_pages_may_and_a_link_may_be_followed(door: Door) -> None:
    own = {"Origin": door.url, "Sec-Fetch-Site": "same-origin"}
    assert door.ask("GET", "/v2/health/live", headers=own).status == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert door.ask("GET", "/v2/health/live", headers=link).status == 200
    assert door.ask("POST", "/v1/detect", headers=link).status == 403


def test_another_site_may_call_if_the_settings_name_it() -> None:
    with web_door({}, web_origins=("https://intranet.example",)) as door:
        named = {"Origin": "https://intranet.example", "Sec-Fetch-Site": "cross-site"}
        answer = door.ask("GET", "/v2/health/live", headers=named)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://intranet.example")
        assert door.ask("GET", "/v2/health/live", headers={"Origin": "https://evil.example"}).status == 403


def test_pages_of_a_named_site_can_read_why_a_call_was_refused() -> None:
    # As people write it: a capital, and a stroke at the end.
    with web_door({}, web_origins=("https://Intranet.example/",)) as door:
        origin = "https://intranet.example"
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert door.ask("OPTIONS", "/v1/detect", headers=preflight).status == 200
        for path in ("/v2/health/live", "/nothing"):
            answer = door.ask("GET", path, headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["vary"] == "Origin"
        foreign = door.ask("GET", "/nothing", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers


def test_every_answer_has_an_id_and_the_headers_that_protect_pages(door: Door) -> None:
    for path in ("/", "/v2/health/live", "/nothing"):
        answer = door.ask("GET", path, headers={"X-Request-Id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nothing", 404, "NO_SUCH_PATH"),
        ("GET", "/../../../../etc/passwd", 404, "NO_SUCH_PATH"),
        ("GET", "/..%2f..%2f..%2fetc%2fpasswd", 404, "NO_SUCH_PATH"),
        ("GET", "/%00", 404, "NO_SUCH_PATH"),
        ("GET", "/v1/detect", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/v1/detect", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/convoy.v1.DetectionService/Detect", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/convoy.v1.DetectionService/Nothing", 404, "NO_SUCH_PATH"),
    ],
)
def test_what_is_not_there_is_told_as_a_problem(door: Door, method: str, path: str, status: int, reason: str) -> None:
    answer = door.ask(method, path)
    assert (answer.status, answer.reason) == (status, reason)
    assert set(answer.json()) >= {"type", "title", "status", "detail", "code", "reason", "request_id"}


def test_a_service_that_is_away_is_unavailable_and_its_address_is_not_told(door: Door) -> None:
    answer = door.ask("POST", "/v1/detect", b"x", {"content-type": "image/jpeg", "connect-timeout-ms": "300"})
    assert answer.status in (503, 504)
    assert b":9" not in answer.content


def test_too_much_is_refused_before_it_is_sent() -> None:
    with web_door({}, max_message_mb=1) as door, socket.create_connection((HOST, door.port), timeout=20) as client:
        client.sendall(b"POST /v1/detect HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\n")
        client.sendall(f"content-length: {60 << 20}\r\n\r\n".encode())
        assert b" 413 " in client.recv(200)


def test_chunks_without_an_end_are_refused() -> None:
    with web_door({}, max_message_mb=1) as door, socket.create_connection((HOST, door.port), timeout=20) as client:
        client.sendall(b"POST /v1/detect HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\n")
        client.sendall(b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(1000):
            try:
                client.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            except OSError:
                break
            if select.select([client], [], [], 0)[0]:
                break
        assert b" 413 " in client.recv(200)


def test_the_console_works_over_http_from_another_machine() -> None:
    # Browsers have these in secure contexts alone. (The camera is another matter: the page says so.)
    missing = ("crypto.randomUUID", "crypto.subtle", "navigator.clipboard")
    for script in CONSOLE.rglob("*.js"):
        assert not [word for word in missing if f"{word}(" in script.read_text() or f"{word}." in script.read_text()]
