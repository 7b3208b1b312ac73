"""CIFAR as it is published: the Python and the binary version, of 10 and of 100 classes, unpacked and packed."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from convoy_training.data import cifar
from convoy_training.errors import TrainingError
from numpy.typing import NDArray

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cifar, "VALIDATION", 20)
    cifar.load_split.cache_clear()
    yield
    cifar.load_split.cache_clear()


def draw(count: int, classes: int) -> tuple[NDArray[np.uint8], list[int]]:
    return RANDOM.integers(0, 256, (count, 3072), np.uint8), [row % classes for row in range(count)]


def write_python(folder: Path, classes: int) -> dict[str, tuple[NDArray[np.uint8], list[int]]]:
    """Protocol 2 with byte strings as keys, which is how Python 2 wrote the published files."""
    folder.mkdir(parents=True)
    key, names = (b"labels", b"label_names") if classes == 10 else (b"fine_labels", b"fine_label_names")
    meta = {names: [f"class {n}".encode() for n in range(classes)]}
    (folder / ("batches.meta" if classes == 10 else "meta")).write_bytes(pickle.dumps(meta, 2))
    train = [f"data_batch_{n}" for n in range(1, 6)] if classes == 10 else ["train"]
    written = {}
    for name in [*train, "test_batch" if classes == 10 else "test"]:
        images, labels = written[name] = draw(2 * classes, classes)
        coarse = {} if classes == 10 else {b"coarse_labels": [0] * len(labels)}
        (folder / name).write_bytes(pickle.dumps({b"data": images, key: labels, **coarse}, 2))
    return written


def write_binary(folder: Path, classes: int) -> dict[str, tuple[NDArray[np.uint8], list[int]]]:
    folder.mkdir(parents=True)
    names = "\n".join(f"class{n}" for n in range(classes))
    (folder / ("batches.meta.txt" if classes == 10 else "fine_label_names.txt")).write_text(f"{names}\n\n")
    train = [f"data_batch_{n}" for n in range(1, 6)] if classes == 10 else ["train"]
    written = {}
    for name in [*train, "test_batch" if classes == 10 else "test"]:
        images, labels = written[name] = draw(2 * classes, classes)
        heads = np.array([[label] if classes == 10 else [7, label] for label in labels], np.uint8)
        (folder / f"{name}.bin").write_bytes(np.hstack([heads, images]).tobytes())
    return written


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("write", [write_python, write_binary])
def test_the_published_files_are_read(write: object, classes: int, packed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    written = write(folder, classes)  # type: ignore[operator]
    path = folder
    if packed:
        path = tmp_path / "cifar.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, "cifar")
    train, validation, test = (cifar.load_split(split, str(path)) for split in ("train", "validation", "test"))
    assert len(train.classes) == classes
    assert train.classes[3] in ("class 3", "class3")
    *batches, (test_images, test_labels) = written.values()
    images, labels = np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches])
    assert (len(train.labels), len(validation.labels)) == (len(labels) - 20, 20)
    np.testing.assert_array_equal(np.concatenate([train.labels, validation.labels]), labels)
    np.testing.assert_array_equal(test.labels, test_labels)
    # Planes of red, green and blue, each row by row.
    np.testing.assert_array_equal(train.images[5, 2, 9], images[5].reshape(3, 32, 32)[:, 2, 9])
    np.testing.assert_array_equal(test.images[-1, 31, 0], test_images[-1].reshape(3, 32, 32)[:, 31, 0])


def pickled(count: int, labels: list[int]) -> bytes:
    return pickle.dumps({b"data": np.zeros((count, 3072), np.uint8), b"labels": labels}, 2)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code out of a data file ran",)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("data_batch_2", pickle.dumps(Harmful(), 2), r"data_batch_2: .*print does not belong in it"),
        ("data_batch_3", b"cut off", "data_batch_3: it is not a file of CIFAR's Python version"),
        ("data_batch_4", pickle.dumps([1], 2), "data_batch_4: it holds a list"),
        ("data_batch_5", pickled(2, [0]), "data_batch_5: `data`"),
        ("data_batch_1", pickled(1, [10]), "the label 10, but there are 10 classes"),
        ("data_batch_1", None, "data_batch_1: .* does not hold this file"),
        ("batches.meta", None, "is not CIFAR"),
        ("batches.meta", pickle.dumps({b"label_names": [b"x"] * 11}, 2), "the class x has no pictures"),
    ],
)
def test_a_wrong_file_is_named(
    name: str, content: bytes | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_python(tmp_path / "cifar", 10)
    (tmp_path / "cifar" / name).unlink()
    if content is not None:
        (tmp_path / "cifar" / name).write_bytes(content)
    with pytest.raises(TrainingError, match=reason):
        cifar.load_split("train", str(tmp_path / "cifar"))
    assert capsys.readouterr().out == ""


def test_a_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    write_binary(tmp_path / "cifar", 100)
    file = tmp_path / "cifar" / "train.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TrainingError, match=r"train\.bin: .* the file was cut off"):
        cifar.load_split("train", str(tmp_path / "cifar"))


def test_a_split_that_is_none_is_refused(tmp_path: Path) -> None:
    write_python(tmp_path / "cifar", 10)
    with pytest.raises(TrainingError, match="split 'val'"):
        cifar.load_split("val", str(tmp_path / "cifar"))
    with pytest.raises(TrainingError, match="holds no test split"):
        cifar.load_split("test")
