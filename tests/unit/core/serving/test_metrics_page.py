"""The metrics page has few threads: who is silent loses them, and everybody else is answered."""

import socket
import threading
import time
import urllib.request

import pytest
from convoy.core.serving import metrics_page
from convoy.core.serving.metrics_page import MOST_CALLERS, MetricsPage
from convoy.core.serving.ports import address_of, check_port


def read(url: str) -> bytes:
    content: bytes = urllib.request.urlopen(url, timeout=10).read()
    return content


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::", "[::]", "0.0.0.0"])
def test_it_answers_on_every_kind_of_address(host: str) -> None:
    check_port(host, 0, "the page", "")
    page = MetricsPage(host, 0)
    reached = ["[::1]" if ":" in host else "127.0.0.1"] + (["127.0.0.1"] if host.strip("[]") == "::" else [])
    for name in reached:
        assert b"python_info" in read(f"http://{name}:{page.port}/metrics")
    page.close()


def test_silent_callers_take_few_threads_and_lose_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_page._Handler, "timeout", 0.2)
    page, before = MetricsPage("127.0.0.1", 0), threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(100)]
    for one in silent:
        one.settimeout(30)
        assert one.recv(1) == b""  # hung up, at once or after the silence
        assert threading.active_count() <= before + MOST_CALLERS
        one.close()
    while True:  # the last threads end
        try:
            assert b"python_info" in read(f"http://127.0.0.1:{page.port}/metrics")
            break
        except OSError:
            time.sleep(0.05)
    page.close()


def test_a_caller_who_never_ends_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends a byte ten times a second, so it is never silent."""
    monkeypatch.setattr(metrics_page, "LONGEST_S", 0.5)
    page = MetricsPage("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", page.port)) as endless:
        endless.settimeout(0.1)
        while True:
            try:
                endless.sendall(b"G")
                if endless.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    page.close()


@pytest.mark.parametrize(
    ("host", "address"), [("::", "[::]:5"), ("[::]", "[::]:5"), ("0.0.0.0", "0.0.0.0:5"), ("unix:/a", "unix:/a")]
)
def test_an_address_for_grpc(host: str, address: str) -> None:
    assert address_of(host, 5) == address
