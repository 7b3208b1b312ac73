"""Finds the connections of this process by their peers, and asks each of them only once who it is."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from convoy.core.serving import connections
from convoy.core.serving.connections import Connections, peer_name

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much has arrived")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def connect(listener: socket.socket, stack: ExitStack) -> tuple[socket.socket, socket.socket, str]:
    """A new connection: the client's end, the server's, and the client's name."""
    client = stack.enter_context(socket.create_connection(listener.getsockname()))
    accepted, address = listener.accept()
    return client, stack.enter_context(accepted), peer_name(address)


def test_a_new_connection_costs_no_look_at_the_peers_of_the_others(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, asked, ask = Connections(), [], connections.peer_of
    with ExitStack() as stack:
        for _ in range(20):
            _, _, peer = connect(listener, stack)
        assert found.received([peer]) == {peer: 0}
        monkeypatch.setattr(connections, "peer_of", lambda number: asked.append(number) or ask(number))
        client, _, newcomer = connect(listener, stack)
        client.sendall(b"seven B")
        assert found.received([newcomer]) == {newcomer: 7}
        assert len(asked) <= 4  # both ends of the new connection, and what was looked up


def test_a_descriptor_that_is_used_again_belongs_to_its_new_peer(listener: socket.socket) -> None:
    found = Connections()
    with ExitStack() as stack:
        _, _, before = connect(listener, stack)
        assert found.received([before]) == {before: 0}
    with ExitStack() as stack:
        _, _, after = connect(listener, stack)
        assert found.received([before, after]) == {after: 0}
