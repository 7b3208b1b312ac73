"""The budget of pixels: bounded, first come first served, and never stuck."""

import asyncio

import pytest
from convoy.core.models.budget import PixelBudget


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
