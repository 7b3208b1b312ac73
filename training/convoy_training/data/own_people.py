"""Reads your own people: a folder of photos for each, a list of pairs, and a detector that finds and aligns the faces.

People whom the list names are held out; training uses all others.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Manifest, load_manifest
from convoy.core.pictures.decoding import Picture, Pixels, decode_image
from convoy.faces import task
from convoy.faces.alignment import ALIGNED_SIZE_PX, DegenerateLandmarksError
from numpy.typing import NDArray
from tqdm import tqdm

from convoy_training.data.archive import decode_text
from convoy_training.data.identities import EVERYTHING, Faces, Pairs, Selection, gather, select
from convoy_training.data.lists import IMAGES
from convoy_training.data.source import compute_digest
from convoy_training.errors import LabelError
from convoy_training.session import open_onnx
from convoy_training.task import Predict

FOLDS = 10
FEWEST = 20
OWN = "own"
"""The name of the dataset in the names of files."""


@dataclass(frozen=True)
class Listed:
    """One pair: two files below the images' folder, and whether they show one person."""

    first: str
    second: str
    same: bool


def load_own_pairs(list_file: Path, images: Path, detector: Path) -> tuple[Faces, Pairs, NDArray[np.bool_]]:
    """Cuts the largest face out of every listed photo, as CompareFaces does; a photo of 112x112 is already a crop.

    Returns the faces, the pairs, and which photos [N] have no face; the crops of those are black.
    """
    listed, fold = read_pairs(list_file)
    files = sorted({name for pair in listed for name in (pair.first, pair.second)})
    manifest, predict = load_manifest(detector), open_onnx(detector / GRAPH_FILE)
    crops = [_cut_largest(_read(images / name, list_file), predict, manifest) for name in files]
    black = np.zeros((ALIGNED_SIZE_PX, ALIGNED_SIZE_PX, 3), np.uint8)
    stacked = np.stack([black if crop is None else crop for crop in crops])
    # Photos in one folder show one person, as in LFW; each photo without a folder counts as a person of its own.
    owners = [str(Path(name).parent) if Path(name).parent != Path() else name for name in files]
    people = tuple(sorted(set(owners)))
    faces = Faces(stacked, np.array([people.index(owner) for owner in owners]), people, tuple(files))
    rows = {name: row for row, name in enumerate(files)}
    first, second = (
        np.array([rows[name] for name in side]) for side in zip(*((p.first, p.second) for p in listed), strict=True)
    )
    return (
        faces,
        Pairs(first, second, np.array([pair.same for pair in listed]), fold),
        np.array([crop is None for crop in crops]),
    )


@cache
def load_held_out(pairs: Path, people: Path, detector: Path) -> tuple[Faces, Pairs]:
    """The listed pairs, in the form of `identities.load_pairs`; raises LabelError if a photo shows no face."""
    faces, listed, faceless = load_own_pairs(pairs, people, detector)
    same = int(listed.same.sum())
    if min(same, len(listed.same) - same) < FEWEST:
        told = f"it has {same} pairs of one person and {len(listed.same) - same} of two: list at least {FEWEST} of each"
        raise LabelError(str(pairs), None, told)
    if faceless.any():
        name = faces.files[int(faceless.argmax())]
        raise LabelError(str(pairs), None, f"no face was found in {people / name}: list another photo")
    return faces, listed


@cache
def load_people(
    people: Path, pairs: Path, detector: Path, border_px: int = 0, selection: Selection = EVERYTHING
) -> Faces:
    """The largest face of each photo `people/<person>/<photo>` of the people whom `pairs` does not name.

    Crops have `border_px` more pixels on each side; files are called `own/person/photo`. A photo without a face is
    left out, and a message counts these. Raises LabelError if fewer than two people are left.
    """
    listed, _ = read_pairs(pairs)
    held_out = {str(Path(name).parent) for pair in listed for name in (pair.first, pair.second)}
    photos = [f"{OWN}/{path.parent.name}/{path.name}" for path in list_photos(people)]
    trained = {photo.rsplit("/", 1)[0] for photo in photos if photo.split("/")[1] not in held_out}
    manifest, predict = load_manifest(detector), open_onnx(detector / GRAPH_FILE)
    crops, files, faceless = [], [], []
    for file in tqdm(select(trained, photos, selection), desc="finding faces", disable=not sys.stderr.isatty()):
        path = people / file.removeprefix(f"{OWN}/")
        crop = _cut_largest(_read(path, people), predict, manifest, border_px)
        if crop is None:
            faceless.append(path)
        else:
            crops.append(crop)
            files.append(file)
    if faceless:
        print(f"{len(faceless)} photos without a face are left out, the first is {faceless[0]}", file=sys.stderr)
    if len({file.split("/")[1] for file in files}) < 2:
        raise LabelError(str(people), None, f"it needs faces of at least two people whom {pairs} does not name")
    return gather(crops, files)


def list_photos(people: Path) -> list[Path]:
    """The photos `people/<person>/<photo>`, sorted by name."""
    if not people.is_dir():
        raise LabelError(str(people), None, "is not a folder of people")
    photos = people.glob("*/*")
    return sorted(photo for photo in photos if photo.suffix.lower() in IMAGES and photo.is_file())


def digest(people: Path, pairs: Path) -> str:
    """One SHA-256 over the list and all photos with their names."""
    parts = [
        compute_digest(pairs),
        *(f"{photo.relative_to(people)} {compute_digest(photo)}" for photo in list_photos(people)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_pairs(file: Path) -> tuple[list[Listed], NDArray[np.int64]]:
    """Reads the pairs and the fold of each.

    Lines are `name n m` and `name n other m` as in LFW's pairs.txt (`name/name_000n.jpg`), or `one.jpg other.jpg 1`
    (0: two people). A first line of two numbers is LFW's header: the folds, and the pairs of each kind in a fold.
    Without it the pairs are dealt into ten folds.
    """
    text = decode_text(_read_list(file), str(file))
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    header = None
    if lines and len(lines[0][1]) == 2 and all(field.isdigit() for field in lines[0][1]):
        header = [int(field) for field in lines.pop(0)[1]]
    listed = [_read_pair(fields, str(file), number) for number, fields in lines]
    if header is not None and len(listed) != 2 * header[0] * header[1]:
        raise LabelError(str(file), 1, f"it announces {2 * header[0] * header[1]} pairs, but lists {len(listed)}")
    if len({pair.same for pair in listed}) < 2:
        raise LabelError(str(file), None, "list pairs of one person and pairs of two people: it lacks one kind")
    if header is None:
        fold = np.empty(len(listed), np.int64)
        for same in (True, False):
            rows = [row for row, pair in enumerate(listed) if pair.same == same]
            fold[rows] = np.arange(len(rows)) % min(FOLDS, len(listed) // 2)
        return listed, fold
    return listed, np.repeat(np.arange(header[0]), 2 * header[1])


def _read_list(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise LabelError(str(file), None, f"cannot be read: {error}") from error


def _read_pair(fields: list[str], file: str, line: int) -> Listed:
    if len(fields) == 3 and "." in fields[1] and fields[2] in ("0", "1"):
        return Listed(fields[0], fields[1], fields[2] == "1")
    numbers = {3: (1, 2), 4: (1, 3)}.get(len(fields))
    if numbers is None or not all(fields[position].isdigit() for position in numbers):
        raise LabelError(file, line, "write `name n m`, `name n other m` or `one.jpg other.jpg 1`")
    people = (fields[0], fields[0]) if len(fields) == 3 else (fields[0], fields[2])
    one, other = (f"{p}/{p}_{int(fields[n]):04d}.jpg" for p, n in zip(people, numbers, strict=True))
    return Listed(one, other, len(fields) == 3)


def _read(path: Path, list_file: Path) -> Picture:
    try:
        return decode_image(path.read_bytes(), min_side=task.MIN_SIDE_PX)
    except (OSError, InvalidArgument) as error:
        raise LabelError(str(list_file), None, f"{path} cannot be read: {error}") from error


def _cut_largest(picture: Picture, predict: Predict, manifest: Manifest, border_px: int = 0) -> Pixels | None:
    if (picture.width, picture.height) == (ALIGNED_SIZE_PX, ALIGNED_SIZE_PX):
        return np.pad(picture.image_rgb, ((border_px, border_px), (border_px, border_px), (0, 0)), mode="edge")
    canvas, placement = task.prepare(picture, manifest)
    outputs = {name: rows[0] for name, rows in predict(canvas[None]).items()}
    faces = task.interpret(outputs, placement, picture, manifest, task.Options(largest_only=True))
    try:
        return task.align(picture, faces[0], border_px) if faces else None
    except DegenerateLandmarksError:
        return None
