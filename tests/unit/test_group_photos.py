"""The benchmark of group photos measures one version of an embedder: the one you name, or the newest."""

from pathlib import Path

import pytest

from benchmarks.group_photos import find_folder


@pytest.mark.parametrize(("embedder", "version"), [("faces", "10"), ("faces:2", "2")])
def test_the_folder_is_that_of_the_version_that_is_asked(embedder: str, version: str, tmp_path: Path) -> None:
    for name in ("1", "2", "10", ".half-written"):
        (tmp_path / "faces" / name).mkdir(parents=True)
    assert find_folder(tmp_path, embedder) == tmp_path / "faces" / version
