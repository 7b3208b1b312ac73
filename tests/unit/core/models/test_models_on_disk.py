"""What a repository does when its folders change: they arrive, break, are mended or replaced. No server runs."""

import asyncio
import json
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from convoy.core.errors import FailedPrecondition, NotFound
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Task, digest
from convoy.core.models import integrity, version_folders
from convoy.core.models import repository as repository_module
from convoy.core.models.loaded_model import LoadedModel, Loading, load_model
from convoy.core.models.repository import Repository
from convoy.core.models.version_folders import VersionFolder
from convoy.testing.tiny_models import CLASSIFIER, HEADER, write_model

NAME = "colours"
RED = np.zeros((32, 32, 3), np.uint8) + np.array([220, 20, 20], np.uint8)
LONG_AGO_S = 1_000_000_000


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_model(tmp_path, NAME, Task.CLASSIFICATION)
    return tmp_path


@asynccontextmanager
async def opened(models: Path, **facts: Any) -> AsyncIterator[Repository]:
    with ThreadPoolExecutor(2) as executor:
        repository = Repository(models, {Task.CLASSIFICATION}, Loading(), executor, **facts)
        await repository.look()
        yield repository
        await repository.close()


def write(folder: Path, name: str, content: bytes) -> None:
    """Put a file in place with the time of the original, as `rsync -a`, `cp -p` and `tar` do."""
    (folder / name).write_bytes(content)
    os.utime(folder / name, (LONG_AGO_S, LONG_AGO_S))


def change_manifest(folder: Path, **facts: Any) -> None:
    path = folder / MANIFEST_FILE
    write(folder, MANIFEST_FILE, json.dumps(json.loads(path.read_text()) | facts).encode())


def replace_graph(folder: Path) -> None:
    """Another graph in the place of the first: red is told with less certainty."""
    softer = HEADER + CLASSIFIER.replace("value_float = 0.1", "value_float = 0.01")
    onnx.save(onnx.parser.parse_model(softer), folder / GRAPH_FILE)
    change_manifest(folder, sha256=digest(folder / GRAPH_FILE))


async def certainty(model: LoadedModel) -> float:
    """The probability of red for a red picture."""
    return float((await model.batcher.submit(RED))[0]["probabilities"][0])


async def state(repository: Repository, version: str) -> tuple[bool, str]:
    """Whether a version is loaded, and what is wrong with it."""
    (entry,) = [entry for entry in await repository.entries() if entry.version == version]
    return entry.loaded is not None, entry.problem


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every version that was read into memory, in order."""
    seen: list[str] = []

    def counted(folder: Path, *arguments: Any) -> LoadedModel:
        seen.append(f"{folder.parent.name}/{folder.name}")
        return load_model(folder, *arguments)

    monkeypatch.setattr(repository_module, "load_model", counted)
    return seen


async def test_a_model_is_loaded_when_it_is_first_asked_for_and_once_for_all_who_ask(
    models: Path, loads: list[str]
) -> None:
    write_model(models, "other", Task.CLASSIFICATION)
    async with opened(models) as repository:
        assert [entry.loaded for entry in await repository.entries()] == [None, None]
        found = await asyncio.gather(*(repository.obtain(NAME) for _ in range(20)))
        assert len(set(map(id, found))) == 1
        assert loads == [f"{NAME}/1"]
        assert [(entry.name, bool(entry.loaded)) for entry in await repository.entries()] == [
            (NAME, True),
            ("other", False),
        ]


async def test_a_version_that_nobody_asked_for_yet_is_checked_when_it_is_listed(models: Path) -> None:
    graph = write_model(models, "other", Task.CLASSIFICATION) / GRAPH_FILE
    whole = graph.read_bytes()
    async with opened(models) as repository:
        assert [entry.problem for entry in await repository.entries()] == ["", ""]
        graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        problems = {entry.name: entry.problem for entry in await repository.entries()}
        assert problems[NAME] == "" and "has SHA-256" in problems["other"]
        graph.write_bytes(whole)
        assert [entry.problem for entry in await repository.entries()] == ["", ""]


async def test_a_digest_is_computed_once_for_each_state_of_the_files(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(integrity, "load_manifest", read.append)
    monkeypatch.setattr(VersionFolder, "is_settled", True)
    async with opened(models) as repository:
        for _ in range(3):
            await repository.entries()
        assert len(read) == 1
        (models / NAME / "1" / GRAPH_FILE).touch()
        await repository.entries()
        assert len(read) == 2


async def test_while_a_model_is_loaded_the_loop_and_the_other_models_go_on(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(models, "slow", Task.CLASSIFICATION)
    release = threading.Event()

    def slowly(folder: Path, *arguments: Any) -> LoadedModel:
        assert folder.parent.name != "slow" or release.wait(60)
        return load_model(folder, *arguments)

    monkeypatch.setattr(repository_module, "load_model", slowly)
    async with opened(models) as repository:
        quick = await repository.obtain(NAME)
        waiting = asyncio.create_task(repository.obtain("slow"))
        assert await certainty(quick) > 0.9
        assert len(await repository.entries()) == 2
        assert not waiting.done()
        release.set()
        assert (await waiting).manifest.name == "slow"


async def test_a_caller_who_gives_up_does_not_stop_the_load_for_the_others(models: Path, loads: list[str]) -> None:
    async with opened(models) as repository:
        first, second = (asyncio.create_task(repository.obtain(NAME)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).manifest.name == NAME
        assert first.cancelled() and loads == [f"{NAME}/1"]


async def test_a_replaced_graph_is_loaded_anew_and_the_old_one_answers_until_then(models: Path) -> None:
    async with opened(models) as repository:
        before = await repository.obtain(NAME)
        assert await certainty(before) > 0.99
        replace_graph(models / NAME / "1")
        assert repository.get(NAME) is before
        await repository.refresh()
        assert await certainty(repository.get(NAME)) < 0.9
        assert await certainty(before) > 0.99  # A call that holds it still gets its answer.


async def test_a_version_that_is_measured_anew_is_noticed(models: Path) -> None:
    metric = {"name": "top-1", "value": 0.5, "dataset": "drawn", "split": "test", "n": 3, "command": "none"}
    async with opened(models) as repository:
        await repository.obtain(NAME)
        change_manifest(models / NAME / "1", metrics=[metric])
        await repository.refresh()
        assert [one.value for one in repository.get(NAME).manifest.metrics] == [0.5]


async def test_a_pinned_version_that_changed_in_place_is_noticed_too(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    async with opened(models, required=[f"{NAME}:1"]) as repository:
        await repository.load(NAME, "1")
        replace_graph(models / NAME / "1")
        await repository.refresh()
        assert await certainty(repository.get(NAME)) < 0.9
        assert repository.get(NAME).manifest.version == "1"


async def test_files_that_were_only_touched_load_nothing(models: Path, loads: list[str]) -> None:
    async with opened(models) as repository:
        model = await repository.obtain(NAME)
        for file in (GRAPH_FILE, MANIFEST_FILE):
            os.utime(models / NAME / "1" / file)
        await repository.refresh()
        assert repository.get(NAME) is model and len(loads) == 1


async def test_a_graph_that_is_spoilt_in_place_is_refused_and_the_one_in_memory_stays(models: Path) -> None:
    folder = models / NAME / "1"
    async with opened(models) as repository:
        model = await repository.obtain(NAME)
        good = (folder / GRAPH_FILE).read_bytes()
        write(folder, GRAPH_FILE, b"no graph")
        await repository.refresh()
        assert repository.get(NAME) is model
        is_loaded, problem = await state(repository, "1")
        assert is_loaded and "SHA-256" in problem
        write(folder, GRAPH_FILE, good)
        await repository.refresh()
        assert await state(repository, "1") == (True, "")


async def test_a_bad_newest_version_stops_nothing_and_the_newest_good_one_answers(models: Path) -> None:
    for version in ("2", "3"):
        write_model(models, NAME, Task.CLASSIFICATION, version)
    (models / NAME / "3" / GRAPH_FILE).write_bytes(b"no graph")
    async with opened(models) as repository:
        assert (await repository.obtain(NAME)).manifest.version == "2"
        is_loaded, problem = await state(repository, "3")
        assert not is_loaded and "SHA-256" in problem
        with pytest.raises(FailedPrecondition, match="SHA-256"):
            await repository.load(NAME)
        assert repository.get(NAME).manifest.version == "2"


async def test_where_no_version_is_good_the_newest_ones_problem_is_told(models: Path) -> None:
    (models / NAME / "1" / GRAPH_FILE).unlink()
    async with opened(models) as repository:
        for _ in range(2):
            with pytest.raises(FailedPrecondition, match=r"model.onnx is missing"):
                await repository.obtain(NAME)


ORDERS = [(GRAPH_FILE, MANIFEST_FILE), (MANIFEST_FILE, GRAPH_FILE)]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order[0])
async def test_a_version_that_arrives_file_by_file_is_taken_once_it_is_whole(
    models: Path, tmp_path_factory: pytest.TempPathFactory, order: tuple[str, str]
) -> None:
    source = write_model(tmp_path_factory.mktemp("elsewhere"), NAME, Task.CLASSIFICATION, "2")
    target = models / NAME / "2"
    async with opened(models) as repository:
        await repository.obtain(NAME)
        target.mkdir()
        for name in order:
            content = (source / name).read_bytes()
            for part in (content[: len(content) // 2], content):
                assert repository.get(NAME).manifest.version == "1"
                write(target, name, part)
                await repository.refresh()
        assert repository.get(NAME).manifest.version == "2"
        assert await state(repository, "2") == (True, "")


async def test_weights_beside_the_graph_may_come_last(models: Path) -> None:
    folder = models / NAME / "2"
    shutil.copytree(models / NAME / "1", folder)
    save_with_external_weights(folder)
    change_manifest(folder, version="2", sha256=digest(folder / GRAPH_FILE))
    weights = (folder / "weights").read_bytes()
    (folder / "weights").unlink()
    async with opened(models) as repository:
        assert (await repository.obtain(NAME)).manifest.version == "1"
        for part in (weights[:-4], weights):
            assert repository.get(NAME).manifest.version == "1"
            write(folder, "weights", part)
            await repository.refresh()
        assert repository.get(NAME).manifest.version == "2"
        assert await certainty(repository.get(NAME)) > 0.9


def save_with_external_weights(folder: Path) -> None:
    """The classifier with its one constant in a file of its own."""
    model = onnx.parser.parse_model(HEADER + CLASSIFIER)
    (constant,) = [node for node in model.graph.node if node.output == ["tenth"]]
    model.graph.node.remove(constant)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.full((1, 3), 0.1, np.float32), "tenth"))
    onnx.save(
        model,
        folder / GRAPH_FILE,
        save_as_external_data=True,
        location="weights",
        size_threshold=0,
        convert_attribute=True,
    )


async def test_a_refused_version_is_not_tried_again_until_its_files_change(
    models: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_folders, "_SETTLED_AFTER_NS", -1)
    add = models / NAME / "2"
    async with opened(models) as repository:
        await repository.obtain(NAME)
        shutil.copytree(models / NAME / "1", add)  # Its manifest names version 1.
        for _ in range(3):
            await repository.refresh()
        assert loads == [f"{NAME}/1", f"{NAME}/2"]
        change_manifest(add, version="2")
        await repository.refresh()
        assert repository.get(NAME).manifest.version == "2"


async def test_a_version_that_was_refused_while_it_was_written_is_tried_again_though_it_looks_unchanged(
    models: Path, loads: list[str]
) -> None:
    async with opened(models) as repository:
        await repository.obtain(NAME)
        shutil.copytree(models / NAME / "1", models / NAME / "2")
        for _ in range(2):
            await repository.refresh()
        assert loads == [f"{NAME}/1", f"{NAME}/2", f"{NAME}/2"]


async def test_a_look_at_an_unchanged_repository_reads_no_file(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_model(models, f"other-{number}", Task.CLASSIFICATION)
    async with opened(models) as repository:
        await repository.obtain(NAME)
        await repository.refresh()
        monkeypatch.setattr(VersionFolder, "is_settled", True)
        await repository.entries()
        opens: list[object] = []
        monkeypatch.setattr(Path, "open", lambda path, *_, **__: opens.append(path))
        monkeypatch.setattr(Path, "read_bytes", lambda path: opens.append(path))
        await repository.refresh()
        assert len(await repository.entries()) == 6
        assert opens == []


async def test_of_more_models_than_may_be_loaded_the_one_asked_for_longest_ago_goes(models: Path) -> None:
    for name in ("a", "b", "c"):
        write_model(models, name, Task.CLASSIFICATION)
    async with opened(models, required=[NAME], most=3) as repository:
        for name in (NAME, "a", "b", "a", "c"):
            await repository.obtain(name)
        assert {entry.name for entry in await repository.entries() if entry.loaded} == {NAME, "a", "c"}
        assert (await repository.obtain("b")).manifest.name == "b"


async def test_an_old_version_answers_only_when_it_is_loaded_by_name(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    async with opened(models) as repository:
        assert (await repository.obtain(NAME, "2")).manifest.version == "2"
        with pytest.raises(NotFound, match=r"version 1 of 'colours' is not loaded; loaded are: 2"):
            await repository.obtain(NAME, "1")
        await repository.load(NAME, "1")
        assert (await repository.obtain(NAME, "1")).manifest.version == "1"
        assert (await repository.obtain(NAME)).manifest.version == "2"


async def test_what_an_operator_unloaded_stays_out_until_it_is_loaded_by_name(models: Path) -> None:
    async with opened(models) as repository:
        await repository.unload(NAME)
        with pytest.raises(NotFound, match="is not loaded"):
            await repository.obtain(NAME)
        with pytest.raises(NotFound, match="is not loaded"):
            await repository.unload(NAME)
        await repository.load(NAME)
        assert (await repository.obtain(NAME)).manifest.version == "1"


async def test_a_load_by_name_takes_a_changed_version_anew(models: Path) -> None:
    async with opened(models) as repository:
        before = await repository.load(NAME)
        assert await repository.load(NAME, "1") is before
        replace_graph(models / NAME / "1")
        assert await repository.load(NAME, "1") is not before
        assert await certainty(repository.get(NAME)) < 0.9


NO_VERSIONS: list[Callable[[Path], object]] = [
    lambda model: shutil.copytree(model / "1", model / "01"),
    lambda model: shutil.copytree(model / "1", model / "0"),
    lambda model: shutil.copytree(model / "1", model / "1.partial"),
    lambda model: shutil.copytree(model / "1", model / "²"),
    lambda model: (model / "2").mkdir(),
    lambda model: (model / "2").write_text("no folder"),
    lambda model: (model / "2").symlink_to(model / "nowhere"),
    lambda model: (model.parent / "README.md").write_text("no model"),
]


@pytest.mark.parametrize("number", range(len(NO_VERSIONS)))
async def test_what_is_no_version_is_left_alone(models: Path, number: int) -> None:
    NO_VERSIONS[number](models / NAME)
    async with opened(models) as repository:
        assert [entry.version for entry in await repository.entries()] == ["1"]
        assert (await repository.obtain(NAME)).manifest.version == "1"


def sha256_of(models: Path, version: str) -> str:
    return digest(models / NAME / version / GRAPH_FILE)


async def test_an_older_version_is_loaded_beside_the_newest_when_a_call_names_it(
    models: Path, loads: list[str]
) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    replace_graph(models / NAME / "2")
    async with opened(models, required=[NAME]) as repository:
        await repository.obtain(NAME)
        by_number = await repository.obtain_version(NAME, "1")
        by_digest = await repository.obtain_version(NAME, sha256=sha256_of(models, "1"))
        assert by_number is by_digest and by_number.manifest.version == "1"
        assert (await repository.obtain_version(NAME, sha256=sha256_of(models, "2"))) is repository.get(NAME)
        await repository.refresh()
        assert repository.get(NAME).manifest.version == "2"
        assert loads == [f"{NAME}/2", f"{NAME}/1"]


async def test_a_version_asked_for_by_its_digest_does_not_become_the_default(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    replace_graph(models / NAME / "2")
    async with opened(models) as repository:
        old = await repository.obtain_version(NAME, "9", sha256_of(models, "1"))
        assert old.manifest.version == "1" and NAME in repository.idle
        await repository.refresh()
        assert [model.manifest.version for model in repository.loaded()] == ["1"]
        assert (await repository.obtain(NAME)).manifest.version == "2"
        shutil.rmtree(models / NAME / "2")
        await repository.refresh()
        assert repository.get(NAME) is old


async def test_a_version_beside_the_default_makes_room_and_comes_back(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    replace_graph(models / NAME / "2")
    write_model(models, "other", Task.CLASSIFICATION)
    async with opened(models, required=[NAME], most=2) as repository:
        await repository.obtain(NAME)
        await repository.obtain_version(NAME, "1")
        await repository.obtain("other")
        assert {(one.manifest.name, one.manifest.version) for one in repository.loaded()} == {
            (NAME, "2"),
            ("other", "1"),
        }
        assert (await repository.obtain_version(NAME, "1")).manifest.version == "1"
        assert repository.get(NAME).manifest.version == "2"


async def test_a_digest_that_no_version_has_is_told_with_those_that_are_there(models: Path) -> None:
    async with opened(models) as repository:
        with pytest.raises(NotFound, match=rf"SHA-256 abababababab…; there are: 1 \({sha256_of(models, '1')[:12]}…\)"):
            await repository.obtain_version(NAME, "1", "ab" * 32)
        with pytest.raises(NotFound, match="there is no model colours/7"):
            await repository.obtain_version(NAME, "7")
        with pytest.raises(NotFound, match="there are: none"):
            await repository.obtain_version("nobody", "1", "ab" * 32)


async def test_a_version_that_was_unloaded_or_is_damaged_is_not_loaded_by_its_digest(models: Path) -> None:
    write_model(models, NAME, Task.CLASSIFICATION, "2")
    replace_graph(models / NAME / "2")
    async with opened(models) as repository:
        sha256 = sha256_of(models, "1")
        await repository.obtain(NAME)
        await repository.unload(NAME, "1")
        with pytest.raises(NotFound, match="SHA-256"):
            await repository.obtain_version(NAME, sha256=sha256)
    (models / NAME / "1" / GRAPH_FILE).write_bytes(b"no graph")
    async with opened(models) as repository:
        with pytest.raises(FailedPrecondition, match="SHA-256"):
            await repository.obtain_version(NAME, sha256=sha256)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / MANIFEST_FILE).write_text("{}"), "manifest.json cannot be read"),
        (lambda folder: (folder / GRAPH_FILE).unlink(), "model.onnx is missing"),
    ],
    ids=["manifest", "graph"],
)
async def test_a_broken_folder_that_nobody_asked_for_is_not_called_available(
    models: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(models / NAME / "1")
    async with opened(models) as repository:
        (entry,) = await repository.entries()
        assert entry.problem.startswith(words)
