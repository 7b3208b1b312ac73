"""A gallery that the use cases work on."""

import time
from collections.abc import AsyncIterator

import pytest
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.domain.edits import NewGallery
from convoy.testing.memory_store import MemoryStore

from tests.fake_face_source import FakeFaceSource, axis, embedded
from tests.use_cases import UseCases


@pytest.fixture
async def house() -> AsyncIterator[UseCases]:
    """A gallery named staff. The photo `b"3"` shows a face along axis 3, `b"3 again"` almost the same one."""
    shows = {str(i).encode(): [embedded(axis(i))] for i in range(8)}
    shows |= {f"{i} again".encode(): [embedded(axis(i, (i + 1) % 8, 0.9))] for i in range(8)}
    shows |= {b"nobody": [], b"two": [embedded(axis(1)), embedded(axis(2))]}
    one = UseCases(MemoryStore(), FakeFaceSource(shows))
    begin_call(Call("r-1", "alice", time.monotonic() + 10))
    await one.galleries.create(NewGallery("staff"))
    yield one
    await one.followers.close()
