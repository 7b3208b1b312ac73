"""How many cores a search may use."""

import pytest
from convoy.core.settings import Settings
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.domain.records import Gallery, Model, Note
from convoy.recognition.search import followers
from convoy.recognition.search.memory_view import MemoryView
from convoy.recognition.servicer import RecognitionServicer
from convoy.recognition.store.base import Idempotency
from convoy.testing.memory_store import MemoryStore

from tests.fake_face_source import FakeFaceSource

STAFF = Gallery("staff", Model("fake-embedder", "1", "cd" * 32, 8))


async def threads_of(settings: Settings) -> int:
    """How many cores a search of a service with these settings may use."""
    store = MemoryStore()
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    servicer = RecognitionServicer(store, FakeFaceSource(), settings)
    begin_call(Call())
    try:
        view = await servicer.followers.view("staff")
        assert isinstance(view, MemoryView)
        return view.index.threads
    finally:
        await servicer.stop()


async def test_the_setting_says_so() -> None:
    assert await threads_of(Settings(threads=3)) == 3


async def test_else_it_is_what_the_container_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "available_cores", lambda: 5)
    assert await threads_of(Settings(threads=None)) == 5
