"""Entries whose very bytes lie beside the clone: they are pulled from the folder, and their golden answers hold."""

from pathlib import Path

import pytest
from convoy.catalogue.catalogue import bundled_catalogue
from convoy.catalogue.pull import Pull, pull

CATALOGUE = bundled_catalogue()


@pytest.mark.foreign
@pytest.mark.parametrize("name", ["yunet", "yolox-nano", "deeplab-v3", "nanodet", "centerface"])
def test_a_network_beside_the_clone_is_pulled_and_proves_itself(
    name: str, foreign_networks: Path, tmp_path: Path
) -> None:
    entry = CATALOGUE.entries[name]
    assert entry.golden is not None
    how = Pull(models=tmp_path / "models", cache=tmp_path / "cache", brought=foreign_networks, offline=True)
    assert pull(entry, CATALOGUE, how).is_new
