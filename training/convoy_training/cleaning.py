"""Finds wrong labels and near-duplicates among the training faces, with an embedder that was trained on them.

Three things are looked for: one photograph twice (a wrong label under two names, double weight under one),
two names of one person, and an image far from the other images of its person. An embedder has learnt to forgive its own
training labels, so what it still finds far away is far indeed, and what it misses is not proven right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.choices import FAR, SAME_PERSON
from convoy_training.data import identities
from convoy_training.data.exclusions import Exclusion
from convoy_training.protocols.subject import open_embedder
from convoy_training.recipe_file import RECIPE_FILE, open_recipe
from convoy_training.tasks.face_embedding import TRAINING_SETS, embed, load_training_faces

Floats = NDArray[np.floating]
THUMBNAIL_PX = 16
BLOCK = 1000
LEAST_OTHERS = 2
"""So many further images a person must have for one of them to be called far from the others."""


@dataclass(frozen=True)
class Limits:
    """Where a finding begins.

    duplicate: correlation of two faces' thumbnails, whose embeddings agree to `duplicate_embedding` too.
    same_person: cosine of two people's mean embeddings; two actresses who look alike reach 0.76.
    far: cosine of an image and the mean of its person's others.
    """

    duplicate: float = 0.985
    duplicate_embedding: float = 0.9
    same_person: float = SAME_PERSON
    far: float = FAR


def clean(target: Path, limits: Limits = Limits()) -> tuple[list[Exclusion], int]:
    """What should not be trained on, by an embedder, and among how many faces; only training people are looked at."""
    predict, faces = open_embedder(target), find_training_faces(target)
    return find_exclusions(faces, embed(predict, faces.crops), limits), len(faces.files)


def find_training_faces(target: Path) -> identities.Faces:
    """All people that an embedder's recipe could train on, what it leaves out included.

    An imported embedder has no recipe: those of LFW and CelebA.
    """
    if not (target / RECIPE_FILE).exists():
        return identities.load_faces(TRAINING_SETS, "train")
    everybody = {"exclude": None, "people": None, "different_images": None}
    config = open_recipe(target)[1].model_copy(update=everybody)
    return load_training_faces(config, border_px=0)  # type: ignore[arg-type]


def find_exclusions(faces: identities.Faces, vectors: Floats, limits: Limits = Limits()) -> list[Exclusion]:
    """Duplicates first, then people under two names, then images far from the rest; each file once."""
    found: dict[str, Exclusion] = {}
    for find in (find_duplicates, find_same_people, find_far):
        kept = np.array([file not in found for file in faces.files])
        for exclusion in find(faces, vectors, kept, limits):
            found.setdefault(exclusion.file, exclusion)
    return list(found.values())


def find_duplicates(
    faces: identities.Faces, vectors: Floats, kept: NDArray[np.bool_], limits: Limits
) -> Iterator[Exclusion]:
    """One photograph twice: the copy that goes is the one of the person with fewer images, or the later one."""
    images = np.bincount(faces.labels)
    gone: set[int] = set()
    for one, other, likeness in _find_pairs(_shrink(faces.crops), limits.duplicate):
        if float(vectors[one] @ vectors[other]) < limits.duplicate_embedding or gone & {one, other}:
            continue
        stays, goes = (other, one) if images[faces.labels[other]] > images[faces.labels[one]] else (one, other)
        gone.add(goes)
        yield Exclusion(faces.files[goes], "duplicate", f"of {faces.files[stays]}, correlation {likeness:.3f}")


def find_same_people(
    faces: identities.Faces, vectors: Floats, kept: NDArray[np.bool_], limits: Limits
) -> Iterator[Exclusion]:
    """Two names whose mean embeddings nearly agree: the images under the name with fewer of them go.

    A name with one image is left alone: one likeness between thousands of strangers proves nothing.
    """
    counts = np.bincount(faces.labels[kept], minlength=len(faces.people))
    people = np.flatnonzero(counts >= 2)
    means = np.stack([_unit(vectors[kept & (faces.labels == person)].sum(axis=0)) for person in people] or [vectors[0]])
    for row, column, likeness in _find_pairs(means, limits.same_person):
        one, other = people[row], people[column]
        stays, goes = (other, one) if counts[other] > counts[one] else (one, other)
        for image in np.flatnonzero(kept & (faces.labels == goes)):
            yield Exclusion(faces.files[image], "same_person", f"as {faces.people[stays]}, cosine {likeness:.2f}")


def find_far(faces: identities.Faces, vectors: Floats, kept: NDArray[np.bool_], limits: Limits) -> Iterator[Exclusion]:
    """Images unlike the others of their person."""
    for person in range(len(faces.people)):
        rows = np.flatnonzero(kept & (faces.labels == person))
        if len(rows) <= LEAST_OTHERS:
            continue
        total = vectors[rows].sum(axis=0)
        for row in rows:
            likeness = float(vectors[row] @ _unit(total - vectors[row]))
            if likeness < limits.far:
                yield Exclusion(faces.files[row], "far", f"cosine {likeness:.2f} to the other {len(rows) - 1}")


def _shrink(crops: NDArray[np.uint8]) -> Floats:
    """Grey thumbnails [N,256] of length one and mean zero, so that their products are correlations."""
    grey = np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops])
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA).ravel() for image in grey])
    centred = small.astype(np.float32) - small.mean(axis=1, keepdims=True, dtype=np.float32)
    unit: Floats = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return unit


def _find_pairs(vectors: Floats, least: float) -> Iterator[tuple[int, int, float]]:
    """Rows i < j whose product is at least so large; block by block, since all products would not fit in memory."""
    for start in range(0, len(vectors), BLOCK):
        products = vectors[start : start + BLOCK] @ vectors[start:].T
        for row, column in zip(*np.nonzero(np.triu(products >= least, 1)), strict=True):
            yield start + int(row), start + int(column), float(products[row, column])


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
