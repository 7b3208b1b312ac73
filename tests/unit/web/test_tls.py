"""The web door with TLS: HTTP/1.1 and HTTP/2 on one port, streams both ways, certificates that change."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from convoy.web.connect import envelope
from cryptography import x509

from tests.certificates import Authority
from tests.http2_client import Call
from tests.web_door import HOST, Door, web_door

STREAM = "/convoy.v1.RecognitionService/IdentifyStream"
CONNECT = {"content-type": "application/connect+json"}


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def folder(authority: Authority, tmp_path: Path) -> Path:
    return authority.fill(tmp_path / "door")


@contextmanager
def connected(
    door: Door, authority: Authority, *protocols: str, identity: Path | None = None
) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if identity is not None:
        context.load_cert_chain(identity / "tls.crt", identity / "tls.key")
    context.set_alpn_protocols(list(protocols))
    with (
        socket.create_connection((HOST, door.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        yield secure


def live(door: Door, authority: Authority, identity: Path | None = None) -> int:
    """The status over HTTP/1.1."""
    with connected(door, authority, "http/1.1", identity=identity) as secure:
        secure.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return int(secure.recv(64).split()[1])


def talk(call: Call) -> None:
    """Each message is answered before the next is sent; the last envelope says how it ended."""
    for number in ("0", "1", "2"):
        call.send(envelope(json.dumps({"id": number, "request": {"gallery": "staff"}}).encode()))
        size = int.from_bytes(call.take(5)[1:], "big")
        assert json.loads(call.take(size))["id"] == number
    call.end()
    assert call.take(5)[0] == 2 and json.loads(call.take(1000)) == {}
    assert call.headers[":status"] == "200"


def test_both_versions_are_spoken_and_streams_go_both_ways(
    addresses: dict[str, str], authority: Authority, folder: Path
) -> None:
    with web_door(addresses, tls_cert=folder) as door:
        assert live(door, authority) == 200
        with connected(door, authority, "h2", "http/1.1") as secure:
            assert secure.selected_alpn_protocol() == "h2"
            talk(Call(secure, STREAM, CONNECT, "https"))
        # Clear text is no answer, and an authority that the client does not know no server.
        with pytest.raises((OSError, http.client.HTTPException)):
            door.ask("GET", "/v2/health/live")
        with pytest.raises(ssl.SSLCertVerificationError):
            live(door, Authority("stranger"))


def test_streams_go_both_ways_in_clear_text_too(door: Door) -> None:
    with socket.create_connection((HOST, door.port), timeout=60) as plain:
        talk(Call(plain, STREAM, CONNECT, "http"))


def test_hosts_and_pages_are_checked_over_http_2_too(door: Door) -> None:
    for headers, status in (({"origin": "https://evil.example"}, "403"), ({":authority": "evil.example"}, "421")):
        with socket.create_connection((HOST, door.port), timeout=60) as plain:
            call = Call(plain, "/v1/detect", {"content-type": "image/jpeg", **headers}, "http")
            call.end()
            call.take(1)
            assert call.headers[":status"] == status


def test_new_certificates_are_used_without_a_restart_and_broken_ones_are_not(
    authority: Authority, folder: Path
) -> None:
    def serial(of: Authority) -> int:
        with connected(door, of, "http/1.1") as secure:
            return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"").serial_number

    with web_door({}, tls_cert=folder) as door:
        first = serial(authority)
        with connected(door, authority, "http/1.1") as open_before:
            other = Authority("another")
            other.fill(folder)
            second = serial(other)
            assert second != first
            (folder / "tls.crt").write_bytes(b"half a fi")
            assert serial(other) == second
            # A connection that was there goes on.
            open_before.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in open_before.recv(64)


def test_a_client_proves_itself_where_the_settings_ask_for_it(
    authority: Authority, folder: Path, tmp_path: Path
) -> None:
    with web_door({}, tls_cert=folder, tls_client_ca=folder) as door:
        assert live(door, authority, authority.fill(tmp_path / "client")) == 200
        for identity in (None, Authority("stranger").fill(tmp_path / "stranger")):
            with pytest.raises((OSError, IndexError)):
                live(door, authority, identity)
