"""A view that is brought up to the store while this process writes."""

from collections.abc import Sequence

import numpy as np
import pytest
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.memory_view import MemoryView
from convoy.recognition.store.base import Idempotency, PersonChange
from convoy.testing.memory_store import MemoryStore

STAFF = Gallery("staff", Model("m", "1", "ab" * 32, 4))
ADA = Person("ada", faces=(Face("f", 0.5, 1),))
VECTOR = np.array([1, 0, 0, 0], np.float32)


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    await change(store, None, ADA)
    return store


async def change(store: MemoryStore, before: Person | None, after: Person | None) -> None:
    templates = {"f": Plain().encode("ada", "f", VECTOR)} if after else {}
    gallery = await store.get_gallery("staff")
    made = PersonChange("ada", before, after, templates)
    await store.change_person(gallery, made, Note("Register" if after else "DeletePerson", 1, "ada"), Idempotency())


async def refreshed_while(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, before: Person | None, after: Person | None, is_late: bool
) -> MemoryView:
    """A view that reads the store while this process writes. is_late: the reading is the newer of the two."""
    view, read, states = MemoryView(STAFF, Plain(), store, 1), store.read_people, []

    async def read_people(name: str, ids: Sequence[str], faces: Sequence[tuple[str, str]]) -> object:
        if is_late and not states:
            await change(store, before, after)
        found = await read(name, ids, faces)
        if not states:
            if not is_late:
                await change(store, before, after)
            view.put("ada", *((ADA, {"f": VECTOR}) if (before if is_late else after) else (None, {})))
        states.append("ada" in view.people)
        return found

    monkeypatch.setattr(store, "read_people", read_people)
    await view.refresh({"ada": ["f"]}, 2)
    assert len(states) == 2
    return view


async def test_who_was_deleted_meanwhile_does_not_come_back(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await refreshed_while(store, monkeypatch, ADA, None, is_late=False)
    assert "ada" not in view.people and len(view.index) == 0


async def test_who_was_deleted_elsewhere_is_not_put_back_by_an_older_write(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await refreshed_while(store, monkeypatch, ADA, None, is_late=True)
    assert "ada" not in view.people and len(view.index) == 0
