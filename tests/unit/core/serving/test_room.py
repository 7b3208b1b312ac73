"""Messages wait for room, take turns by connection, and no caller takes all of it."""

import asyncio

import pytest
from convoy.core.errors import ResourceExhausted
from convoy.core.serving.open_calls import OpenCalls
from convoy.core.serving.room import MOST_WAITING, Room


async def test_a_message_waits_until_there_is_room() -> None:
    room = Room(100)
    assert await room.take("a", "a1", 50) == 50
    assert await room.take("b", "b1", 50) == 50
    waiting = asyncio.ensure_future(room.take("c", "c1", 10))
    await asyncio.sleep(0)
    assert not waiting.done() and room.longest_wait_s > 0
    room.give("a", 50)
    assert await waiting == 10
    assert (room.used, room.longest_wait_s) == (60, 0)


async def test_one_caller_gets_half() -> None:
    room = Room(100)
    await room.take("greedy", "g1", 30)
    waiting = asyncio.ensure_future(room.take("greedy", "g2", 30))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await room.take("calm", "c1", 30) == 30
    room.give("greedy", 30)
    await waiting


async def test_who_waits_for_bytes_of_their_own_is_told_from_who_waits_for_others() -> None:
    room = Room(100)
    room.add("greedy", 40)
    greedy = asyncio.ensure_future(room.take("greedy", "g1", 30))
    await asyncio.sleep(0.01)
    assert room.kept_waiting(0) == (False, {"greedy"})
    room.add("calm", 55)
    late = asyncio.ensure_future(room.take("late", "l1", 30))
    await asyncio.sleep(0.01)
    assert room.kept_waiting(0) == (True, {"greedy"})
    assert room.kept_waiting(60) == (False, set())
    greedy.cancel()
    late.cancel()
    await asyncio.gather(greedy, late, return_exceptions=True)
    assert room.kept_waiting(0) == (False, set())


async def test_one_caller_takes_half_of_the_places_to_wait() -> None:
    room = Room(100)
    room.add("greedy", 60)
    many = [asyncio.ensure_future(room.take("greedy", f"g{i % 2}", 30)) for i in range(MOST_WAITING)]
    await asyncio.sleep(0)
    refused = [one for one in many if one.done()]
    assert len(refused) == MOST_WAITING // 2
    assert {type(one.exception()) for one in refused} == {ResourceExhausted}
    assert await room.take("calm", "c1", 30) == 30
    for one in many:
        one.cancel()
    await asyncio.gather(*many, return_exceptions=True)
    assert not room._waiters and room._all_waiters == 0


async def test_who_waits_in_vain_is_told_so_and_leaves_nothing_behind() -> None:
    room = Room(100)
    room.add("a", 100)
    with pytest.raises(ResourceExhausted) as refused:
        await room.take("b", "b1", 1, patience_s=0)
    assert refused.value.reason == "MESSAGES_FULL"
    gone = asyncio.ensure_future(room.take("b", "b1", 1))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    room.give("a", 100)
    assert (room.used, room.longest_wait_s) == (0, 0)


async def test_who_gives_up_as_the_turn_comes_gives_it_back() -> None:
    room = Room(100)
    room.add("a", 100)
    late = asyncio.ensure_future(room.take("b", "b1", 60))
    await asyncio.sleep(0)
    room.give("a", 100)  # the turn is given, and before the task runs the caller is gone
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert room.used == 0


async def test_a_connection_with_many_messages_does_not_hold_up_another() -> None:
    room, order = Room(100), []

    async def one(who: str, connection: str) -> None:
        size = await room.take(who, connection, 40)
        order.append(connection)
        await asyncio.sleep(0)
        room.give(who, size)

    room.add("x", 100)
    many = [asyncio.ensure_future(one("host", "flood")) for _ in range(5)]
    await asyncio.sleep(0)
    calm = asyncio.ensure_future(one("host", "calm"))
    await asyncio.sleep(0)
    room.give("x", 100)
    await asyncio.gather(*many, calm)
    assert order.index("calm") == 1
    assert room.used == 0


async def test_who_is_passed_by_keeps_their_place() -> None:
    room, order = Room(100), list[str]()

    async def one(who: str, connection: str, size: int) -> None:
        await room.take(who, connection, size)
        order.append(connection)

    room.add("host", 50)
    room.add("x", 40)
    tasks = [asyncio.ensure_future(one("host", f"h{number}", 10)) for number in range(3)]
    tasks.append(asyncio.ensure_future(one("y", "y1", 60)))
    for _ in range(5):
        await asyncio.sleep(0)
        room.give("x", 1)  # looks at who waits: the host has its share, the other finds no room
    assert order == []
    for size in (10, 10, 10):
        room.give("host", size)
        await asyncio.sleep(0)
    assert order == ["h0", "h1", "h2"]
    tasks.pop().cancel()
    await asyncio.gather(*tasks)


async def test_a_message_larger_than_the_room_goes_alone() -> None:
    room = Room(100)
    assert await room.take("a", "a1", 1000) == 100


def test_open_calls_are_bounded_for_all_and_for_each() -> None:
    calls = OpenCalls(4)
    with calls.one_more("a"), calls.one_more("a"):
        with pytest.raises(ResourceExhausted, match="too many"), calls.one_more("a"):
            pass
        with calls.one_more("b"), calls.one_more("c"), pytest.raises(ResourceExhausted), calls.one_more("d"):
            pass
        with calls.one_more("b"):
            pass
