"""Decodes a dataset's pictures as the services do: upright, on white, and a JPEG as small as a service decodes it.

A picture is decoded only when you ask for it, so a dataset may be larger than the memory.
"""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GreyWindow
from convoy.core.pictures.decoding import Picture, Pixels, decode_image
from PIL import ExifTags, Image
from tqdm import tqdm

from convoy_training.data.faults import add_fault
from convoy_training.errors import LabelError

Item = TypeVar("Item")
Result = TypeVar("Result")

DECODERS = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "decode", cv2.setNumThreads, (1,))
"""Threads that decode; they run in parallel, since decoding and resizing release the interpreter's lock.

With them every core is busy, so OpenCV gets no threads of its own: those would wait for each other.
"""


@dataclass(frozen=True)
class Photo:
    """A picture's file: `files` holds its bytes under `name`; width and height are pixels of the upright picture.

    window: which values of grey of more than 8 bits become black and white.
    """

    files: Mapping[str, bytes]
    name: str
    width: int
    height: int
    window: GreyWindow | None = None

    def decode(self, smallest: int | None = None) -> Picture:
        """Its pixels uint8 RGB [H,W,3] and its full size; a JPEG may shrink, but to no side below `smallest` pixels."""
        return decode(self.files[self.name], self.name, smallest, self.window)

    def is_turned(self) -> bool:
        """Whether EXIF exchanges the width and height of the file."""
        with Image.open(io.BytesIO(self.files[self.name])) as image:
            return image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)


def open_photos(files: Mapping[str, bytes], names: Sequence[str]) -> list[Photo]:
    """Opens the pictures with these names. Each is decoded once, so a broken one raises LabelError before training."""
    return list(check_each(lambda name: open_photo(files, name), names, "checking pictures"))


def find_photos(files: Mapping[str, bytes], names: Sequence[str]) -> dict[str, Photo]:
    """Opens the pictures with these names, by name. One that is broken is a fault, and left out."""
    found: dict[str, Photo] = {}
    unique = list(dict.fromkeys(names))
    for name, photo in zip(unique, check_each(partial(_try_photo, files), unique, "checking pictures"), strict=True):
        if isinstance(photo, LabelError):
            add_fault(photo)
        else:
            found[name] = photo
    return found


def _try_photo(files: Mapping[str, bytes], name: str) -> Photo | LabelError:
    try:
        return open_photo(files, name)
    except LabelError as error:
        return error


def open_photo(files: Mapping[str, bytes], name: str) -> Photo:
    """Opens a picture and decodes it, a JPEG at an eighth of its size, to check that it is whole."""
    picture = decode(files[name], name, smallest=1)
    return Photo(files, name, picture.width, picture.height)


def check_each(check: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """Runs `check` on all items in threads and gives the answers in order; a terminal shows the progress as `what`."""
    return iter(tqdm(DECODERS.map(check, items), desc=what, total=len(items), disable=not sys.stderr.isatty()))


def stack_alike(canvases: Sequence[Pixels], most: int | None = None) -> Pixels:
    """Stacks the canvases [H,W,3] of the commonest size, at most `most` of them, as [N,H,W,3].

    A single one is repeated, because export needs a batch of at least two.
    """
    shapes = Counter(canvas.shape for canvas in canvases)
    alike = [canvas for canvas in canvases if canvas.shape == shapes.most_common(1)[0][0]]
    return np.stack((alike if len(alike) > 1 else alike * 2)[:most])


def decode(data: bytes, name: str, smallest: int | None = None, window: GreyWindow | None = None) -> Picture:
    """Decodes the bytes of a file as `Photo.decode` does; raises LabelError if no service could read it."""
    try:
        return decode_image(data, min_side=smallest, window=window)
    except InvalidArgument as error:
        raise LabelError(name, None, f"the image cannot be decoded: {error}", "broken picture") from error
