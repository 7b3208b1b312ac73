"""Calls that read a whole gallery: few at a time, few that wait, and none while their caller only listens."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import copy_context

import pytest
from convoy.core.errors import ResourceExhausted
from convoy.core.turns import Turn, begin_turn
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.use_cases.dear_calls import DearCalls


async def test_others_wait_and_too_many_are_refused() -> None:
    calls, done = DearCalls(places=1, waiting=3), []

    async def one(who: str) -> None:
        begin_turn(Turn(who, who))
        async with calls.place():
            await asyncio.sleep(0)
            done.append(who)

    def start(who: str) -> "asyncio.Task[None]":
        return asyncio.create_task(one(who), context=copy_context())

    tasks = [start("a"), start("a"), start("a"), start("b")]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), type(None), ResourceExhausted, type(None)]
    assert done == ["a", "a", "b"]
    await start("a")


async def test_who_waits_longer_than_the_deadline_is_refused_and_leaves_its_place() -> None:
    calls = DearCalls(places=1, waiting=3)
    async with calls.place():
        begin_call(Call(deadline=0.0))
        with pytest.raises(ResourceExhausted):
            async with calls.place():
                pass
    begin_call(Call())
    async with calls.place():
        pass


async def test_a_stream_has_a_place_only_while_it_reads() -> None:
    calls = DearCalls(places=1, waiting=0)

    async def parts() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    read = []
    async for part in calls.each(parts()):
        read.append(part)
        async with calls.place():  # would be refused if the stream kept its place
            pass
    assert read == [0, 1, 2]
