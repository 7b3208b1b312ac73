"""The kernel drops what closed hosts send to a socket that listens, and nothing else."""

import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from convoy.core.serving.closed_hosts import MOST_CLOSED, close_to, hang_up
from convoy.core.serving.connections import descriptors, peer_name

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such filters")
OTHERS = [f"ipv4:10.1.{n}.3" for n in range(100)] + [f"ipv6:2001:db8:{n:x}::/64" for n in range(MOST_CLOSED // 2)]
CLOSED_SOON_S = 0.3


@pytest.fixture(params=["127.0.0.1", "::"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which somebody listens: by IPv4 alone, and by both."""
    if request.param == "::":
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    else:
        listener = socket.create_server((request.param, 0))
    with listener:
        yield listener.getsockname()[1]


def connects(port: int, source: str) -> bool:
    target = "::1" if ":" in source else "127.0.0.1"
    try:
        with socket.create_connection((target, port), CLOSED_SOON_S, (source, 0)):
            return True
    except TimeoutError:
        return False


def test_a_closed_host_makes_no_connection_until_it_is_let_in_again(port: int) -> None:
    assert connects(port, "127.0.0.2")
    before = len(descriptors())
    close_to(port, [*OTHERS, "ipv4:127.0.0.2"])
    assert len(descriptors()) == before
    assert not connects(port, "127.0.0.2") and connects(port, "127.0.0.1") and connects(port, "127.0.0.3")
    close_to(port, OTHERS)
    assert connects(port, "127.0.0.2")
    close_to(port, ["ipv4:127.0.0.2"])
    close_to(port, [])
    close_to(port, [])
    assert connects(port, "127.0.0.2")


@pytest.mark.parametrize(("host", "is_closed"), [("ipv6:::1", True), ("ipv6:::/64", True), ("ipv6:::2", False)])
def test_a_host_of_ipv6_is_an_address_or_a_network(host: str, is_closed: bool) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        close_to(port, [*OTHERS, host])
        assert connects(port, "::1") is not is_closed


def test_to_hang_up_ends_those_connections_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        accepted = [listener.accept()[0] for _ in ends]
        ends[0].sendall(b"much" * 1000)
        hang_up({peer_name(ends[0].getsockname())})
        assert ends[0].recv(1) == b""
        ends[0].sendall(b"more")
        assert accepted[0].recv(1) == b""  # nothing of what was sent
        accepted[1].sendall(b"x")
        assert ends[1].recv(1) == b"x"
        for one in (*ends, *accepted):
            with closing(one):
                pass
