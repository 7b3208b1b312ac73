"""A model's version goes live whole, by one rename, whoever else writes or was killed."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from convoy.core.models import folder_swap, writer
from convoy.core.models.writer import rewrite_version, write_version

KILLED = """
import os, signal, sys
from pathlib import Path
from convoy.core.models import folder_swap, writer
folder, where = Path(sys.argv[1]), sys.argv[2]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def write(partial):
    for name in ("model.onnx", "manifest.json"):
        (partial / name).write_text("new")
        if where == "writing":
            die()

folder_swap.exchange = lambda one, other: False
if where == "swapping":
    rename, calls = os.rename, []
    def rename_one(source, target):
        if str(target) == str(folder):
            die()
        rename(source, target)
    folder_swap.os.rename = rename_one
writer.write_version(folder, write, replace=True)
"""


def fill(text: str) -> Callable[[Path], None]:
    def write(partial: Path) -> None:
        for name in ("model.onnx", "manifest.json"):
            (partial / name).write_text(text)

    return write


def read(folder: Path) -> set[str]:
    return {file.read_text() for file in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["exchange", "two renames"])
def any_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two renames":
        monkeypatch.setattr(folder_swap, "exchange", lambda one, other: False)


def kill(folder: Path, where: str) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder), where], check=False)
    assert ended.returncode == -signal.SIGKILL


def test_what_is_written_has_its_own_names_and_is_seen_by_nobody(tmp_path: Path) -> None:
    def write(partial: Path) -> None:
        assert (partial.parent.name, partial.name) == ("net", "1") and not list(partial.iterdir())
        fill("new")(partial)
        assert not list(tmp_path.glob("*/*/manifest.json"))

    write_version(tmp_path / "net" / "1", write)
    assert read(tmp_path / "net" / "1") == {"new"} and names(tmp_path / "net") == ["1"]


@pytest.mark.usefixtures("any_file_system")
def test_a_version_is_replaced_only_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "net" / "1"
    write_version(folder, fill("old"))
    with pytest.raises(FileExistsError):
        write_version(folder, fill("new"))
    assert read(folder) == {"old"}
    write_version(folder, fill("new"), replace=True)
    assert read(folder) == {"new"} and names(tmp_path / "net") == ["1"]


@pytest.mark.usefixtures("any_file_system")
def test_a_version_that_is_changed_keeps_what_nobody_changes(tmp_path: Path) -> None:
    folder = tmp_path / "net" / "1"
    write_version(folder, fill("old"))

    def change(partial: Path) -> None:
        (partial / "manifest.json").write_text("measured")
        assert read(folder) == {"old"}  # nothing is live before all of it is

    rewrite_version(folder, change)
    assert (folder / "manifest.json").read_text() == "measured" and (folder / "model.onnx").read_text() == "old"


@pytest.mark.usefixtures("any_file_system")
def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(partial: Path) -> None:
        fill("half")(partial)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_version(tmp_path / "net" / "1", fail)
    assert not list(tmp_path.iterdir())
    write_version(tmp_path / "net" / "1", fill("old"))
    with pytest.raises(ZeroDivisionError):
        write_version(tmp_path / "net" / "1", fail, replace=True)
    assert names(tmp_path / "net") == ["1"] and read(tmp_path / "net" / "1") == {"old"}


def test_a_refused_rename_leaves_the_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_swap, "exchange", lambda one, other: False)
    folder, rename = tmp_path / "net" / "1", os.rename
    write_version(folder, fill("old"))

    def refuse(source: Path, target: Path) -> None:
        if target == folder and (source / "model.onnx").read_text() == "new":
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_version(folder, fill("new"), replace=True)
    assert read(folder) == {"old"} and names(tmp_path / "net") == ["1"]


def test_a_version_is_there_between_all_steps_of_its_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename, seen = tmp_path / "net" / "1", os.rename, []
    write_version(folder, fill("old"))
    if not folder_swap.exchange(folder, folder):
        pytest.skip("this file system cannot exchange two names")

    def watch(source: Path, target: Path) -> None:
        seen.append(folder.exists())
        rename(source, target)
        seen.append(folder.exists())

    monkeypatch.setattr(os, "rename", watch)
    write_version(folder, fill("new"), replace=True)
    assert seen and all(seen) and read(folder) == {"new"}


@pytest.mark.parametrize("where", ["writing", "swapping"])
def test_the_next_writer_clears_up_behind_a_killed_one(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "net" / "1"
    write_version(folder, fill("old"))
    kill(folder, where)
    assert len(names(tmp_path / "net")) == (2 if where == "writing" else 1)  # a partial folder, and "1" or not
    write_version(tmp_path / "net" / "2", fill("other"))
    assert names(tmp_path / "net") == ["1", "2"] and read(folder) == {"old"}


def test_two_writers_leave_each_other_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "net" / "1", tmp_path / "net" / "2"

    def write(partial: Path) -> None:
        fill("first")(partial)
        write_version(second, fill("second"))
        assert read(partial) == {"first"}

    write_version(first, write)
    assert read(first) == {"first"} and read(second) == {"second"} and names(tmp_path / "net") == ["1", "2"]


def test_of_two_writers_of_one_version_the_second_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "net" / "1"

    def write(partial: Path) -> None:
        fill("slow")(partial)
        write_version(folder, fill("quick"))

    with pytest.raises(FileExistsError):
        write_version(folder, write)
    assert read(folder) == {"quick"} and names(tmp_path / "net") == ["1"]


def test_a_partial_folder_that_is_just_being_made_stays(tmp_path: Path) -> None:
    made, forgotten = (tmp_path / "net" / f".partial-{name}" for name in ("made", "forgotten"))
    for folder in (made, forgotten):
        folder.mkdir(parents=True)
    os.utime(forgotten, (0, 0))
    write_version(tmp_path / "net" / "1", fill("new"))
    assert names(tmp_path / "net") == [".partial-made", "1"]


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, flushed, fsync = tmp_path / "net" / "1", [], os.fsync

    def note(descriptor: int) -> None:
        flushed.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, folder.exists()))
        fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("names of open files are read from /proc")
    monkeypatch.setattr(writer.os, "fsync", note)
    write_version(folder, fill("new"))
    assert sorted(flushed) == [("1", False), ("manifest.json", False), ("model.onnx", False), ("net", True)]
