"""Reads segmentation masks: PNGs of class ids or palette indices, listed as `image mask` in train.txt and val.txt.

classes.txt names the classes. CamVid (Brostow et al. 2009; SegNet's 11-class version, 480x360) has this form.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.lists import CLASSES, check_held_out, number_lines, parse_classes
from convoy_training.data.photo import Photo, check_each, open_photos
from convoy_training.errors import LabelError

UNLABELLED = "unlabelled"
IGNORE = 255
LOSSLESS = ("PNG", "BMP", "GIF", "TIFF")
"""The formats that a mask may have; a JPEG would mix the ids of neighbouring pixels."""
SINGLE_CHANNEL = ("1", "L", "P", "I;16")
"""Pillow's names for pixels that are one number: a bit, a byte, an index into a palette, 16 bits."""


@dataclass(frozen=True)
class Example:
    """A picture and the name of its mask; `names` belong to the mask's ids, the ignored one included."""

    photo: Photo
    mask: str
    names: tuple[str, ...]

    def read_mask(self) -> NDArray[np.uint8]:
        """Class ids or IGNORE [H,W], at the picture's full size."""
        return read_mask(self.photo.files[self.mask], self.mask, (self.photo.height, self.photo.width), self.names)


@dataclass(frozen=True)
class Split:
    """Examples, the names of the classes, and the number of pixels of each class, int64 [C]."""

    examples: Sequence[Example]
    classes: tuple[str, ...]
    pixels: NDArray[np.int64]


def build_split(archive: Archive, pairs: Sequence[tuple[str, str]], names: tuple[str, ...], classes: int) -> Split:
    """Builds a split of (image, mask) pairs and reads each once. names: of the masks' ids, first the classes'."""
    photos = open_photos(archive.files, [image for image, _ in pairs])
    examples = [Example(photo, mask, names) for photo, (_, mask) in zip(photos, pairs, strict=True)]
    pixels = np.zeros(256, np.int64)
    for counts in check_each(
        lambda one: np.bincount(one.read_mask().ravel(), minlength=256), examples, "checking masks"
    ):
        pixels += counts
    return Split(examples, names[:classes], pixels[:classes])


@cache
def load_split(path: str, split: str) -> Split:
    """Loads the pairs that train.txt or, for `validation`, val.txt lists."""
    archive = open_archive(path)
    names = parse_classes(archive.read_text(CLASSES))
    classes = tuple(name for name in names if name.lower() != UNLABELLED)
    if classes != names[: len(classes)]:
        line = [name.lower() for name in names].index(UNLABELLED) + 1
        raise LabelError(CLASSES, line, f"'{names[line - 1]}' is ignored, so it must have the last id")
    listing = f"{'val' if split == 'validation' else split}.txt"
    entries = parse_listing(archive, listing)
    if split != "train":
        train = [image for _, image, _ in parse_listing(archive, "train.txt")]
        check_held_out(archive, train, {image: line for line, image, _ in entries}, listing)
    return build_split(archive, [(image, mask) for _, image, mask in entries], names, len(classes))


def parse_listing(archive: Archive, file: str) -> list[tuple[int, str, str]]:
    """The lines `image mask` with their numbers; raises LabelError if a file does not exist."""
    entries: list[tuple[int, str, str]] = []
    for number, line in number_lines(archive.read_text(file)):
        if len(names := line.split("\t" if "\t" in line else None)) != 2:
            reason = f"expected 'image mask', found '{line}'; separate names that hold blanks with a tab"
            raise LabelError(file, number, reason)
        image, mask = (archive.find(name, file, number) for name in names)
        entries.append((number, image, mask))
    if not entries:
        raise LabelError(file, None, "it lists no images")
    return entries


def read_mask(data: bytes, file: str, size: tuple[int, ...], names: Sequence[str]) -> NDArray[np.uint8]:
    """Class ids or IGNORE [H,W]; raises LabelError if the mask's size is not its image's, or an id has no class."""
    mask = _decode_ids(data, file)
    if mask.shape != tuple(size):
        raise LabelError(file, None, f"the mask is {mask.shape}, its image {tuple(size)}")
    present = np.unique(mask)
    unknown = [int(v) for v in present if v >= len(names) and v != IGNORE]
    if unknown:
        raise LabelError(file, None, f"the mask has class id {unknown[0]}, but classes.txt ends at {len(names) - 1}")
    ignored = np.array([name.lower() == UNLABELLED for name in names] + [False] * (256 - len(names)))
    return np.where(ignored[mask], IGNORE, mask).astype(np.uint8)


def _decode_ids(data: bytes, file: str) -> NDArray[np.integer]:
    """The number that the file holds for each pixel; in a palette PNG, such as VOC's masks, that is the index."""
    try:
        with Image.open(io.BytesIO(data), formats=LOSSLESS) as image:
            mode, values = image.mode, np.asarray(image)
    except UnidentifiedImageError as error:
        raise LabelError(file, None, f"the mask cannot be decoded: it is not one of {', '.join(LOSSLESS)}") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LabelError(file, None, f"the mask cannot be decoded: {error}") from error
    if mode not in SINGLE_CHANNEL:
        reason = f"the mask holds colours ({mode}), not class ids: save it as grey or palette PNG with one id per pixel"
        raise LabelError(file, None, reason)
    return values.astype(np.uint8) if mode == "1" else values


def check_classes(split: Split, file: str) -> None:
    """Raises LabelError if a class has no pixel to learn from."""
    if len(empty := np.flatnonzero(split.pixels == 0)):
        told = "label some, or remove it; 255 means ignored, so if your masks hold 0 and 255, save them as 0 and 1"
        reason = f"class '{split.classes[empty[0]]}' has no pixel in the training masks: {told}"
        raise LabelError(file, None, reason)
