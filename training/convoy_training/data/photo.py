"""A dataset's pictures as the services see them: upright, on white, a JPEG decoded as small as a service decodes it.

They are decoded when they are asked for, so that a dataset may be larger than the memory.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Picture, Pixels, decode_image
from tqdm import tqdm

from convoy_training.errors import LabelError

Item = TypeVar("Item")
Result = TypeVar("Result")

DECODERS = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "decode")
"""Decoding and resizing release the interpreter."""


@dataclass(frozen=True)
class Photo:
    """A picture's file: `files` holds its bytes under `name`; width and height in pixels, upright."""

    files: Mapping[str, bytes]
    name: str
    width: int
    height: int

    def decode(self, smallest: int | None = None) -> Picture:
        """Its pixels uint8 RGB [H,W,3] and its full size; a JPEG may keep fewer pixels, `smallest` on both sides."""
        return decode(self.files[self.name], self.name, smallest)


def open_photos(files: Mapping[str, bytes], names: Sequence[str]) -> list[Photo]:
    """The pictures of these names. Each is decoded once, so that one that cannot be is told of before training."""
    return list(check_each(lambda name: open_photo(files, name), names, "checking pictures"))


def open_photo(files: Mapping[str, bytes], name: str) -> Photo:
    """A picture, which must be whole: it is decoded, at an eighth where that is possible."""
    picture = decode(files[name], name, smallest=1)
    return Photo(files, name, picture.width, picture.height)


def check_each(check: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """The answers in order, made in threads, with a progress bar called `what` where somebody looks."""
    return iter(tqdm(DECODERS.map(check, items), desc=what, total=len(items), disable=not sys.stderr.isatty()))


def stack_alike(canvases: Sequence[Pixels], most: int | None = None) -> Pixels:
    """Of canvases [H,W,3] those of the commonest size, at most so many, as [N,H,W,3].

    Two at least: a graph is not exported with a batch of one.
    """
    shapes = Counter(canvas.shape for canvas in canvases)
    alike = [canvas for canvas in canvases if canvas.shape == shapes.most_common(1)[0][0]]
    return np.stack((alike if len(alike) > 1 else alike * 2)[:most])


def decode(data: bytes, name: str, smallest: int | None = None) -> Picture:
    """As `Photo.decode`, of a file's bytes; LabelError names a file that no service could read."""
    try:
        return decode_image(data, min_side=smallest)
    except InvalidArgument as error:
        raise LabelError(name, None, f"the image cannot be decoded: {error}") from error
