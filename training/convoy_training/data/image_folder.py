"""Pictures sorted into folders: train/<class>/*.jpg and val/<class>/*.jpg, as a folder or a tar."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

import numpy as np
from convoy.core.errors import InvalidArgument
from convoy.core.images import decode_image
from convoy.core.manifest import InputSpec
from convoy.core.resizing import place

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.cifar import Split
from convoy_training.errors import LabelError

FORMATS = (".jpg", ".jpeg", ".png", ".webp")


@cache
def load_split(path: str, split: str, size: int) -> Split:
    """Every picture of train/ or, for `validation`, val/, decoded and cut to `size` pixels as a service does."""
    archive, spec = open_archive(path), InputSpec(height=size, width=size, resize="center_crop")
    classes = find_classes(archive)
    names = list(_list(archive, "val" if split == "validation" else split))
    for name in classes:
        if not any(PurePosixPath(file).parts[1] == name for file in names):
            raise LabelError(f"{'val' if split == 'validation' else split}/{name}", None, "the class has no pictures")
    images = np.stack([place(_decode(archive, name), spec)[0] for name in names])
    labels = np.array([classes.index(PurePosixPath(name).parts[1]) for name in names], np.int64)
    return Split(images, labels, classes)


def find_classes(archive: Archive) -> tuple[str, ...]:
    """The folders below train/, by name."""
    classes = tuple(sorted({PurePosixPath(name).parts[1] for name in _list(archive, "train")}))
    if len(classes) < 2:
        raise LabelError(
            "train", None, f"two classes at least are needed, as folders of pictures; found {len(classes)}"
        )
    return classes


def _list(archive: Archive, folder: str) -> Iterator[str]:
    for name in sorted(archive.files):
        parts = PurePosixPath(name).parts
        if len(parts) >= 3 and parts[0] == folder and name.lower().endswith(FORMATS):
            yield name


def _decode(archive: Archive, name: str) -> np.ndarray:
    try:
        return decode_image(archive.files[name]).image_rgb
    except InvalidArgument as error:
        raise LabelError(name, None, str(error)) from error
