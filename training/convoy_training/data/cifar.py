"""Reads CIFAR-10 and CIFAR-100 (Krizhevsky 2009), 32x32 pixels.

You may have the official Python or binary version, unpacked or as the .tar.gz, or an .npz of JPEG files.
The last 5,000 of the 50,000 training images are the validation split; the official test files are the split `test`.
"""

from __future__ import annotations

import codecs
import io
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from convoy_training.data.archive import decode_text, open_archive
from convoy_training.data.source import compute_digest, locate, read_arrays
from convoy_training.errors import LabelError, TrainingError

ARCHIVE = "cifar10_A.npz"
VALIDATION = 5_000
BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
SIDE = 32
PIXELS = 3 * SIDE * SIDE
NAMES = ("batches.meta", "meta", "batches.meta.txt", "fine_label_names.txt")
"""Files with the names of the classes: Python version of 10 and of 100 classes, then the binary version of each."""


@dataclass(frozen=True)
class Split:
    """images uint8 RGB [N,32,32,3], labels int64 [N], classes: the names of the labels."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def name_picture(self, row: int) -> str:
        """A picture has no file of its own: its place in the split, from 0."""
        return f"picture {row}"


@cache
def load_split(split: str, path: str = ARCHIVE) -> Split:
    """Loads `train` (45,000 images), `validation` (5,000) or `test` (10,000; the .npz form has none)."""
    if split not in ("train", "validation", "test"):
        raise TrainingError(f"split '{split}': CIFAR has train, validation and test")
    if path.endswith(".npz"):
        if split == "test":
            raise TrainingError(f"{path} holds no test split: give the official files as data.path")
        return _load_jpegs(split, locate(path))
    files = open_archive(path).files
    classes = _read_classes(files, path)
    parts = [_read_batch(files[name], name, len(classes)) for name in _list_batches(files, split, path)]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    if wrong := np.flatnonzero((labels < 0) | (labels >= len(classes))).tolist():
        raise LabelError(
            path, None, f"image {wrong[0]} has the label {labels[wrong[0]]}, but there are {len(classes)} classes"
        )
    for label, name in enumerate(classes):
        if label not in labels:
            raise LabelError(path, None, f"the class {name} has no pictures")
    rows = _choose(len(labels), split)
    # The files hold a plane of red, one of green and one of blue for each image; turn them into pixels.
    return Split(
        np.ascontiguousarray(images[rows].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)), labels[rows], classes
    )


def digest(path: str = ARCHIVE) -> str:
    """The SHA-256 of the data."""
    return compute_digest(locate(path)) if path.endswith(".npz") else open_archive(path).digest


def _choose(count: int, split: str) -> slice:
    if split == "test":
        return slice(None)
    if count <= VALIDATION:
        raise TrainingError(f"{count:,} training images: the validation split alone takes {VALIDATION:,}")
    return slice(-VALIDATION, None) if split == "validation" else slice(-VALIDATION)


def _load_jpegs(split: str, file: Path) -> Split:
    """Loads the .npz form: `data` (all JPEG files one after another), `offsets` [N+1], `labels` [N], `classes`."""
    arrays = read_arrays(file, ("classes", "data", "labels", "offsets"))
    labels = arrays["labels"].astype(np.int64)
    classes = tuple(name.decode() for name in arrays["classes"])
    rows = np.arange(len(labels))[_choose(len(labels), split)]
    return Split(np.stack([_decode(arrays, row, len(classes), file.name) for row in rows]), labels[rows], classes)


def _decode(arrays: Mapping[str, NDArray[Any]], row: int, classes: int, file: str) -> NDArray[np.uint8]:
    start, end = arrays["offsets"][row : row + 2]
    if not 0 <= int(arrays["labels"][row]) < classes:
        raise LabelError(file, int(row) + 1, f"label {arrays['labels'][row]} is not one of {classes} classes")
    try:
        image: NDArray[np.uint8] = simplejpeg.decode_jpeg(arrays["data"][start:end].tobytes(), colorspace="RGB")
    except ValueError as error:
        raise LabelError(file, int(row) + 1, f"the image cannot be decoded: {error}") from error
    if image.shape != (SIDE, SIDE, 3):
        raise LabelError(file, int(row) + 1, f"the image is {image.shape}, not (32, 32, 3)")
    return image


def _read_classes(files: Mapping[str, bytes], path: str) -> tuple[str, ...]:
    for name in NAMES:
        if name not in files:
            continue
        if name.endswith(".txt"):
            return tuple(decode_text(files[name], name).split())
        meta = _unpickle(files[name], name)
        names = meta.get(b"fine_label_names", meta.get(b"label_names", ()))
        return tuple(text.decode() for text in names)
    raise TrainingError(f"{path} is not CIFAR: it has none of {', '.join(NAMES)}")


def _list_batches(files: Mapping[str, bytes], split: str, path: str) -> Iterator[str]:
    """The files of a split: five for CIFAR-10's training images, one for every other split."""
    half = "test" if split == "test" else "train"
    wanted = (half,) if "meta" in files or "fine_label_names.txt" in files else BATCHES[half]
    for stem in wanted:
        name = next((name for name in (stem, f"{stem}.bin") if name in files), None)
        if name is None:
            raise LabelError(stem, None, f"{path} does not hold this file")
        yield name


def _read_batch(data: bytes, name: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Reads one file: images uint8 [N,3072], as planes of red, green and blue, and labels [N]."""
    if PurePosixPath(name).suffix == ".bin":
        heads = 1 if classes <= 10 else 2  # CIFAR-100 puts the coarse label before the fine one
        if len(data) % (heads + PIXELS):
            raise LabelError(name, None, f"{len(data):,} bytes are not a whole number of images: the file was cut off")
        rows = np.frombuffer(data, np.uint8).reshape(-1, heads + PIXELS)
        return rows[:, heads:], rows[:, heads - 1].astype(np.int64)
    batch = _unpickle(data, name)
    images, labels = batch.get(b"data"), batch.get(b"fine_labels", batch.get(b"labels"))
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape != (len(labels or ()), PIXELS):
        raise LabelError(name, None, "`data` is not uint8 of 3,072 numbers for each of `labels`")
    return images, np.array(labels, np.int64)


def _unpickle(data: bytes, name: str) -> dict[bytes, Any]:
    try:
        content = _Arrays(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # pickle raises whatever a damaged file makes it raise
        raise LabelError(name, None, f"it is not a file of CIFAR's Python version: {error}") from error
    if not isinstance(content, dict):
        raise LabelError(name, None, f"it holds a {type(content).__name__}, not a dictionary")
    return content


class _Arrays(pickle.Unpickler):
    """Unpickles lists and NumPy arrays, which the official files hold, and refuses files that would run other code."""

    def find_class(self, module: str, name: str) -> Any:
        """Finds the few names that NumPy needs to make an array; raises UnpicklingError for all others."""
        known = {
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
            "_codecs.encode": codecs.encode,
            "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
        }
        key = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if key not in known:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in it")
        return known[key]
