"""Bodies find room before they are kept: who fills a share with unfinished ones is refused, and nobody else."""

import socket
from collections.abc import Iterator

import pytest
from convoy.core.errors import ResourceExhausted
from convoy.web import holding
from convoy.web.holding import Holding, make_room

from tests.web_door import HOST, Door, web_door

PART = 400_000


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Messages of 1 MiB at most, and as little room as there can be: half of it is the largest JSON body."""
    monkeypatch.setattr(holding, "PATIENCE_S", 0.2)
    with web_door({"classification": "127.0.0.1:9"}, max_message_mb=1, message_memory_mb=1) as running:
        yield running


def begin(door: Door, sent: int) -> socket.socket:
    """A picture of 1 MB of which so many bytes came."""
    caller = socket.create_connection((HOST, door.port))
    head = "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\n"
    caller.sendall(head.encode() + bytes(sent))
    return caller


def test_unfinished_bodies_take_no_more_than_a_share_and_give_it_back(door: Door) -> None:
    callers = [begin(door, PART) for _ in range(4)]
    # Together they are more than one caller's share, so at least one of them is told.
    first = next(caller for caller in callers if (caller.settimeout(1) or answered(caller)))
    assert first is not None
    for caller in callers:
        caller.close()
    image = {"Content-Type": "image/png"}
    answers = [door.ask("POST", "/v1/classify", bytes(PART), image) for _ in range(2)]
    assert {answer.reason for answer in answers} == {"SERVICE_UNREACHABLE"}  # it had room, and went on


def answered(caller: socket.socket) -> bool:
    try:
        said = caller.recv(4096)
    except TimeoutError:
        return False
    assert b" 429 " in said.split(b"\r\n")[0] and b"MESSAGES_FULL" in said
    return True


async def test_a_caller_has_half_and_a_part_that_is_done_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "PATIENCE_S", 0.01)
    room = make_room(100, 0)
    greedy, calm = Holding(room, "greedy"), Holding(room, "calm")
    await greedy.take(90)
    with pytest.raises(ResourceExhausted, match="take all memory for messages"):
        await greedy.take(20)
    await calm.take(100)
    greedy.give(40)
    await greedy.take(50)
    greedy.release()
    calm.release()
    assert room.used == 0
