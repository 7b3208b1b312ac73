"""Who resets calls in a flood is cut off; who is merely refused, late or busy is not."""

from collections.abc import Collection, Iterable

import pytest
from convoy.core.serving.call_counts import CallCounts, ServerGone, Streams
from convoy.core.serving.reset_floods import SHUT_OUT_S, STRIKES, ResetFloods

MOST = 100.0
FLOOD, CALM, HERE = "ipv4:10.0.0.1", "ipv4:10.0.0.2", "ipv4:127.0.0.1"


class Scene:
    """What gRPC counts, what handlers have seen, and a gate that writes down what it is told. One look is a second."""

    def __init__(self) -> None:
        self.now, self.calls, self.handled = 0.0, 0, 0
        self.by_peer: dict[str, Streams] = {}
        self.hung_up: set[str] = set()
        self.closed: set[str] = set()
        self.looks_at_streams = 0
        self.floods = ResetFloods(self, self, MOST, lambda: self.handled, lambda: self.now)

    def begun(self) -> int:
        return self.calls

    def streams(self) -> dict[str, Streams]:
        self.looks_at_streams += 1
        return dict(self.by_peer)

    def hang_up(self, peers: Collection[str]) -> None:
        self.hung_up |= set(peers)

    def close_to(self, hosts: Iterable[str]) -> None:
        self.closed = set(hosts)

    def look(self, peers: dict[str, Streams], handled: int = 0) -> None:
        """Another second in which these connections began, and failed, so many streams."""
        self.now += 1
        self.handled += handled
        for peer, more in peers.items():
            self.by_peer[peer] = self.by_peer.get(peer, Streams()) + more
            self.calls += more.begun
        self.floods.look()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_host_that_resets_on_many_connections_is_shut_out_for_a_while(scene: Scene) -> None:
    flood = {f"{FLOOD}:{port}": Streams(50, 50) for port in range(5)}
    calm = {f"{CALM}:1": Streams(10, 0), f"{FLOOD}:99": Streams(10, 1)}
    for _ in range(STRIKES):
        scene.look(flood | calm, handled=20)
    assert not scene.closed  # the first look has nothing to compare with
    scene.look(flood | calm, handled=20)
    assert scene.hung_up == set(flood)  # and not the calm one of the same host
    assert scene.closed == {FLOOD}
    scene.now += SHUT_OUT_S
    scene.look({f"{CALM}:1": Streams(10, 0)}, handled=10)
    assert scene.closed == set()


def test_connections_that_came_since_the_last_look_count_whole(scene: Scene) -> None:
    for look in range(STRIKES + 1):
        scene.look({f"{FLOOD}:{port}": Streams(50, 50) for port in range(5 * look, 5 * look + 5)})
    assert scene.closed == {FLOOD}


def test_where_handlers_see_the_calls_nobody_looks_at_connections(scene: Scene) -> None:
    for _ in range(5):
        scene.look({f"{FLOOD}:1": Streams(5000, 5000)}, handled=4950)
    assert scene.looks_at_streams == 0 and not scene.hung_up


def test_whose_deadlines_pass_while_the_service_stands_still_is_no_flood(scene: Scene) -> None:
    for _ in range(5):
        scene.look({f"{CALM}:1": Streams(1000, 1000)})
        scene.look({f"{CALM}:1": Streams(1000, 1000)})
        scene.look({f"{CALM}:1": Streams(100, 0)}, handled=100)
    assert scene.looks_at_streams and not scene.hung_up and not scene.closed


def test_who_fails_beside_a_flood_is_no_flood(scene: Scene) -> None:
    peers = {f"{FLOOD}:1": Streams(5000, 5000), f"{CALM}:1": Streams(200, 200)}
    for _ in range(STRIKES + 1):
        scene.look(peers)
    assert scene.closed == {FLOOD} and scene.hung_up == {f"{FLOOD}:1"}


@pytest.mark.parametrize("streams", [Streams(1000, 700), Streams(90, 90)])
def test_whose_calls_are_answered_too_or_who_makes_few_is_no_flood(scene: Scene, streams: Streams) -> None:
    for _ in range(5):
        scene.look({f"{CALM}:1": streams, f"{HERE}:1": Streams(500, 0)})
    assert scene.looks_at_streams and not scene.hung_up and not scene.closed


def test_this_machine_is_hung_up_on_but_not_shut_out(scene: Scene) -> None:
    for _ in range(STRIKES + 1):
        scene.look({f"{HERE}:1": Streams(500, 500)})
    assert scene.hung_up == {f"{HERE}:1"} and not scene.closed


def test_the_watch_ends_with_its_server(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = CallCounts()
    counts._server = 2**40  # gRPC has had no such server
    with pytest.raises(ServerGone):
        counts.begun()
    monkeypatch.setattr(scene, "begun", counts.begun)
    scene.floods._run()
