"""Writes that meet one another are tried again in order of arrival, until the caller's time is over."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from convoy.core.errors import ResourceExhausted, Unavailable
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.store import connection
from convoy.recognition.store.base import Conflict
from convoy.recognition.store.connection import answered
from convoy.recognition.store.tries import Turns


class Record:
    """A record that is read, thought about, and written if nobody has changed it meanwhile."""

    def __init__(self) -> None:
        self.version = 0
        self.written: list[str] = []

    async def change(self, who: str, steps: int) -> int:
        read = self.version
        for _ in range(steps):
            await asyncio.sleep(0)
        if read != self.version:
            raise Conflict
        self.version += 1
        self.written.append(who)
        return self.version


@pytest.fixture(autouse=True)
def call() -> Iterator[None]:
    begin_call(Call(deadline=time.monotonic() + 60))
    yield
    begin_call(Call())


async def test_a_slow_writer_beside_busy_ones_has_its_turn() -> None:
    record, turns, is_over = Record(), Turns(), False

    async def busy() -> None:
        while not is_over:
            await turns.tried_again("staff", lambda: record.change("busy", 1))

    others = [asyncio.create_task(busy()) for _ in range(4)]
    for _ in range(20):
        # It takes so many steps that a busy writer always comes between, unless it waits.
        await turns.tried_again("staff", lambda: record.change("slow", 30))
    is_over = True
    await asyncio.gather(*others)
    assert record.written.count("slow") == 20


async def test_who_came_first_is_first() -> None:
    record, turns = Record(), Turns()
    names = [f"w{number}" for number in range(20)]
    await asyncio.gather(*(turns.tried_again("staff", lambda who=who: record.change(who, 3)) for who in names))
    # The first had no rival yet; all others met it, and lined up as they came.
    assert record.written == names


async def test_galleries_do_not_wait_for_one_another() -> None:
    record, turns, held = Record(), Turns(), asyncio.Event()

    async def stuck() -> int:
        await held.wait()
        return 0

    async def meets() -> int:
        raise Conflict

    begin_call(Call(deadline=time.monotonic() + 0.3))
    with pytest.raises(Unavailable) as refused:
        await turns.tried_again("staff", meets)
    assert refused.value.reason == "STORE_CONTENDED"
    waiting = asyncio.create_task(turns.tried_again("staff", stuck))
    await asyncio.sleep(0)
    assert await turns.tried_again("guests", lambda: record.change("other", 1)) == 1
    held.set()
    await waiting


async def test_a_store_that_is_silent_is_away_and_a_replica_that_asks_too_much_is_overloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "ANSWERS_IN_S", 0.05)
    monkeypatch.setattr(connection, "LATE_S", 1e9)
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(Unavailable) as silent:
        await answered(asyncio.shield(never))
    assert silent.value.reason == "STORE_UNAVAILABLE"
    monkeypatch.setattr(connection, "CROWD", 3)
    calls = (answered(asyncio.shield(never)) for _ in range(6))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3 + [ResourceExhausted] * 3
    assert {outcome.reason for outcome in outcomes[3:]} == {"QUEUE_FULL"}  # type: ignore[union-attr]
    monkeypatch.setattr(connection, "LATE_S", -1)
    with pytest.raises(ResourceExhausted):
        await answered(asyncio.shield(never))
