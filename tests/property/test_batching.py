"""Whatever the interleaving, cancellation or failure inside a batch: every caller gets exactly its own answer."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from convoy.core.errors import DeadlineExceeded, ResourceExhausted
from convoy.core.models.batching import Batcher, BatchPolicy
from hypothesis import given, settings
from hypothesis import strategies as st


class Engine:
    """Answers each input with its double; an input of 13 is poison for its whole batch."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.batches: list[tuple[int, ...]] = []
        self.seen: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, inputs: np.ndarray, alone: bool) -> dict[str, np.ndarray]:
        self.gate.wait(10)
        time.sleep(self.pause_s)
        self.batches.append(inputs.shape)
        self.seen += [int(row.flat[0]) for row in inputs]
        if (inputs == 13).any():
            raise ValueError("thirteen")
        return {"double": inputs * 2}


def batcher(engine: Engine, executor: ThreadPoolExecutor, **policy: float) -> Batcher:
    return Batcher(engine.run, BatchPolicy(**policy), executor)  # type: ignore[arg-type]


def value(number: int, length: int = 2) -> np.ndarray:
    return np.full(length, number, np.int64)


call = st.tuples(st.integers(0, 40), st.integers(1, 3), st.sampled_from(["wait", "cancel"]), st.integers(0, 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(call, min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 3), st.sampled_from([0.0, 0.002]))
def test_everyone_gets_their_own_answer(
    calls: list[tuple[int, int, str, int]], max_batch_size: int, runners: int, delay_s: float
) -> None:
    engine = Engine()

    async def scenario(executor: ThreadPoolExecutor) -> None:
        policy = BatchPolicy(max_batch_size, delay_s, queue_size=100, runners=runners)
        under_test = Batcher(engine.run, policy, executor)
        tasks = [
            asyncio.create_task(under_test.submit(value(number, length), priority=priority))
            for number, length, _, priority in calls
        ]
        await asyncio.sleep(0)
        for task, (_, _, fate, _) in zip(tasks, calls, strict=True):
            if fate == "cancel":
                task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        for answer, (number, length, fate, _) in zip(answers, calls, strict=True):
            if fate == "cancel":
                assert isinstance(answer, asyncio.CancelledError)
            elif number == 13:
                assert isinstance(answer, ValueError)
            else:
                assert not isinstance(answer, BaseException)
                assert np.array_equal(answer[0]["double"], value(2 * number, length))
        await under_test.close()
        assert under_test.queue_depth == 0

    with ThreadPoolExecutor(runners) as executor:
        asyncio.run(scenario(executor))
    assert all(shape[0] <= max_batch_size for shape in engine.batches)


async def hold(engine: Engine, under_test: Batcher) -> asyncio.Task[object]:
    """Keep the only runner busy, so that what follows gathers."""
    engine.gate.clear()
    task = asyncio.create_task(under_test.submit(value(0)))
    await asyncio.sleep(0.01)
    return task


async def test_a_free_engine_is_not_waited_for_and_a_busy_one_gathers() -> None:
    engine = Engine()
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=4)
        first = await hold(engine, under_test)
        others = [asyncio.create_task(under_test.submit(value(n))) for n in range(1, 7)]
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.gather(first, *others)
    assert [shape[0] for shape in engine.batches] == [1, 4, 2]


async def test_only_inputs_of_one_shape_run_together_and_none_is_forgotten() -> None:
    engine = Engine()
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=8)
        first = await hold(engine, under_test)
        others = [asyncio.create_task(under_test.submit(value(n, 2 + n % 2))) for n in range(1, 7)]
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.gather(first, *others)
    assert engine.batches == [(1, 2), (3, 3), (3, 2)]


async def test_priorities_leave_first() -> None:
    engine = Engine()
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=1)
        first = await hold(engine, under_test)
        others = [asyncio.create_task(under_test.submit(value(n), priority=n % 2)) for n in range(1, 5)]
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.gather(first, *others)
    assert engine.seen == [0, 1, 3, 2, 4]


async def test_a_full_queue_refuses_at_once_with_a_delay() -> None:
    engine = Engine()
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=1, queue_size=2)
        tasks = [await hold(engine, under_test)]
        tasks += [asyncio.create_task(under_test.submit(value(n))) for n in (1, 2)]
        await asyncio.sleep(0.01)
        with pytest.raises(ResourceExhausted) as caught:
            await under_test.submit(value(3))
        assert caught.value.reason == "QUEUE_FULL" and caught.value.retry_delay_s > 0
        engine.gate.set()
        await asyncio.gather(*tasks)
    assert engine.seen == [0, 1, 2]


async def test_expired_and_abandoned_work_never_reaches_the_engine() -> None:
    engine = Engine()
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=1)
        first = await hold(engine, under_test)
        late = asyncio.create_task(under_test.submit(value(1), deadline=time.monotonic() + 0.02))
        gone = asyncio.create_task(under_test.submit(value(2)))
        patient = asyncio.create_task(under_test.submit(value(3)))
        await asyncio.sleep(0.05)
        gone.cancel()
        engine.gate.set()
        await asyncio.gather(first, patient)
        with pytest.raises(DeadlineExceeded):
            await late
        with pytest.raises(DeadlineExceeded):
            await under_test.submit(value(4), deadline=time.monotonic() - 1)
    assert engine.seen == [0, 3]


async def test_work_that_cannot_make_its_deadline_is_refused_before_it_waits() -> None:
    engine = Engine(pause_s=0.05)
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=1)
        await under_test.submit(value(0))
        waiting = [asyncio.create_task(under_test.submit(value(n))) for n in range(1, 5)]
        await asyncio.sleep(0.01)
        with pytest.raises(ResourceExhausted):
            await under_test.submit(value(9), deadline=time.monotonic() + 0.03)
        await asyncio.gather(*waiting)
    assert 9 not in engine.seen


async def test_a_queue_delay_gathers_though_the_engine_is_free() -> None:
    engine = Engine()
    with ThreadPoolExecutor(1) as executor:
        under_test = batcher(engine, executor, max_batch_size=3, max_queue_delay_s=0.2)
        await asyncio.gather(*(under_test.submit(value(n)) for n in range(3)))
    assert engine.batches == [(3, 2)]


async def test_a_deadline_that_passes_before_a_thread_is_free_is_noticed_there() -> None:
    engine, busy = Engine(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(busy.wait, 10)
        under_test = batcher(engine, executor, max_batch_size=2)
        late = asyncio.create_task(under_test.submit(value(1), deadline=time.monotonic() + 0.02))
        await asyncio.sleep(0.05)
        busy.set()
        with pytest.raises(DeadlineExceeded):
            await late
        await under_test.close()
    assert engine.seen == []
