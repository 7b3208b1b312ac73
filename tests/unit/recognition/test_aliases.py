"""What a name stands for, while the store is being asked."""

import asyncio

import pytest
from convoy.core.errors import Unavailable
from convoy.recognition.use_cases.aliases import FRESH_S, Aliases

from tests.use_cases import UseCases


class Asked:
    """The store's aliases, given when the test says so."""

    def __init__(self, house: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.go, self._ask = 0, asyncio.Event(), house.store.list_aliases
        self.is_away = False
        monkeypatch.setattr(house.store, "list_aliases", self.answer)

    async def answer(self) -> dict[str, str]:
        self.count += 1
        found = await self._ask()
        await self.go.wait()
        if self.is_away:
            raise Unavailable("STORE_UNAVAILABLE", "away")
        return found


@pytest.fixture
def asked(house: UseCases, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(house, monkeypatch)


async def test_at_first_use_nobody_is_answered_before_the_aliases_are_there(house: UseCases, asked: Asked) -> None:
    await house.store.set_alias("team", "staff")
    aliases = Aliases(house.store, house.galleries)
    calls = [asyncio.create_task(aliases.resolve("team")) for _ in range(3)]
    await asyncio.sleep(0)
    asked.go.set()
    assert await asyncio.gather(*calls) == ["staff"] * 3
    assert asked.count == 1


async def test_an_alias_that_is_set_counts_at_once_for_everybody(house: UseCases, asked: Asked) -> None:
    asked.go.set()
    aliases = Aliases(house.store, house.galleries)
    assert await aliases.resolve("team") == "team"
    await aliases.set("team", "staff")
    assert await asyncio.gather(*(aliases.resolve("team") for _ in range(3))) == ["staff"] * 3


async def test_a_reading_that_began_before_a_change_does_not_undo_it(house: UseCases, asked: Asked) -> None:
    aliases = Aliases(house.store, house.galleries)
    early = asyncio.create_task(aliases.resolve("team"))
    await asyncio.sleep(0)
    asked.go.set()
    await aliases.set("team", "staff")
    await early
    assert await aliases.resolve("team") == "staff"


async def test_while_the_store_is_away_the_last_answer_counts_and_nobody_queues(house: UseCases, asked: Asked) -> None:
    await house.store.set_alias("team", "staff")
    asked.go.set()
    aliases = Aliases(house.store, house.galleries)
    assert await aliases.resolve("team") == "staff"
    asked.is_away = True
    aliases._read_at -= FRESH_S
    assert [await aliases.resolve("team") for _ in range(3)] == ["staff"] * 3
    first = Aliases(house.store, house.galleries)
    assert [await first.resolve("team") for _ in range(3)] == ["team"] * 3
    assert asked.count == 3


async def test_whoever_asks_first_and_hangs_up_leaves_the_others_their_aliases(house: UseCases, asked: Asked) -> None:
    await house.store.set_alias("team", "staff")
    aliases = Aliases(house.store, house.galleries)
    first = asyncio.create_task(aliases.resolve("team"))
    while not asked.count:
        await asyncio.sleep(0)
    first.cancel()
    asked.go.set()
    assert await aliases.resolve("team") == "staff"
