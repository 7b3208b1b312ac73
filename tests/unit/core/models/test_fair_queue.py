"""Callers take turns in the queue, by weight and by connection; nobody's items overtake one another."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import numpy.typing as npt
import pytest
from convoy.core.errors import ResourceExhausted
from convoy.core.models.batching import Answer, Batcher, BatchPolicy
from convoy.core.models.engine import Outputs
from convoy.core.models.fair_queue import FairQueue
from convoy.core.models.shares import PromptThreads, Shares
from convoy.core.turns import Turn, begin_turn
from hypothesis import given
from hypothesis import strategies as st


def drained(queue: FairQueue[str]) -> list[str]:
    return list(iter(lambda: queue.pop(lambda _: True), None))


def test_callers_take_turns_and_then_their_connections() -> None:
    queue = FairQueue[str]()
    for number in range(3):
        queue.push(Turn("flood", "f1"), f"f1.{number}")
    queue.push(Turn("flood", "f2"), "f2.0")
    queue.push(Turn("calm", "c1"), "c")
    assert drained(queue) == ["f1.0", "c", "f2.0", "f1.1", "f1.2"]


def test_a_weight_is_a_larger_share() -> None:
    queue = FairQueue[str]()
    for _ in range(8):
        queue.push(Turn("heavy", "h", 3), "h")
        queue.push(Turn("light", "l", 1), "l")
    assert "".join(drained(queue)[:8]) == "hhhlhhhl"


def test_what_is_not_accepted_keeps_its_place() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "b1", "a2"):
        queue.push(Turn("x", "x"), item)
    assert [queue.pop(lambda item: item[0] == "b"), queue.pop(lambda item: item[0] == "b")] == ["b1", None]
    assert drained(queue) == ["a1", "a2"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), max_size=40))
def test_every_item_comes_out_once_and_in_its_connections_order(arrivals: list[tuple[str, str]]) -> None:
    queue = FairQueue[tuple[str, str, int]]()
    for number, (who, connection) in enumerate(arrivals):
        queue.push(Turn(who, connection), (who, connection, number))
    out = list(iter(lambda: queue.pop(lambda _: True), None))
    assert len(queue) == 0 and sorted(out) == sorted((w, c, n) for n, (w, c) in enumerate(arrivals))
    for key in set(arrivals):
        numbers = [number for who, connection, number in out if (who, connection) == key]
        assert numbers == sorted(numbers)


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def batcher(gate: threading.Event) -> Iterator[Batcher]:
    def run(batch: npt.NDArray[np.generic], alone: bool) -> Outputs:
        gate.wait(30)
        return {"out": batch}

    with ThreadPoolExecutor(1) as pool:
        yield Batcher(run, BatchPolicy(max_batch_size=1, queue_size=8), pool)
        gate.set()


def submit(batcher: Batcher, who: str, order: list[str], value: int = 0) -> "asyncio.Task[Answer]":
    async def one() -> Answer:
        begin_turn(Turn(who, who))
        answer = await batcher.submit(np.full(1, value, np.uint8))
        order.append(who)
        return answer

    return asyncio.create_task(one(), context=copy_context())


async def test_a_calm_caller_waits_for_one_input_of_a_flood(batcher: Batcher, gate: threading.Event) -> None:
    order: list[str] = []
    flood = [submit(batcher, "flood", order) for _ in range(7)]
    await asyncio.sleep(0)
    calm = submit(batcher, "calm", order)
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*flood, calm)
    assert order.index("calm") <= 2  # behind the one that runs, and one more at most


async def test_a_caller_who_asks_for_little_runs_at_once_beside_a_flood(gate: threading.Event) -> None:
    def run(batch: npt.NDArray[np.generic], alone: bool) -> Outputs:
        assert batch[0, 0] or gate.wait(30)
        return {"out": batch}

    prompt = PromptThreads(2, "prompt", Shares(2))
    with ThreadPoolExecutor(1) as pool:
        batcher = Batcher(run, BatchPolicy(max_batch_size=1), pool, prompt)
        order: list[str] = []
        flood = [submit(batcher, "flood", order) for _ in range(7)]
        await asyncio.sleep(0)
        # One after another, and two at once.
        await asyncio.wait_for(submit(batcher, "calm", order, 1), 10)
        for calm in [submit(batcher, "calm", order, 1) for _ in range(2)]:
            await asyncio.wait_for(calm, 10)
        assert order == ["calm"] * 3
        gate.set()
        await asyncio.gather(*flood)
        await batcher.close()
    prompt.shutdown()


async def test_a_full_queue_takes_a_calm_caller_and_refuses_the_floods_newest(
    batcher: Batcher, gate: threading.Event
) -> None:
    order: list[str] = []
    flood = [submit(batcher, "flood", order) for _ in range(9)]  # one runs, eight wait
    await asyncio.sleep(0)
    more = submit(batcher, "flood", order)
    with pytest.raises(ResourceExhausted):
        await more
    calm = submit(batcher, "calm", order)
    with pytest.raises(ResourceExhausted):
        await flood[-1]
    gate.set()
    await asyncio.gather(*flood[:-1], calm)
    assert batcher.queue_depth == 0 and "calm" in order
