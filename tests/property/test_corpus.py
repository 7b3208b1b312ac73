"""Every input of the kept corpus is read or refused: seeds of each kind, and what the search by coverage finds."""

from pathlib import Path

import pytest

from tests.fuzz_targets import CORPUS, TARGETS, try_one

FILES = sorted(path for target in TARGETS for path in (CORPUS / target).iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_there_are_seeds(target: str) -> None:
    assert len([path for path in FILES if path.parent.name == target]) >= 4


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name[:24]}")
def test_an_input_is_read_or_refused(path: Path) -> None:
    try_one(path.parent.name, path.read_bytes())
