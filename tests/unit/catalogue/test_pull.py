"""A model is pulled whole or not at all: from the first address that works, by digest, and only if it proves itself."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from convoy.catalogue import download, golden
from convoy.catalogue import pull as way
from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.golden import golden_picture
from convoy.catalogue.pull import Pull, fetch, pull
from convoy.core.errors import ConvoyError
from convoy.core.manifest import load_manifest
from convoy.core.models.engine import Engine
from convoy.imaging.task import transform

from tests import foreign_pictures
from tests.file_server import Files
from tests.unit.catalogue.conftest import LABELS, MakeEntry


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda _: None)


@pytest.fixture
def how(tmp_path: Path) -> Pull:
    return Pull(models=tmp_path / "models", cache=tmp_path / "cache")


def left(how: Pull) -> list[str]:
    """What lies in the repository, hidden folders too."""
    return sorted(path.name for path in how.models.glob("*")) if how.models.exists() else []


def test_a_model_is_pulled_and_answers_as_its_file_does(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull
) -> None:
    files.content["pets.onnx"] = network
    pulled = pull(make_entry(files.url("pets.onnx")), empty, how)
    manifest = load_manifest(pulled.folder)
    assert pulled.is_new and tuple(manifest.labels) == LABELS and manifest.licence == "MIT"

    picture = golden_picture(32, 32)
    foreign = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    (expected,) = foreign.run(None, {"input.1": picture[None].transpose(0, 3, 1, 2).astype(np.float32) / 255})
    wrapped = onnxruntime.InferenceSession(str(pulled.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    (answer,) = wrapped.run(None, {"images": picture[None]})
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_a_network_that_makes_pictures_is_pulled_and_imaging_serves_it(
    files: Files, make_entry: MakeEntry, empty: Catalogue, how: Pull, tmp_path: Path
) -> None:
    network = foreign_pictures.espcn(2).save(tmp_path / "x2.onnx").read_bytes()
    files.content["x2.onnx"] = network
    file = {"name": "x2.onnx", "sha256": hashlib.sha256(network).hexdigest(), "bytes": len(network)}
    entry = make_entry(files.url("x2.onnx"), name="x2", task="picture_to_picture", labels=None, file=file)
    entry = entry.model_copy(update={"options": {"adapter": "pictures", "preprocess": "zero-one", "input_size": 64}})
    folder = pull(entry, empty, how).folder
    manifest = load_manifest(folder)
    assert manifest.picture is not None and manifest.picture.scale == 2 and manifest.labels == []
    assert golden.measure(folder).mean.keys() == {"pictures"}
    picture = golden_picture(40, 50)
    assert transform(Engine(folder / "model.onnx", "cpu").run, picture, manifest).shape == (80, 100, 3)
    golden.check(folder, golden.measure(folder))


def test_a_second_pull_changes_nothing(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull
) -> None:
    files.content["pets.onnx"] = network
    entry = make_entry(files.url("pets.onnx"))
    first, second = pull(entry, empty, how), pull(entry, empty, how)
    assert (first.is_new, second.is_new) == (True, False) and first.folder == second.folder
    assert [path.name for path in (how.models / "pets").iterdir()] == ["1"] and len(files.ranges) == 1


def test_addresses_are_tried_in_order(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull
) -> None:
    files.content |= {"other.onnx": b"x" * len(network), "pets.onnx": network}
    entry = make_entry(files.url("gone.onnx"), files.url("other.onnx"), files.url("pets.onnx"))
    assert pull(entry, empty, how).is_new


def test_a_download_that_was_cut_goes_on_where_it_ended(
    files: Files, network: bytes, make_entry: MakeEntry, how: Pull
) -> None:
    files.content["pets.onnx"] = network
    files.cut_after = [100, 50]
    seen: list[int] = []
    resumed = Pull(how.models, how.cache, progress=lambda here, whole: seen.append(here))
    assert fetch(make_entry(files.url("pets.onnx")), resumed).read_bytes() == network
    assert files.ranges == ["", "bytes=100-", "bytes=150-"] and seen == sorted(seen) and seen[-1] == len(network)


def test_a_later_pull_goes_on_where_an_earlier_one_was_cut(
    files: Files, network: bytes, make_entry: MakeEntry, how: Pull
) -> None:
    files.content["pets.onnx"] = network
    files.cut_after = [10] * download.TRIES
    entry = make_entry(files.url("pets.onnx"))
    with pytest.raises(ConvoyError) as caught:
        fetch(entry, how)
    assert caught.value.reason == "NOT_FETCHED"
    files.ranges.clear()
    assert fetch(entry, how).read_bytes() == network and files.ranges == [f"bytes={10 * download.TRIES}-"]


def test_a_server_that_ignores_ranges_begins_anew(
    files: Files, network: bytes, make_entry: MakeEntry, how: Pull
) -> None:
    files.content["pets.onnx"], files.cut_after, files.ignores_ranges = network, [100], True
    assert fetch(make_entry(files.url("pets.onnx")), how).read_bytes() == network


@pytest.mark.parametrize("sent", ["other bytes", "more bytes", "fewer bytes", "nothing there"])
def test_what_is_not_the_file_is_thrown_away(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull, sent: str
) -> None:
    bytes_sent = {"other bytes": bytes(len(network)), "more bytes": network + b"x", "fewer bytes": network[:-1]}
    if sent in bytes_sent:
        files.content["pets.onnx"] = bytes_sent[sent]
    with pytest.raises(ConvoyError) as caught:
        pull(make_entry(files.url("pets.onnx")), empty, how)
    assert caught.value.reason == "NOT_FETCHED" and "pets" in caught.value.message
    assert left(how) == [] and [path.name for path in how.cache.glob("*") if len(path.name) == 64] == []


def test_a_file_that_was_brought_is_found_by_its_digest(
    network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull, tmp_path: Path
) -> None:
    stick = tmp_path / "stick" / "deep"
    stick.mkdir(parents=True)
    (stick / "a.bin").write_bytes(bytes(len(network)))
    (stick / "whatever.dat").write_bytes(network)
    brought = Pull(how.models, how.cache, brought=tmp_path / "stick", offline=True)
    assert pull(make_entry(), empty, brought).is_new and not how.cache.exists()


def test_nothing_is_downloaded_where_files_were_to_be_brought(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull, tmp_path: Path
) -> None:
    files.content["pets.onnx"] = network
    (tmp_path / "stick").mkdir()
    brought = Pull(how.models, how.cache, brought=tmp_path / "stick", offline=True)
    with pytest.raises(ConvoyError) as caught:
        pull(make_entry(files.url("pets.onnx")), empty, brought)
    assert caught.value.reason == "NO_FILE" and files.ranges == []


def test_terms_that_are_not_permissive_are_accepted_first(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull
) -> None:
    files.content["pets.onnx"] = network
    entry = make_entry(files.url("pets.onnx"), licences={"weights": "non-commercial", "permissive": False})
    with pytest.raises(ConvoyError) as caught:
        pull(entry, empty, how)
    assert caught.value.reason == "LICENCE_NOT_ACCEPTED" and "non-commercial" in caught.value.message
    assert files.ranges == [] and left(how) == []
    assert pull(entry, empty, Pull(how.models, how.cache, accept=lambda asked: asked == entry)).is_new


def test_a_golden_answer_is_kept_or_the_model_refused(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull, tmp_path: Path
) -> None:
    files.content["pets.onnx"] = network
    entry = make_entry(files.url("pets.onnx"))
    known = golden.measure(pull(entry, empty, Pull(tmp_path / "first", how.cache)).folder)
    assert pull(entry.model_copy(update={"golden": known}), empty, how).is_new

    shutil.rmtree(how.models)
    # The same bytes, read another way: three times darker pixels.
    other = make_entry(files.url("pets.onnx"), golden=known.model_dump(), options={"scale": 1 / 765})
    with pytest.raises(ConvoyError) as caught:
        pull(other, empty, how)
    assert caught.value.reason == "OTHER_MODEL" and left(how) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"adaptor": "softmax"}, "there is no option adaptor"),
        ({"scale": "large"}, "options.scale"),
        ({"layout": "hwcn"}, "options.layout"),
    ],
)
def test_options_that_the_import_does_not_know_are_the_catalogues_fault(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull, options: dict[str, str], said: str
) -> None:
    files.content["pets.onnx"] = network
    with pytest.raises(ConvoyError) as caught:
        pull(make_entry(files.url("pets.onnx"), options=options), empty, how)
    assert caught.value.reason == "BAD_CATALOGUE" and said in caught.value.message and left(how) == []


def test_wrong_labels_are_refused_and_nothing_stays(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull
) -> None:
    files.content["pets.onnx"] = network
    with pytest.raises(ConvoyError) as caught:
        pull(make_entry(files.url("pets.onnx"), labels=("cat", "dog")), empty, how)
    assert caught.value.reason == "UNKNOWN_LAYOUT" and left(how) == []


def test_a_full_disk_leaves_nothing_behind(
    files: Files, network: bytes, make_entry: MakeEntry, empty: Catalogue, how: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.content["pets.onnx"] = network

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(way.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        pull(make_entry(files.url("pets.onnx")), empty, how)
    assert left(how) == []


def test_a_published_file_that_is_not_onnx_says_what_converts_it(
    make_entry: MakeEntry, empty: Catalogue, how: Pull
) -> None:
    with pytest.raises(ConvoyError) as caught:
        pull(make_entry(file={"name": "pets.pth"}, note="run `convoy-train`"), empty, how)
    assert caught.value.reason == "NEEDS_CONVERSION" and "convoy-train" in caught.value.message


def make_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """A wheel `pets-1.0` as pip takes it."""
    wheel = folder / "pets-1.0-py3-none-any.whl"
    facts = {
        "pets-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: pets\nVersion: 1.0\n",
        "pets-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "pets-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | facts).items():
            archive.writestr(name, content)
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which pip takes wheels, in place of an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_file_comes_out_of_a_python_package_by_pip(
    index: Path, network: bytes, make_entry: MakeEntry, how: Pull
) -> None:
    make_wheel(index, {"pets/weights/pets.onnx": network, "pets/__init__.py": b"raise SystemExit"})
    entry = make_entry("pypi:pets==1.0/pets/weights/pets.onnx")
    assert fetch(entry, how).read_bytes() == network
    assert [path.name for path in how.cache.iterdir()] == [entry.file.sha256]


@pytest.mark.parametrize("fault", ["another path", "no package", "a bomb"])
def test_a_package_without_the_file_is_told_of(
    index: Path, network: bytes, make_entry: MakeEntry, how: Pull, fault: str
) -> None:
    if fault != "no package":
        make_wheel(index, {"pets/pets.onnx": bytes(50 * 2**20) if fault == "a bomb" else network})
    path = "pets/elsewhere.onnx" if fault == "another path" else "pets/pets.onnx"
    with pytest.raises(ConvoyError) as caught:
        fetch(make_entry(f"pypi:pets==1.0/{path}"), how)
    assert caught.value.reason == "NOT_FETCHED" and list(how.cache.iterdir()) == []


def test_a_file_comes_out_of_a_javascript_package_by_npm(
    network: bytes, make_entry: MakeEntry, how: Pull, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for npm writes the tarball that `npm pack` writes; the real one is asked by `make slow`."""
    (tmp_path / "pets.onnx").write_bytes(network)
    packed = tmp_path / "packed.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "pets.onnx", "package/assets/pets.onnx")
    tool = tmp_path / "bin" / "npm"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$1" = pack ] && for last; do :; done; [ "$last" = pets@1.0.2 ] || exit 1\n'
                    f'cp {packed} pets-1.0.2.tgz\n')  # fmt: skip
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    assert fetch(make_entry("npm:pets@1.0.2/assets/pets.onnx"), how).read_bytes() == network
    with pytest.raises(ConvoyError) as caught:
        fetch(make_entry("npm:pets@9.9.9/assets/pets.onnx"), Pull(how.models, tmp_path / "other cache"))
    assert caught.value.reason == "NOT_FETCHED"


def test_the_command_pulls_from_a_companys_own_catalogue(
    files: Files, network: bytes, make_entry: MakeEntry, tmp_path: Path
) -> None:
    files.content["pets.onnx"] = network
    one = make_entry(files.url("pets.onnx"))
    files.content["catalogue.toml"] = f"""
[[model]]
name = "pets"
task = "classification"
title = "Pets"
accuracy = "not stated"
source = "https://example.org/pets"
labels = ["cat", "dog", "bird", "fish"]
licences = {{ code = "MIT", weights = "MIT", data = "made up", permissive = true }}
options = {{ adapter = "softmax" }}
[model.file]
name = "pets.onnx"
sha256 = "{one.file.sha256}"
bytes = {one.file.bytes}
addresses = ["{files.url("pets.onnx")}"]
[[set]]
name = "all"
title = "Everything"
models = {{ classification = "pets" }}
""".encode()
    command = [sys.executable, "-m", "convoy.cli", "model", "pull", "all", "--catalogue", files.url("catalogue.toml")]
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "data" / "convoy" / "models" / "pets" / "1"
    assert f"wrote {folder}" in done.stdout and load_manifest(folder).name == "pets"
    catalogue = files.content["catalogue.toml"].decode()
    gone = catalogue[: catalogue.index("[[set]]")].replace('"pets"', '"gone"').replace("pets.onnx", "gone.onnx")
    gone = gone.replace(one.file.sha256, "0" * 64)
    both = catalogue.replace('classification = "pets"', 'classification = "pets", segmentation = "gone"')
    files.content["catalogue.toml"] = (gone.replace('"classification"', '"segmentation"') + both).encode()
    partly = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert partly.returncode == 2, partly.stdout + partly.stderr
    assert "CONVOY_MODEL_SET=all; without a model of it for segmentation, which keep their usual ones" in partly.stdout
