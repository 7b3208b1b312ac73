"""Aligned crops of faces, and crops that are none: what a detector finds where no upright face is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from convoy.core.pictures.decoding import Pixels
from convoy.faces.alignment import ALIGNED_SIZE_PX, REFERENCE_LANDMARKS
from numpy.typing import NDArray

from convoy_training.augment.occluders import KINDS as OCCLUDERS
from convoy_training.augment.occluders import cover
from convoy_training.data.faceless_kinds import load_faceless
from convoy_training.data.identities import Selection, Split, load_faces

IMAGES = 2
"""Most images of each person."""
REPEATS = 2
BORDER_PX = 56
"""Around an aligned crop, so that it can be turned, moved and enlarged without black edges."""
PARTS = (1.6, 3.5)
"""How much a part of a face, such as a mouth, is enlarged when it is taken for a face."""
WRONG_DEGREES = (50.0, 310.0)
"""How far the landmarks of a turned face are off if it is taken for an upright one."""
JITTER_DEGREES, JITTER_SCALE, JITTER_SHARE = 12.0, 0.12, 0.06
"""How far a detector's landmarks are off when it is right: turned, scaled, moved by a share of the crop."""

UPRIGHT = ("faces", "covered faces")
"""The kinds of crops that show an upright face."""

Find = Callable[[Pixels], Sequence[Pixels]]
"""The aligned crops of what a detector finds in a picture."""


@dataclass(frozen=True)
class Crops:
    """Crops uint8 RGB [N,112,112,3], which of them [N] are upright faces, and the kind of each."""

    pixels: NDArray[np.uint8]
    is_face: NDArray[np.bool_]
    kinds: tuple[str, ...]


def collect_crops(split: Split, find: Find, seed: int, *, faceless: int) -> Crops:
    """Faces of a split as alignment cuts them, moved a little; the same turned and enlarged; and what `find` finds.

    A face that something covers is a face too: another network says that it is covered. faceless: pictures of each
    kind without a face.
    """
    random = np.random.default_rng(seed)
    faces = load_faces(("lfw", "celeba"), split, BORDER_PX, Selection(images=IMAGES)).crops
    found = [*_find_none(split, find, faceless)]
    covered = [_cover(one, number, random) for number, one in enumerate(faces)]
    kinds = {
        "faces": [soil(jitter(one, random), random) for one in faces],
        "covered faces": [soil(jitter(one, random), random) for one in covered],
        "turned faces": [soil(misturn(one, random), random) for one in faces],
        "covered faces, turned": [soil(misturn(one, random), random) for one in covered[::2]],
        "parts of faces": [soil(enlarge_part(one, random), random) for one in faces[::2]],
        "found where no face is": found,
    }
    if split == "train":
        kinds["found, soiled"] = [soil(one, random) for one in found for _ in range(REPEATS)]
    names = tuple(name for name, crops in kinds.items() for _ in crops)
    is_face = np.array([name in UPRIGHT for name in names])
    return Crops(np.stack([one for crops in kinds.values() for one in crops]), is_face, names)


def _find_none(split: Split, find: Find, count: int) -> Iterator[Pixels]:
    for pictures in load_faceless(split, count).values():
        for pixels in pictures:
            yield from find(pixels)


def _cover(crop: Pixels, number: int, random: np.random.Generator) -> Pixels:
    """The face under the occluder of its number, in turn, from a crop with border."""
    kind = list(OCCLUDERS)[number % len(OCCLUDERS)]
    return cover(crop, REFERENCE_LANDMARKS + BORDER_PX, kind, random)


def jitter(crop: Pixels, random: np.random.Generator) -> Pixels:
    """The aligned face, from a crop with border, as landmarks that are a little off would cut it; mirrored or not."""
    scale = np.exp(random.uniform(-JITTER_SCALE, JITTER_SCALE))
    shift = random.uniform(-JITTER_SHARE, JITTER_SHARE, 2) * ALIGNED_SIZE_PX
    cut = _warp(crop, random.uniform(-JITTER_DEGREES, JITTER_DEGREES), scale, shift)
    return np.ascontiguousarray(cut[:, ::-1]) if random.random() < 0.5 else cut


def misturn(crop: Pixels, random: np.random.Generator) -> Pixels:
    """The face as landmarks cut it that take a turned face for an upright one."""
    shift = random.uniform(-0.12, 0.12, 2) * ALIGNED_SIZE_PX
    return _warp(crop, random.uniform(*WRONG_DEGREES), np.exp(random.uniform(-0.3, 0.3)), shift)


def enlarge_part(crop: Pixels, random: np.random.Generator) -> Pixels:
    """A part of the face, at the size of a face."""
    shift = random.uniform(-0.8, 0.8, 2) * ALIGNED_SIZE_PX
    return _warp(crop, random.uniform(-30, 30), random.uniform(*PARTS), shift)


def soil(crop: Pixels, random: np.random.Generator) -> Pixels:
    """The crop as a small, blurred, dark or flat face would give it, half of the times."""
    if random.random() < 0.5:
        side = int(random.integers(24, ALIGNED_SIZE_PX))
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        crop = np.asarray(cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    if random.random() < 0.5:
        lit = crop.astype(np.float32) * random.uniform(0.4, 1.2) + random.uniform(-30, 40)
        crop = lit.clip(0, 255).astype(np.uint8)
    return crop


def _warp(crop: Pixels, degrees: float, scale: float, shift_px: NDArray[np.floating]) -> Pixels:
    middle = crop.shape[0] / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, float(scale))
    matrix[:, 2] += shift_px - (middle - ALIGNED_SIZE_PX / 2)
    cut = cv2.warpAffine(crop, matrix, (ALIGNED_SIZE_PX, ALIGNED_SIZE_PX), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)
