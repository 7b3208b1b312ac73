"""The room of large answers: taken in the order in which they are sent, and given back as far as it is not needed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from convoy.core.errors import ConvoyError, InvalidArgument, ResourceExhausted
from convoy.core.models.budget import PixelBudget
from convoy.core.serving.answers import Answers, reserve, settle
from convoy.core.serving.streaming import answer_in_order

MOST = 1000


async def requests(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def refuse(number: int, _: ConvoyError) -> int:
    return -number


async def test_a_stream_takes_room_in_the_order_of_its_answers_although_the_first_has_to_wait_for_its_model() -> None:
    """Without an order the second takes what the first needs, and is sent only behind the first."""
    answers, loaded = Answers(MOST), asyncio.Event()
    taken: list[int] = []

    async def answer(number: int) -> int:
        if number == 0:
            await loaded.wait()

        async def measure() -> int:
            taken.append(number)
            return MOST

        await reserve(measure)
        return number

    with answers.of_call("caller", "connection") as call:
        stream = answer_in_order(requests(3), answer, refuse)
        first = asyncio.ensure_future(anext(stream))
        for _ in range(20):
            await asyncio.sleep(0)
        assert taken == []
        loaded.set()
        assert await asyncio.wait_for(first, 5) == 0
        for expected in (1, 2):
            call.sent()
            assert await asyncio.wait_for(anext(stream), 5) == expected
        call.sent()
        assert answers.room.used == 0
    assert taken == [0, 1, 2]


async def test_an_answer_that_took_no_room_gives_back_none_of_the_next() -> None:
    answers = Answers(MOST)

    async def answer(number: int) -> int:
        if number == 0:
            raise InvalidArgument("BAD_MODEL", "no such model")

        async def measure() -> int:
            return 100

        await reserve(measure)
        return number

    with answers.of_call("caller", "connection") as call:
        stream = answer_in_order(requests(2), answer, refuse)
        assert await anext(stream) == 0
        for _ in range(20):
            await asyncio.sleep(0)
        call.sent()
        assert answers.room.used == 200
        assert await anext(stream) == 1
        call.sent()
        assert answers.room.used == 0


async def test_what_an_answer_does_not_need_is_given_back() -> None:
    answers = Answers(MOST)

    async def measure() -> int:
        return 900

    with answers.of_call("caller", "connection"):
        await reserve(measure)
        assert answers.room.used == 1800
        settle(50)
        assert answers.room.used == 100
        settle(5000)
        assert answers.room.used == 100
    assert answers.room.used == 0


async def test_an_answer_that_no_message_holds_takes_nothing() -> None:
    answers = Answers(MOST)

    async def measure() -> int:
        return MOST + 1

    with answers.of_call("caller", "connection"):
        with pytest.raises(InvalidArgument, match="a message may have"):
            await reserve(measure)
        assert answers.room.used == 0


async def test_an_answer_counts_as_pixels_until_it_is_sent_and_only_as_far_as_it_needs() -> None:
    answers, pixels = Answers(MOST), PixelBudget(10_000)

    async def measure() -> int:
        return 900

    with answers.of_call("caller", "connection"):
        await reserve(measure, pixels)
        assert pixels.kept == 600  # two copies of 900 bytes, three bytes a pixel
        settle(51)
        assert pixels.kept == 34
    assert pixels.kept == answers.room.used == 0


async def test_an_answer_that_finds_no_pixels_in_time_is_refused_and_holds_nothing() -> None:
    answers, pixels = Answers(MOST), PixelBudget(100)

    async def measure() -> int:
        return 900

    with answers.of_call("caller", "connection", lambda: 0.01):
        async with pixels.taken(100):
            with pytest.raises(ResourceExhausted, match="take all memory"):
                await reserve(measure, pixels)
        assert pixels.kept == answers.room.used == 0
        await reserve(measure, pixels)
