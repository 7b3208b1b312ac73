"""Secrets that are replaced while a service runs, in each way in which mounted folders change."""

import os
from pathlib import Path

import pytest
from convoy.core.security.files import Watched, in_folder, read_file


def by_rename(folder: Path, content: str) -> None:
    """Write beside and rename, as `mv` and the commands of Convoy do."""
    (folder / "token.new").write_text(content)
    os.rename(folder / "token.new", folder / "token")


def by_link(folder: Path, content: str) -> None:
    """Point ..data to a new folder, as Kubernetes does for secrets."""
    new = folder / f"..{content}"
    new.mkdir()
    (new / "token").write_text(content)
    os.symlink(new.name, folder / "..data_tmp")
    os.rename(folder / "..data_tmp", folder / "..data")
    if not (folder / "token").exists():
        os.symlink("..data/token", folder / "token")


@pytest.mark.parametrize("replace", [by_rename, by_link])
def test_a_secret_that_is_replaced_in_a_mounted_folder_arrives(replace, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    replace(tmp_path, "first")
    path = in_folder(tmp_path, "token")
    watched = Watched((path,), lambda: read_file(path))
    for content in ("first", "other", "third"):  # of the same length, perhaps within one tick of the clock
        if content != "first":
            replace(tmp_path, content)
        assert watched.current() == content.encode()


def test_while_a_secret_is_away_the_last_one_counts(tmp_path: Path) -> None:
    by_rename(tmp_path, "first")
    path = tmp_path / "token"
    watched = Watched((path,), lambda: read_file(path))
    path.unlink()
    assert watched.current() == b"first"
    by_rename(tmp_path, "other")
    assert watched.current() == b"other"
