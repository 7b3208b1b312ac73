"""A file whose digest is in the catalogue: `convoy model import` takes the entry's options, labels and licence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from convoy.catalogue import catalogue as catalogues
from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.entry import Entry
from convoy.catalogue.known import complete, find_entry
from convoy.cli.app import app
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.manifest import Task, load_manifest
from typer.testing import CliRunner

from tests import foreign_models
from tests.foreign_models import write_lines

LABELS = ("cat", "dog", "bird", "fish")
MakeEntry = Callable[..., Entry]
Import = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return foreign_models.classifier(4, softmax=True).save(tmp_path / "any name.onnx")


@pytest.fixture
def said(file: Path) -> dict[str, Any]:
    return {"network": file}


def one(entry: Entry) -> Catalogue:
    return Catalogue({entry.name: entry}, {})


@pytest.fixture
def run_import(file: Path, tmp_path: Path, make_entry: MakeEntry, monkeypatch: pytest.MonkeyPatch) -> Import:
    """The command with a catalogue that has the file."""

    def run(*options: str, **facts: Any) -> Any:
        monkeypatch.setattr(catalogues, "bundled_catalogue", lambda: one(make_entry(**facts)))
        told = ["model", "import", str(file), "--models", str(tmp_path / "models"), "--name", "pets", "--json"]
        return CliRunner().invoke(app, [*told, *options])

    return run


def test_nothing_need_be_said(run_import: Import, tmp_path: Path) -> None:
    result = run_import()
    assert result.exit_code == 0, result.stderr
    manifest = load_manifest(tmp_path / "models" / "pets" / "1")
    assert manifest.labels == list(LABELS)
    assert (manifest.task, manifest.licence) == (Task.CLASSIFICATION, "MIT")
    assert manifest.training.data_terms == "made up"
    assert manifest.training.recipe.startswith("https://example.org/pets")
    assert "/ 1" in json.loads(result.stdout)["preprocessing"]
    assert "0.00392157" in json.loads(result.stdout)["preprocessing"]


def test_it_is_found_by_its_digest_alone(file: Path, make_entry: MakeEntry, tmp_path: Path) -> None:
    catalogue = one(make_entry())
    entry = find_entry(file, catalogue)
    assert entry is not None
    assert entry.name == "pets"
    altered = bytearray(file.read_bytes())
    altered[-1] ^= 1
    (tmp_path / "altered.onnx").write_bytes(altered)
    assert find_entry(tmp_path / "altered.onnx", catalogue) is None
    assert find_entry(tmp_path / "missing.onnx", catalogue) is None


def test_a_file_of_no_entry_needs_task_and_licence(file: Path, tmp_path: Path) -> None:
    for missing, options in (("--task", ["--licence", "MIT"]), ("--licence", ["--task", "classification"])):
        result = CliRunner().invoke(app, ["model", "import", str(file), *options])
        assert result.exit_code == 2
        assert missing in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--preprocess", "imagenet"], "--preprocess is imagenet, as you say; the catalogue says zero-one"),
        (["--licence", "BSD-3-Clause"], "--licence is BSD-3-Clause, as you say; the catalogue says MIT"),
    ],
)
def test_the_users_word_wins_with_a_sentence(run_import: Import, options: list[str], words: str) -> None:
    result = run_import(*options)
    assert result.exit_code == 0, result.stderr
    assert words in json.loads(result.stdout)["notes"]


def test_what_agrees_is_no_difference(run_import: Import, tmp_path: Path) -> None:
    labels = write_lines(tmp_path / "labels.txt", [label.upper() for label in LABELS])
    result = run_import("--task", "classification", "--licence", "MIT License", "--labels", str(labels))
    assert result.exit_code == 0, result.stderr
    assert not [note for note in json.loads(result.stdout)["notes"] if "as you say" in note]
    assert load_manifest(tmp_path / "models" / "pets" / "1").labels == ["CAT", "DOG", "BIRD", "FISH"]


def test_a_wrong_adapter_is_refused_as_always(run_import: Import, tmp_path: Path) -> None:
    result = run_import("--adapter", "logits")
    assert result.exit_code == 2
    assert "probabilities already" in result.stderr
    assert not (tmp_path / "models").exists()


def test_options_that_go_with_another_preset_do_not_stay(said: dict[str, Any], make_entry: MakeEntry) -> None:
    entry = make_entry(options={"preprocess": "raw-bgr", "mean": [1, 2, 3], "resize": "stretch", "crop": 0.5})
    request = complete(said | {"preprocess": "imagenet", "resize": "letterbox"}, entry, one(entry)).request
    assert (request.preprocess, request.mean, request.resize, request.crop) == ("imagenet", None, "letterbox", None)
    request = complete(said | {"mean": (0.0, 0.0, 0.0)}, entry, one(entry)).request
    assert (request.preprocess, request.mean, request.crop) == ("raw-bgr", (0.0, 0.0, 0.0), 0.5)


def test_another_task_takes_only_the_licence(said: dict[str, Any], make_entry: MakeEntry) -> None:
    entry = make_entry()
    known = complete(said | {"task": Task.SEGMENTATION}, entry, one(entry))
    assert (known.request.task, known.request.licence) == (Task.SEGMENTATION, "MIT")
    assert (known.request.labels, known.request.preprocess) == (None, None)
    assert known.notes == (
        "the catalogue has this file as pets for classification, so its options and labels are not used",
    )


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["cat", "dog", "fox", "fish"], "from line 3 on: 'fox', not 'bird'"),
        (["cat", "dog", "bird"], "labels.txt has 3 labels; the catalogue has 4"),
    ],
)
def test_other_labels_are_told(
    said: dict[str, Any], make_entry: MakeEntry, tmp_path: Path, labels: list[str], words: str
) -> None:
    entry = make_entry()
    known = complete(said | {"labels": write_lines(tmp_path / "labels.txt", labels)}, entry, one(entry))
    assert any(words in note for note in known.notes)


def test_labels_in_another_order_are_refused(said: dict[str, Any], make_entry: MakeEntry, tmp_path: Path) -> None:
    entry, labels = make_entry(), write_lines(tmp_path / "labels.txt", ["dog", "cat", "bird", "fish"])
    with pytest.raises(InvalidArgument, match="in another order: line 1 is 'dog', where the network has 'cat'"):
        complete(said | {"labels": labels}, entry, one(entry))


def test_strict_terms_must_be_named(said: dict[str, Any], make_entry: MakeEntry) -> None:
    entry = make_entry(licences={"weights": "non-commercial", "permissive": False})
    for licence in ({}, {"licence": "MIT"}):
        with pytest.raises(FailedPrecondition, match='accept them with --licence "non-commercial"'):
            complete(said | licence, entry, one(entry))
    assert complete(said | {"licence": "non-commercial"}, entry, one(entry)).request.licence == "non-commercial"


def test_options_may_be_written_as_the_command_takes_them(said: dict[str, Any], make_entry: MakeEntry) -> None:
    options = {"pad": 0, "mean": "1,2,3", "std": 2, "boxes": "normalised,centres", "input_size": "480x640"}
    entry = make_entry(options=options | {"priors": "10,20/32,64/128,256"})
    request = complete(said, entry, one(entry)).request
    assert (request.pad_value, request.mean, request.std) == (0, (1, 2, 3), (2, 2, 2))
    assert (request.boxes, request.form, request.input_size) == ("normalised", "centres", (480, 640))
    assert request.priors == ((10, 20), (32, 64), (128, 256))
    with pytest.raises(InvalidArgument, match="pets: options: --mean 1,2: give one number"):
        complete(said, make_entry(options={"mean": "1,2"}), one(entry))


def test_a_file_that_is_not_onnx_is_told_how_to_pull_it(run_import: Import) -> None:
    result = run_import(file={"name": "pets.tflite"})
    assert result.exit_code == 2
    assert "`convoy model pull pets --from" in result.stderr.replace("\n", " ")
    assert "converts and imports it" in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(("name", "words"), [("net.tflite", "tf2onnx.convert"), ("net.pth", "`convoy-train convert`")])
def test_a_file_of_no_entry_that_is_not_onnx_is_told_what_converts_it(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"something else")
    told = ["--task", "classification", "--licence", "MIT"]
    result = CliRunner().invoke(app, ["model", "import", str(tmp_path / name), *told])
    assert result.exit_code == 2
    assert words in result.stderr.replace("\n", " ")
