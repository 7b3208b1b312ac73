"""Every input of the kept corpus is read or refused: seeds of each kind, and what the search by coverage finds."""

from pathlib import Path

import pytest

from tests.fuzz_targets import CORPUS, TARGETS, guided, try_one

FILES = sorted(path for target in TARGETS for path in (CORPUS / target).iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_there_are_seeds(target: str) -> None:
    assert len([path for path in FILES if path.parent.name == target]) >= 4


def test_the_search_is_guided_by_methods_too() -> None:
    names = {f"{one.__module__.removeprefix('convoy.')}.{one.__qualname__}" for one in guided()}
    assert {"core.serving.wire._Walk._message", "core.serving.wire.check_fields"} <= names
    assert {"importing.network.read_network", "importing.network.Network.parameters"} <= names
    assert {"core.pictures.containers.tiff.first_page", "core.manifest.InputSpec._sizes_are_known"} <= names


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name[:24]}")
def test_an_input_is_read_or_refused(path: Path) -> None:
    try_one(path.parent.name, path.read_bytes())
