"""Published files that are not ONNX: a tool in another process turns them into it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from convoy.catalogue import conversion
from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.conversion import Tool
from convoy.catalogue.entry import Entry
from convoy.catalogue.pull import Pull, find_pulled, pull
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import load_manifest
from convoy.importing.transposed import OPERATOR, replace_transposed
from onnx import TensorProto, helper, numpy_helper

from tests.file_server import Files

MakeEntry = Callable[..., Entry]
EMPTY = Catalogue({}, {})


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that unpacks `.boxed` files: ONNX after eight bytes. It ends with 1 if there are others in front."""
    (tmp_path / "unboxer.py").write_text(
        "import sys, pathlib\n"
        "data = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "sys.exit('no box') if data[:8] != b'boxed...' else pathlib.Path(sys.argv[2]).write_bytes(data[8:])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made = Tool("unboxer", ("unboxer",), "find it", ("-m", "unboxer", "{source}", "{target}"))
    monkeypatch.setitem(conversion.TOOLS, ".boxed", made)


def how(tmp_path: Path, **facts: str) -> Pull:
    return Pull(models=tmp_path / "models", cache=tmp_path / "cache", **facts)


def boxed(make_entry: MakeEntry, files: Files, content: bytes) -> Entry:
    import hashlib

    files.content["pets.boxed"] = content
    facts = {"name": "pets.boxed", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return make_entry(file=facts | {"addresses": (files.url("pets.boxed"),)})


@pytest.mark.usefixtures("tool")
def test_it_is_converted_and_the_manifest_names_what_was_published(
    make_entry: MakeEntry, files: Files, network: bytes, tmp_path: Path
) -> None:
    entry = boxed(make_entry, files, b"boxed..." + network)
    folder = pull(entry, EMPTY, how(tmp_path, converter=sys.executable)).folder
    recipe = load_manifest(folder).training.recipe
    assert f"pets.boxed, SHA-256 {entry.file.sha256}, converted by unboxer" in recipe
    assert find_pulled(entry, tmp_path / "models") == folder


@pytest.mark.usefixtures("tool")
def test_what_cannot_be_converted_leaves_nothing(
    make_entry: MakeEntry, files: Files, network: bytes, tmp_path: Path
) -> None:
    entry = boxed(make_entry, files, b"another." + network)
    with pytest.raises(FailedPrecondition, match=r"unboxer cannot convert pets\.boxed: no box"):
        pull(entry, EMPTY, how(tmp_path))
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_what_answers_otherwise_than_the_published_file_is_refused(
    error: float,
    make_entry: MakeEntry,
    files: Files,
    network: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tool brings what the published file itself says of some pixels."""
    session = onnxruntime.InferenceSession(network)
    shape = [side if isinstance(side, int) else 1 for side in session.get_inputs()[0].shape]
    pixels = np.random.default_rng(5).random(shape, np.float32)
    said = session.run(None, {session.get_inputs()[0].name: pixels})
    answers = {f"output_{place}": one + error for place, one in enumerate(said)}
    np.savez(tmp_path / "said.npz", input=pixels, **answers)
    (tmp_path / "teller.py").write_text(
        "import pathlib, shutil, sys\n"
        "pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())\n"
        f"shutil.copy({str(tmp_path / 'said.npz')!r}, sys.argv[3])\n"
    )
    words = (str(tmp_path / "teller.py"), "{source}", "{target}", "{answers}")
    monkeypatch.setitem(conversion.TOOLS, ".boxed", Tool("teller", ("json",), "find it", words))
    entry = boxed(make_entry, files, network)
    if not error:
        assert pull(entry, EMPTY, how(tmp_path)).is_new
        return
    with pytest.raises(FailedPrecondition, match=r"teller converts pets\.boxed wrongly: .* differ by up to 0\.5"):
        pull(entry, EMPTY, how(tmp_path))
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file()] == []


def test_a_missing_tool_is_named_before_anything_is_fetched(
    make_entry: MakeEntry, files: Files, tmp_path: Path
) -> None:
    entry = make_entry(files.url("pets.tflite"), file={"name": "pets.tflite"})
    with pytest.raises(
        FailedPrecondition, match=r"tf2onnx converts it: pip install 'convoy-vision\[tflite\]', or --converter"
    ):
        pull(entry, EMPTY, how(tmp_path, converter=str(tmp_path / "no-such-python")))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("kernel", [2, 3])
def test_mediapipes_transposed_convolution_is_drawn(kernel: int, tmp_path: Path) -> None:
    """Each input pixel becomes a square of kernel x kernel pixels, and the squares do not overlap."""
    random = np.random.default_rng(3)
    pixels = random.normal(size=(2, 3, 4, 5)).astype(np.float32)
    weights, bias = random.normal(size=(6, kernel, kernel, 5)).astype(np.float32), np.arange(6, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node(OPERATOR, ["x", "w", "b"], ["y"])],
        "mask",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3 * kernel, 4 * kernel, 6])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    file = tmp_path / "mask.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    replace_transposed(file)
    found = onnxruntime.InferenceSession(str(file)).run(None, {"x": pixels})[0]
    wanted = np.einsum("nhwc,dijc->nhiwjd", pixels, weights).reshape(2, 3 * kernel, 4 * kernel, 6) + bias
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_command_says_what_to_install(
    make_entry: MakeEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convoy.catalogue import catalogue as catalogues
    from convoy.cli.app import app
    from typer.testing import CliRunner

    entry = make_entry(file={"name": "pets.tflite"})
    monkeypatch.setattr(catalogues, "bundled_catalogue", lambda: Catalogue({entry.name: entry}, {}))
    told = ["model", "pull", "pets", "--models", str(tmp_path), "--converter", "no-such-python", "--json"]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 2
    assert json.loads(result.stdout)["failed"][0]["reason"] == "NEEDS_CONVERSION"
