"""Real packages by their real clients: every entry that a package brings is pulled and proves itself."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from convoy.catalogue.addresses import PackagedFile, parse_address
from convoy.catalogue.catalogue import bundled_catalogue
from convoy.catalogue.golden import golden_picture
from convoy.catalogue.pull import Pull, fetch, pull
from convoy.core.manifest import GRAPH_FILE, load_manifest
from convoy.core.models.engine import Engine

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = bundled_catalogue()
PACKAGED = [
    name
    for name, entry in sorted(CATALOGUE.entries.items())
    if any(isinstance(parse_address(address), PackagedFile) for address in entry.file.addresses)
]
TFLITE = [name for name in PACKAGED if CATALOGUE.entries[name].file.name.endswith(".tflite")]
READER = "ai-edge-litert==2.3.0"
"""Google's own reader of .tflite files: it knows nothing of the conversion."""
READ = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
graph = Interpreter(sys.argv[1])
graph.allocate_tensors()
(taken,), given = graph.get_input_details(), graph.get_output_details()
pixels = np.load(sys.argv[2])
graph.set_tensor(taken["index"], np.repeat(pixels, taken["shape"][0], axis=0))
graph.invoke()
np.savez(sys.argv[3], *[graph.get_tensor(one["index"])[:1] for one in given])
"""


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment of its own with the converter of the extra `tflite`, as a user makes it, and with the reader."""
    folder = tmp_path_factory.mktemp("converter")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    extras = tomllib.loads((ROOT / "services" / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    tools = [line for line in extras["tflite"] if not line.startswith("convoy")]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *tools, READER], check=True)
    return python


@pytest.mark.parametrize("name", PACKAGED)
def test_an_entry_that_a_package_brings_is_pulled_and_proves_itself(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    entry = CATALOGUE.entries[name]
    assert entry.golden is not None, "its bytes can be had, so it has a golden answer"
    tool = request.getfixturevalue("converter") if name in TFLITE else None
    how = Pull(models=tmp_path / "models", cache=tmp_path / "cache", converter=tool)
    assert load_manifest(pull(entry, CATALOGUE, how).folder).name == name


@pytest.mark.parametrize("name", TFLITE)
def test_a_converted_network_says_what_its_file_says(name: str, tmp_path: Path, converter: str) -> None:
    entry = CATALOGUE.entries[name]
    how = Pull(models=tmp_path / "models", cache=tmp_path / "cache", converter=converter)
    folder, file = pull(entry, CATALOGUE, how).folder, fetch(entry, how)
    spec = load_manifest(folder).input
    image = golden_picture(spec.height or 0, spec.width or 0)
    scale, shift = {"zero-one": (255, 0), "arcface": (127.5, 1)}[entry.options["preprocess"]]
    np.save(tmp_path / "pixels.npy", (image[None] / scale - shift).astype(np.float32))
    script = tmp_path / "read.py"
    script.write_text(READ)
    subprocess.run([converter, script, file, tmp_path / "pixels.npy", tmp_path / "said.npz"], check=True)
    with np.load(tmp_path / "said.npz") as stored:
        said, *others = (stored[name] for name in stored.files)
    found = Engine(folder / GRAPH_FILE, "cpu").run(image[None])
    if others:
        score = np.abs(said[others[0] == 1]).sum().clip(0, 1)
        assert np.abs(found["probabilities"] - [1 - score, score]).max() < 1e-4
    elif "embeddings" in found:
        assert np.abs(found["embeddings"] - said / np.linalg.norm(said)).max() < 1e-4
    else:
        assert np.mean(found["class_map"] != (said[..., 0] > 0.5)) < 1e-4


def test_there_are_such_entries() -> None:
    assert len(PACKAGED) >= 8
    assert len(TFLITE) >= 4
