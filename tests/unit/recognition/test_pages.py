"""A page of people ends when it has enough of them, or enough bytes; together the pages have everybody once."""

import pytest
from convoy.recognition.domain.records import Person
from convoy.recognition.use_cases import finding
from convoy.recognition.use_cases.finding import Finding, Wanted

from tests.use_cases import UseCases


@pytest.mark.parametrize(("size", "page_bytes"), [(7, 10**9), (1000, 1), (1000, 800), (3, 500), (20, 10**9)])
async def test_pages_have_everybody_once(
    house: UseCases, monkeypatch: pytest.MonkeyPatch, size: int, page_bytes: int
) -> None:
    crowd = [Person(f"p{n:02}", display_name="n" * 100, create_time_ms=1, update_time_ms=1) for n in range(20)]

    async def list_people(name: str, after: str, limit: int) -> list[Person]:
        return [one for one in crowd if one.person_id > after][:limit]

    monkeypatch.setattr(house.store, "list_people", list_people)
    monkeypatch.setattr(finding, "PAGE_BYTES", page_bytes)
    monkeypatch.setattr(finding, "PEOPLE_AT_ONCE", 4)
    found, token, pages = [], "", 0
    while True:
        page = await Finding(house.followers).list("staff", token, size)
        assert len(page.entries) <= size
        found += [one.person_id for one in page.entries]
        pages, token = pages + 1, page.next_token
        if not token:
            break
    assert found == [one.person_id for one in crowd]
    assert (pages == 1) == (size >= 20 and page_bytes == 10**9)


async def test_a_page_with_a_filter_ends_when_enough_people_were_looked_at(
    house: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = [Person(f"p{n:02}", tags=("last",) if n >= 18 else (), create_time_ms=1) for n in range(20)]

    async def list_people(name: str, after: str, limit: int) -> list[Person]:
        return [one for one in crowd if one.person_id > after][:limit]

    monkeypatch.setattr(house.store, "list_people", list_people)
    monkeypatch.setattr(finding, "FILTERED", 8)
    monkeypatch.setattr(finding, "PEOPLE_AT_ONCE", 4)
    listed, token = [], ""
    while True:
        page = await Finding(house.followers).list("staff", token, 1, Wanted(tags=["last"]))
        listed.append([one.person_id for one in page.entries])
        token = page.next_token
        if not token:
            break
    assert listed == [[], [], ["p18"], ["p19"], []]
