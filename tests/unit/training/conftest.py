import pytest
from convoy_training import evaluation


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny task has no page of its own in `report`."""
    monkeypatch.setattr(evaluation, "review", lambda predict, config, split: [])
