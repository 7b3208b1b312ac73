"""Fits the faces service's opinion on whether something covers a face: a mask, dark glasses, a hand.

This data has no labels of real ones, so they are drawn on aligned crops (augment/occluders.py). A second network that
has learnt from blobs alone says how much of that holds for what it has never seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from convoy.faces.alignment import REFERENCE_LANDMARKS

from convoy_training.augment.occluders import KINDS, cover, cover_anyhow
from convoy_training.crop_network import fit_network, measure_network, write_network
from convoy_training.data import cifar
from convoy_training.data.face_crops import BORDER_PX, IMAGES, Crops, jitter, soil
from convoy_training.data.identities import Selection, Split, load_faces

UNCOVERED, BLOBS = "uncovered", "blobs"
DATA = ["LFW", "CelebA", "CIFAR-10 (textures)"]
TERMS = "LFW and CelebA are for non-commercial research; see the data's own terms"


def fit_visibility(folder: Path, command: str, seed: int = 0) -> dict[str, Any]:
    """Fits it on training people, measures it on held-out ones, and writes visibility.npz and .json into `folder`."""
    taught, held_out = collect_covered("train", seed), collect_covered("validation", seed)
    rows = np.array([kind in (UNCOVERED, BLOBS) for kind in taught.kinds])
    kinds = tuple(kind for kind, is_taken in zip(taught.kinds, rows, strict=True) if is_taken)
    blobs_alone = fit_network(Crops(taught.pixels[rows], taught.is_face[rows], kinds), seed)
    unseen = measure_network(blobs_alone, held_out)
    origin = {"command": command, "data": DATA, "data_terms": TERMS, "seed": seed, "learnt_from_blobs_alone": unseen}
    return write_network(folder / "visibility.npz", fit_network(taught, seed), origin, taught, held_out)


def collect_covered(split: Split, seed: int) -> Crops:
    """Crops of people as alignment cuts them, moved and soiled a little: uncovered, and with each occluder."""
    random = np.random.default_rng(seed)
    faces = load_faces(("lfw", "celeba"), split, BORDER_PX, Selection(images=IMAGES)).crops
    textures, landmarks = cifar.load_split(split).images, REFERENCE_LANDMARKS + BORDER_PX
    drawn = {UNCOVERED: [*faces], BLOBS: [cover_anyhow(one, landmarks, textures, random) for one in faces]}
    for number, kind in enumerate(KINDS):
        # In training a third of the faces each; that is as many as there are blobs.
        some = faces[number :: len(KINDS)] if split == "train" else faces
        drawn[kind] = [cover(one, landmarks, kind, random) for one in some]
    names = tuple(kind for kind, crops in drawn.items() for _ in crops)
    pixels = np.stack([soil(jitter(one, random), random) for crops in drawn.values() for one in crops])
    return Crops(pixels, np.array([name == UNCOVERED for name in names]), names)
