"""Real packages by their real clients: every entry that a package brings is pulled and proves itself."""

from pathlib import Path

import pytest
from convoy.catalogue.addresses import PackagedFile, parse_address
from convoy.catalogue.catalogue import bundled_catalogue
from convoy.catalogue.pull import Pull, pull
from convoy.core.manifest import load_manifest

CATALOGUE = bundled_catalogue()
PACKAGED = [
    name
    for name, entry in sorted(CATALOGUE.entries.items())
    if any(isinstance(parse_address(address), PackagedFile) for address in entry.file.addresses)
]


@pytest.mark.parametrize("name", PACKAGED)
def test_an_entry_that_a_package_brings_is_pulled_and_proves_itself(name: str, tmp_path: Path) -> None:
    entry = CATALOGUE.entries[name]
    assert entry.golden is not None, "its bytes can be had, so it has a golden answer"
    pulled = pull(entry, CATALOGUE, Pull(models=tmp_path / "models", cache=tmp_path / "cache"))
    assert load_manifest(pulled.folder).name == name


def test_there_are_such_entries() -> None:
    assert len(PACKAGED) >= 3
