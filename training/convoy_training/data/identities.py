"""People with several photos each, from LFW and CelebA, as crops that the serving code's alignment cuts.

The people of the validation lists are held out: no training uses their images.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import simplejpeg
from convoy.faces.alignment import align_face
from numpy.typing import NDArray

from convoy_training.data.archive import decode_text
from convoy_training.data.source import compute_digest, find, read_arrays, read_tar
from convoy_training.errors import LabelError

ARCHIVES = {"lfw": "lfw_160_A.tar", "celeba": "celeba_wild_160_A.tar", "celeba_lowres": "celeba_lowres_89x109_A.npz"}

LOWRES_LANDMARKS = np.array([[34.6, 55.6], [53.9, 55.6], [44.3, 67.8], [36.6, 76.0], [52.6, 76.0]], np.float32)
"""Where the five landmarks lie in the 89x109 CelebA images, which all have the same alignment.

The numbers are read off the mean of all images; they agree with half the mean landmarks of the aligned 178x218 CelebA.
"""

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class Faces:
    """crops uint8 RGB [N,S,S,3]; labels int64 [N], places in `people`; files: `dataset/person/file` of each crop."""

    crops: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Pairs: `first` and `second` are rows of Faces.crops, `same` says whether they show one person; fold of each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Which faces to take: not the files in `exclude` (`dataset/person/file`), at most `people` and `images` of each.

    A smaller number of people is always a part of a larger one, so that you can compare runs on both.
    """

    exclude: frozenset[str] = frozenset()
    people: int | None = None
    images: int | None = None


EVERYTHING = Selection()


@cache
def load_faces(datasets: tuple[str, ...], split: Split, border_px: int = 0, selection: Selection = EVERYTHING) -> Faces:
    """Aligned 112x112 crops of the people of a split, with `border_px` more pixels on each side."""
    files = list_files(datasets, split, selection)
    readers = {dataset: _open_dataset(dataset, border_px) for dataset in datasets}
    crops = [readers[dataset](file) for dataset, _, file in (name.partition("/") for name in files)]
    return gather(crops, files)


def gather(crops: Sequence[NDArray[np.uint8]], files: Sequence[str]) -> Faces:
    """Puts crops together with their people: the folder of each file names the person."""
    owners = [file.rsplit("/", 1)[0] for file in files]
    people = tuple(sorted(set(owners)))
    index = {person: label for label, person in enumerate(people)}
    labels = np.array([index[owner] for owner in owners], np.int64)
    return Faces(np.stack(crops), labels, people, tuple(files))


def list_files(datasets: tuple[str, ...], split: Split, selection: Selection = EVERYTHING) -> list[str]:
    """`dataset/person/file` of every selected image, dataset by dataset."""
    people = {f"{dataset}/{person}" for dataset in datasets for person in read_people(dataset, split)}
    return select(people, [f"{dataset}/{name}" for dataset in datasets for name in _list_images(dataset)], selection)


def select(people: Collection[str], files: Iterable[str], selection: Selection) -> list[str]:
    """The files (`dataset/person/file`) of these people (`dataset/person`) that the selection takes."""
    ordered = sorted(people)
    chosen = {ordered[i] for i in np.random.default_rng(0).permutation(len(ordered))[: selection.people]}
    counts: Counter[str] = Counter()
    taken = []
    for file in files:
        owner = file.rsplit("/", 1)[0]
        if owner in chosen and file not in selection.exclude and counts[owner] != selection.images:
            counts[owner] += 1
            taken.append(file)
    return taken


@cache
def load_pairs(dataset: str) -> tuple[Faces, Pairs]:
    """The verification pairs of the held-out people, and the faces whose rows they name."""
    faces = load_faces((dataset,), "validation")
    rows = {file: row for row, file in enumerate(faces.files)}
    lines = _read_member(dataset, "pairs_val.txt").splitlines()
    folds, half = _read_header(lines, f"{ARCHIVES[dataset]}:pairs_val.txt")
    first, second, same = [], [], []
    for number, line in enumerate(lines[1:], 2):
        names = _pair_files(dataset, line.split())
        if any(name not in rows for name in names):
            raise LabelError(f"{ARCHIVES[dataset]}:pairs_val.txt", number, f"no such held-out image: {line}")
        first.append(rows[names[0]])
        second.append(rows[names[1]])
        same.append(len(line.split()) == 3)
    if len(same) != 2 * folds * half:
        raise LabelError(
            f"{ARCHIVES[dataset]}:pairs_val.txt", 1, f"it announces {2 * folds * half} pairs, but lists {len(same)}"
        )
    return faces, Pairs(np.array(first), np.array(second), np.array(same), np.repeat(np.arange(folds), 2 * half))


def digest(datasets: tuple[str, ...]) -> str:
    """One SHA-256 over the archives of these datasets."""
    return hashlib.sha256("".join(compute_digest(find(ARCHIVES[d])) for d in datasets).encode()).hexdigest()


def read_landmarks(dataset: str) -> dict[str, NDArray[np.float32]]:
    """`person/file` -> landmarks [5,2] in pixels of the stored image."""
    landmarks = {}
    for number, line in enumerate(_read_member(dataset, "landmarks.txt").splitlines(), 1):
        file, *numbers = line.split() or [""]
        if len(numbers) != 10:
            raise LabelError(f"{ARCHIVES[dataset]}:landmarks.txt", number, f"{len(numbers)} numbers, not 10")
        try:
            landmarks[file] = np.array(numbers, np.float32).reshape(5, 2)
        except ValueError as error:
            raise LabelError(f"{ARCHIVES[dataset]}:landmarks.txt", number, str(error)) from error
        if not np.isfinite(landmarks[file]).all():
            raise LabelError(f"{ARCHIVES[dataset]}:landmarks.txt", number, "a coordinate is not finite")
    return landmarks


def read_people(dataset: str, split: Split) -> set[str]:
    """The names of the people in a split. The low-resolution CelebA has nobody held out."""
    if dataset == "celeba_lowres":
        return {str(name, "ascii") for name in _read_lowres()["classes"]} if split == "train" else set()
    lines = _read_member(dataset, f"people_{'train' if split == 'train' else 'val'}.txt").splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def _list_images(dataset: str) -> list[str]:
    """`person/file` of all images of a dataset."""
    if dataset == "celeba_lowres":
        return [str(name, "ascii") for name in _read_lowres()["names"]]
    return sorted(read_landmarks(dataset))


def _open_dataset(dataset: str, border_px: int) -> Callable[[str], NDArray[np.uint8]]:
    """A function from `person/file` to its crop."""
    if dataset == "celeba_lowres":
        archive = _read_lowres()
        rows = {str(name, "ascii"): row for row, name in enumerate(archive["names"])}

        def read(file: str) -> NDArray[np.uint8]:
            start, end = archive["offsets"][rows[file] : rows[file] + 2]
            image = _decode(archive["data"][start:end].tobytes(), f"{dataset}/{file}")
            return align_face(image, LOWRES_LANDMARKS, border_px=border_px)
    else:
        images, landmarks = read_tar(find(ARCHIVES[dataset])), read_landmarks(dataset)

        def read(file: str) -> NDArray[np.uint8]:
            image = _decode(images.get(f"{dataset}/{file}", b""), f"{dataset}/{file}")
            return align_face(image, landmarks[file], border_px=border_px)

    return read


def _read_header(lines: list[str], file: str) -> tuple[int, int]:
    """The first line of a pairs file: the number of folds, and the pairs of each kind in a fold."""
    try:
        folds, half = (int(number) for number in lines[0].split())
    except (IndexError, ValueError):
        raise LabelError(file, 1, "the first line is not two numbers: folds, pairs of a kind in each") from None
    return folds, half


def _pair_files(dataset: str, fields: list[str]) -> tuple[str, ...]:
    """The two files of a pair: three fields mean one person, four mean two, and any other number is no pair.

    LFW gives the number of a person's image, CelebA the name of the file.
    """
    if len(fields) not in (3, 4):
        return ("",)
    people = (fields[0], fields[0]) if len(fields) == 3 else (fields[0], fields[2])
    images = (fields[1], fields[-1])
    if dataset == "lfw":
        images = tuple(f"{person}_{n.zfill(4)}.jpg" for person, n in zip(people, images, strict=True))  # type: ignore[assignment]
    return f"{dataset}/{people[0]}/{images[0]}", f"{dataset}/{people[1]}/{images[1]}"


def _decode(jpeg: bytes, name: str) -> NDArray[np.uint8]:
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg, colorspace="RGB")
        return pixels
    except ValueError as error:
        raise LabelError(name, None, f"the image is missing or cannot be decoded: {error}") from error


def _read_member(dataset: str, name: str) -> str:
    files = read_tar(find(ARCHIVES[dataset]))
    if name not in files:
        raise LabelError(f"{ARCHIVES[dataset]}:{name}", None, "the file does not exist")
    return decode_text(files[name], f"{ARCHIVES[dataset]}:{name}")


@cache
def _read_lowres() -> dict[str, NDArray[np.generic]]:
    return read_arrays(find(ARCHIVES["celeba_lowres"]), ("classes", "data", "names", "offsets"))
