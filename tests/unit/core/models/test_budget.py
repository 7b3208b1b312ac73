"""The budget of pixels: bounded, in turns, and never stuck."""

import asyncio

import pytest
from convoy.core.models.budget import PixelBudget
from convoy.core.turns import Turn, begin_turn
from hypothesis import given
from hypothesis import strategies as st


async def work(budget: PixelBudget, pixels: int, began: list[int], gate: asyncio.Event) -> None:
    async with budget.taken(pixels):
        began.append(pixels)
        await gate.wait()


async def started(budget: PixelBudget, sizes: list[int]) -> tuple[list[int], asyncio.Event, list[asyncio.Task[None]]]:
    began: list[int] = []
    gate = asyncio.Event()
    tasks = [asyncio.create_task(work(budget, size, began, gate)) for size in sizes]
    await asyncio.sleep(0)
    return began, gate, tasks


async def test_what_does_not_fit_waits_and_nobody_overtakes() -> None:
    began, gate, tasks = await started(PixelBudget(10), [6, 3, 5, 1])
    assert began == [6, 3]
    gate.set()
    await asyncio.gather(*tasks)
    assert began == [6, 3, 5, 1]


async def test_one_larger_than_the_budget_goes_alone() -> None:
    began, gate, tasks = await started(PixelBudget(10), [1, 99, 1])
    assert began == [1]
    gate.set()
    await asyncio.gather(*tasks)
    assert began == [1, 99, 1]


@pytest.mark.parametrize("given_up", [0, 1, 2])
async def test_who_gives_up_holds_up_nobody(given_up: int) -> None:
    began, gate, tasks = await started(PixelBudget(10), [10, 10, 10])
    tasks[given_up].cancel()
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(began) == (2 if given_up else 3)


async def test_who_gives_up_as_its_turn_comes_gives_it_on() -> None:
    budget = PixelBudget(10)
    first = budget.taken(10)
    await first.__aenter__()
    began, gate, tasks = await started(budget, [10, 10])
    await first.__aexit__(None, None, None)
    tasks[0].cancel()
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert began == [10]


async def as_caller(who: str, budget: PixelBudget, pixels: int, began: list[str], gate: asyncio.Event) -> None:
    begin_turn(Turn(who, who))
    async with budget.taken(pixels):
        began.append(who)
        await gate.wait()


async def test_a_callers_large_pictures_keep_no_other_caller_waiting() -> None:
    budget, began, gates = PixelBudget(10), list[str](), [asyncio.Event() for _ in range(5)]
    plan = [("flood", 6), ("flood", 4), ("flood", 5), ("calm", 5), ("late", 5)]
    tasks = [
        asyncio.create_task(as_caller(who, budget, size, began, gate))
        for (who, size), gate in zip(plan, gates, strict=True)
    ]
    await asyncio.sleep(0)
    assert began == ["flood", "flood", "calm"]  # 15 of 10, and nobody takes more
    gates[1].set()
    await tasks[1]
    await asyncio.sleep(0)
    assert began == ["flood", "flood", "calm"]  # 11 and 5 more would be too much
    gates[0].set()
    await tasks[0]
    await asyncio.sleep(0)
    assert sorted(began[3:]) == ["flood", "late"]
    for gate in gates:
        gate.set()
    await asyncio.gather(*tasks)


async def test_pictures_wait_for_answers_that_are_not_sent_and_answers_for_pictures() -> None:
    budget = PixelBudget(10)
    await budget.keep(4)
    began, gate, tasks = await started(budget, [4, 4])
    assert began == [4]  # 4 and 4 and 4 is too much
    keeping = asyncio.create_task(budget.keep(3))
    await asyncio.sleep(0)
    assert not keeping.done()
    budget.let_go(4)
    await asyncio.sleep(0)
    assert keeping.done() and budget.kept == 3 and began == [4]  # 4 and 3 and 4 is still too much
    budget.let_go(3)
    await asyncio.sleep(0)
    assert began == [4, 4]
    gate.set()
    await asyncio.gather(*tasks)


async def test_a_picture_waits_for_no_answer_where_none_is_in_work() -> None:
    """Else calls whose answers have all room would wait for room for their pictures."""
    budget = PixelBudget(10)
    for _ in range(3):
        await budget.keep(6)
    began, gate, tasks = await started(budget, [5, 5])
    assert began == [5]
    gate.set()
    await asyncio.gather(*tasks)
    assert began == [5, 5]


async def test_a_flood_of_pictures_keeps_no_answer_waiting_without_end() -> None:
    budget = PixelBudget(10)
    began, gate, tasks = await started(budget, [10])
    keeping = asyncio.create_task(budget.keep(5))
    late, late_gate, more = await started(budget, [10, 10])
    gate.set()
    await asyncio.gather(*tasks, keeping)
    assert began == [10] and budget.kept == 5
    late_gate.set()
    await asyncio.gather(*more)
    assert late == [10, 10]


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_gives_up_waiting_for_an_answer_keeps_nothing(is_late: bool) -> None:
    budget = PixelBudget(10)
    first = budget.taken(10)
    await first.__aenter__()
    keeping = asyncio.create_task(budget.keep(5))
    await asyncio.sleep(0)
    if is_late:
        await first.__aexit__(None, None, None)
        assert budget.kept == 5  # its turn has come, and before the task runs the caller is gone
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert budget.kept == 0
    if not is_late:
        await first.__aexit__(None, None, None)
    began, gate, tasks = await started(budget, [10])
    gate.set()
    await asyncio.gather(*tasks)
    assert began == [10]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 14), st.booleans()), max_size=30))
def test_everybody_gets_in_and_the_bound_holds(calls: list[tuple[str, int, bool]]) -> None:
    asyncio.run(mixed(calls))


async def mixed(calls: list[tuple[str, int, bool]]) -> None:
    budget, held, most = PixelBudget(10), [0], [0]

    async def one(who: str, pixels: int) -> None:
        begin_turn(Turn(who, who))
        async with budget.taken(pixels):
            held[0] += min(pixels, 10)
            most[0] = max(most[0], held[0])
            try:
                await asyncio.sleep(0)
            finally:
                held[0] -= min(pixels, 10)

    tasks = [(asyncio.create_task(one(who, pixels)), gives_up) for who, pixels, gives_up in calls]
    await asyncio.sleep(0)
    for task, gives_up in tasks:
        if gives_up:
            task.cancel()
    await asyncio.wait_for(asyncio.gather(*(task for task, _ in tasks), return_exceptions=True), 10)
    assert most[0] <= 15
    async with budget.taken(10):
        pass
