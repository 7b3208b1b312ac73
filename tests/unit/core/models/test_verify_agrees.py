"""`convoy model verify` and a service that loads the model come to the same verdict, whatever is wrong."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from convoy.cli.app import app
from convoy.core.errors import ConvoyError
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Task, digest
from convoy.core.models.loaded_model import Loading
from convoy.core.models.repository import Repository
from convoy.testing.tiny_models import CLASSIFIER, HEADER, write_model
from typer.testing import CliRunner

NAME = "colours"
Change = Callable[[Path], None]


def change_manifest(folder: Path, **facts: object) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def put_weights_outside(folder: Path, location: str = "weights") -> None:
    """Move the graph's one constant to a file, and name it in the manifest."""
    model = onnx.parser.parse_model(HEADER + CLASSIFIER)
    (constant,) = [node for node in model.graph.node if node.output == ["tenth"]]
    model.graph.node.remove(constant)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.full((1, 3), 0.1, np.float32), "tenth"))
    onnx.save(model, folder / GRAPH_FILE, save_as_external_data=True, location=location, size_threshold=0)
    change_manifest(folder, sha256=digest(folder / GRAPH_FILE), files={location: digest(folder / location)})


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2])


def alter_outside(folder: Path) -> None:
    put_weights_outside(folder)
    flip(folder / "weights")


def lose_outside(folder: Path) -> None:
    put_weights_outside(folder)
    (folder / "weights").unlink()


def cut_outside(folder: Path) -> None:
    put_weights_outside(folder)
    cut(folder / "weights")


def lose_outside_without_a_digest(folder: Path) -> None:
    lose_outside(folder)
    change_manifest(folder, files={})


def leave_the_folder(folder: Path) -> None:
    put_weights_outside(folder)
    shutil.move(folder / "weights", folder.parent / "weights")
    graph = (folder / GRAPH_FILE).read_bytes()
    model = onnx.load_model_from_string(graph)
    for entry in model.graph.initializer[0].external_data:
        entry.value = "../weights" if entry.key == "location" else entry.value
    (folder / GRAPH_FILE).write_bytes(model.SerializeToString())
    change_manifest(folder, sha256=digest(folder / GRAPH_FILE), files={})


def move_and_link(folder: Path) -> None:
    shutil.move(folder, folder.parent / "real")
    folder.symlink_to("real")


def link_the_model(folder: Path) -> None:
    shutil.move(folder.parent, folder.parent.parent / ".real")
    folder.parent.symlink_to(".real")


GOOD: dict[str, Change] = {
    "as published": lambda folder: None,
    "weights outside": put_weights_outside,
    "a version that is a link": move_and_link,
    "a model that is a link": link_the_model,
}
BAD: dict[str, Change] = {
    "the graph is changed": lambda folder: flip(folder / GRAPH_FILE),
    "half of the graph": lambda folder: cut(folder / GRAPH_FILE),
    "no graph": lambda folder: (folder / GRAPH_FILE).unlink(),
    "a torn manifest": lambda folder: cut(folder / MANIFEST_FILE),
    "changed weights outside": alter_outside,
    "no weights outside": lose_outside,
    "half of the weights outside": cut_outside,
    "no weights outside, and no digest of them": lose_outside_without_a_digest,
    "weights in another folder": leave_the_folder,
    "a digest of a file in another folder": lambda folder: change_manifest(folder, files={"../x": "0" * 64}),
    "another version's manifest": lambda folder: change_manifest(folder, version="7"),
    "labels of another number": lambda folder: change_manifest(folder, labels=["a", "b"]),
}
LEFT_OUT: dict[str, Change] = {
    "no manifest yet": lambda folder: (folder / MANIFEST_FILE).unlink(),
    "a version with a zero in front": lambda folder: os.rename(folder, folder.parent / "01"),
}


async def load(models: Path) -> str:
    """What a service says of the one model: empty if it answers."""
    with ThreadPoolExecutor(1) as executor:
        repository = Repository(models, {Task.CLASSIFICATION}, Loading("cpu"), executor)
        await repository.look()
        try:
            await repository.obtain(NAME)
        except ConvoyError as error:
            return error.message
        finally:
            await repository.close()
    return ""


def verify(place: Path) -> tuple[int, str]:
    """(exit code, the one problem) of the command."""
    result = CliRunner().invoke(app, ["model", "verify", str(place), "--json"])
    (verdict,) = json.loads(result.stdout)
    return result.exit_code, verdict["problem"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path, NAME, Task.CLASSIFICATION)
    return tmp_path / NAME / "1"


@pytest.mark.parametrize("name", GOOD)
async def test_what_a_service_takes_is_good(name: str, folder: Path) -> None:
    GOOD[name](folder)
    assert await load(folder.parent.parent) == ""
    for place in (folder, folder.parent, folder.parent.parent):
        assert verify(place) == (0, "")


@pytest.mark.parametrize("name", BAD)
async def test_what_a_service_refuses_is_bad_for_the_same_reason(name: str, folder: Path) -> None:
    BAD[name](folder)
    refused = await load(folder.parent.parent)
    code, problem = verify(folder)
    assert refused
    assert code == 1
    assert problem.startswith(refused) or refused in problem


@pytest.mark.parametrize("name", LEFT_OUT)
async def test_what_a_service_leaves_out_is_told(name: str, folder: Path) -> None:
    LEFT_OUT[name](folder)
    assert "there is no model" in await load(folder.parent.parent)
    code, problem = verify(folder.parent.parent)
    assert code == 1
    assert "manifest.json cannot be read" in problem or "is not a version, so no service looks at it" in problem
