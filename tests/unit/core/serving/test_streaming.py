"""What a stream of requests leaves behind."""

import asyncio
from collections.abc import AsyncIterator

from convoy.core.serving.streaming import answer_in_order


async def test_a_stream_that_is_left_ends_all_work_that_it_began() -> None:
    began, given_up, answered = 0, 0, asyncio.Event()

    async def requests() -> AsyncIterator[int]:
        for number in range(20):
            yield number

    async def answer(number: int) -> int:
        nonlocal began, given_up
        if number == 0:
            return number
        began += 1
        try:
            await answered.wait()
        except asyncio.CancelledError:
            given_up += 1
            raise
        return number

    stream = answer_in_order(requests(), answer, lambda number, error: -1)
    assert await anext(stream) == 0
    for _ in range(20):
        await asyncio.sleep(0)  # the reader goes as far ahead as it may
    before = asyncio.all_tasks()
    await stream.aclose()  # type: ignore[attr-defined]
    for _ in range(20):
        await asyncio.sleep(0)
    assert began == given_up > 8
    assert not {task for task in before if not task.done()} - {asyncio.current_task()}
