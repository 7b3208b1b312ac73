"""Callers take turns in threads; a flood keeps nobody waiting; what a caller gives up is held until it has ended."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from convoy.core.models.fair_threads import FairThreads
from convoy.core.models.shares import PromptThreads, Shares
from convoy.core.turns import Turn, begin_turn


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def threads(gate: threading.Event) -> Iterator[FairThreads]:
    prompt = PromptThreads(1, "prompt", Shares(1))
    with ThreadPoolExecutor(1) as pool:
        yield FairThreads(pool, 1, prompt)
        gate.set()
    prompt.shutdown()


def run(
    threads: FairThreads,
    who: str,
    order: list[str],
    gate: threading.Event | None,
    begun: threading.Event | None = None,
) -> "asyncio.Task[None]":
    def work() -> None:
        if begun is not None:
            begun.set()
        assert gate is None or gate.wait(30)
        order.append(who)

    async def one() -> None:
        begin_turn(Turn(who, who))
        await threads.run(work)

    return asyncio.create_task(one(), context=copy_context())


async def test_who_asks_for_little_waits_for_nothing_of_a_flood(threads: FairThreads, gate: threading.Event) -> None:
    order: list[str] = []
    flood = [run(threads, "flood", order, gate) for _ in range(9)]
    await asyncio.sleep(0)
    await asyncio.wait_for(run(threads, "calm", order, None), 10)
    assert order == ["calm"]
    gate.set()
    await asyncio.gather(*flood)


async def test_two_floods_take_turns(threads: FairThreads, gate: threading.Event) -> None:
    order: list[str] = []
    flood = [run(threads, who, order, gate) for who in ("one",) * 4 + ("other",) * 4]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*flood)
    # Two threads work, so one piece may overtake another. In the order of arrival all four would be of the first flood.
    assert 1 <= order[:4].count("one") <= 3


async def test_a_caller_who_gives_up_waits_for_the_end_of_what_runs(
    threads: FairThreads, gate: threading.Event
) -> None:
    order, begun = list[str](), threading.Event()
    running, waiting = (run(threads, who, order, gate, begun) for who in ("runs", "waits"))
    assert await asyncio.to_thread(begun.wait, 30)
    running.cancel()
    waiting.cancel()
    done, _ = await asyncio.wait([running, waiting], timeout=0.05)
    assert done == {waiting}  # nothing works for this one
    running.cancel()
    await asyncio.sleep(0)
    assert not running.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert order == ["runs"]


async def test_what_fails_raises_and_the_next_one_runs(threads: FairThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)
    assert await threads.run(lambda: 7) == 7
