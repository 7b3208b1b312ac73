"""Reads your own pictures with faces, laid out as WIDER FACE or as COCO JSON."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Literal

from pydantic import Field

from convoy_training.data import face_lists
from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.face_pictures import Listed, Picture, build_picture
from convoy_training.data.lists import find_repeated
from convoy_training.data.photo import open_photos
from convoy_training.data.source import compute_digest, find
from convoy_training.errors import LabelError
from convoy_training.recipe import Strict

Split = Literal["train", "validation"]
Format = Literal["wider", "coco"]

FOLDERS = {"train": "train", "validation": "val"}
LISTS = {
    "wider": {
        "{0}/label.txt": face_lists.parse_retinaface,
        "wider_face_split/wider_face_{0}_bbx_gt.txt": face_lists.parse_wider,
        "wider_face_{0}_bbx_gt.txt": face_lists.parse_wider,
    },
    "coco": {"annotations/{0}.json": face_lists.parse_coco},
}
"""The possible lists of a split {0}. The first that exists is read; RetinaFace's comes first as it has landmarks."""

PICTURES = ("WIDER_{0}/images/", "{0}/images/", "{0}/", "images/")
"""Where pictures may lie. If you move a line to the other split's list, its picture may stay where it is."""


class Source(Strict):
    """Where pictures with faces come from: a folder or a tar, and the form of its lists."""

    format: Format = "wider"
    path: str
    title: str = Field(description="what the manifest calls it")


@cache
def load_split(path: str, form: Format, split: Split) -> tuple[Picture, ...]:
    """Loads and checks the pictures of a split with all their faces; raises LabelError if there is no face at all."""
    archive = open_archive(path)
    file, listed = read_list(archive, path, form, split)
    names = [find_picture(archive, entry, split, file) for entry in listed]
    if (repeated := find_repeated(names)) is not None:
        raise LabelError(file, listed[repeated].line, f"{listed[repeated].name} is listed twice")
    photos = open_photos(archive.files, names)
    pictures = [build_picture(photo, entry.faces, file) for photo, entry in zip(photos, listed, strict=True)]
    if all(picture.ignored.all() for picture in pictures):
        raise LabelError(file, None, "there is no face in it")
    return tuple(pictures)


def read_list(archive: Archive, path: str, form: Format, split: Split) -> tuple[str, list[Listed]]:
    """Finds and parses the list of a split; returns its name and its entries."""
    lists = {name.format(FOLDERS[split]): parse for name, parse in LISTS[form].items()}
    for file, parse in lists.items():
        if file in archive.files:
            return file, parse(archive.read_text(file), file)
    told = f"there is no list of the {split} split: {' or '.join(lists)}"
    held_out = "; move some of the listed pictures into it, say a tenth" if split == "validation" else ""
    raise LabelError(path, None, told + held_out)


def find_picture(archive: Archive, entry: Listed, split: Split, file: str) -> str:
    """The name in the archive of a picture that a list names; raises LabelError if it is missing."""
    splits = sorted(FOLDERS, key=lambda other: other != split)
    names = [folder.format(FOLDERS[side]) + entry.name for side in splits for folder in PICTURES] + [entry.name]
    for name in names:
        if name in archive.files:
            return name
    raise LabelError(file, entry.line, f"the picture {entry.name} does not exist; expected it at {names[0]}, …")


def compute_data_digest(path: str, *further: str) -> str:
    """The SHA-256 of your files and of the archives of CONVOY_DATA that training uses beside them."""
    digests = [open_archive(path).digest, *(compute_digest(find(archive)) for archive in further)]
    return digests[0] if not further else hashlib.sha256("".join(digests).encode()).hexdigest()
