from collections.abc import Iterator

import pytest
from convoy_training import evaluation
from convoy_training.runs import memory


@pytest.fixture(scope="session", autouse=True)
def freed_memory_goes_back() -> Iterator[None]:
    """Commands that run in the tests' own process leave it small: a worker would grow to 7 GB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "keep_freed_memory", lambda: None)
        yield


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny task has no page of its own in `report`."""
    monkeypatch.setattr(evaluation, "review", lambda predict, config, split: [])
