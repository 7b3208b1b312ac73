"""Slices to blocks of a graph's size, and its answers back to slices, without any RPC: it serves and evaluates."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, VolumeSpec
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement, place
from convoy.segmentation.task import Mask, interpret

Slice = TypeVar("Slice")
FEWEST = 2


@dataclass(frozen=True)
class Block(Generic[Slice]):
    """Slices that go through the graph together, and which of their answers count, as places in the block.

    first: the place of the block's first slice in the volume. A volume with fewer slices than a block is continued by
    its own mirror image.
    """

    slices: tuple[Slice, ...]
    first: int
    answered: range


class Blocks(Generic[Slice]):
    """Gathers the slices of a volume, in order, into blocks, and holds no more of them than one block and one slice."""

    def __init__(self, spec: VolumeSpec, most: int) -> None:
        self._spec = spec
        self._most = most
        self._held: list[Slice] = []
        self._next = 0
        self._answered = 0
        self.count = 0

    def expect(self, slices: int) -> None:
        """Raise InvalidArgument(BAD_VOLUME) if so many slices are too few or too many; 0 means that nobody knows."""
        if slices == 1:
            raise _too_few()
        if slices > self._most:
            message = f"the volume has {slices} slices; at most {self._most} are taken (CONVOY_MAX_VOLUME_SLICES)"
            raise InvalidArgument("BAD_VOLUME", message, {"slices": slices, "max_slices": self._most})

    def add(self, one: Slice) -> Iterator[Block[Slice]]:
        """Take the next slice, and yield the block before it, if that is whole and is not the volume's last one."""
        self.count += 1
        self.expect(self.count if self.count > 1 else 0)
        self._held.append(one)
        size, context = self._spec.slices, self._spec.context
        if self.count > self._next + size:
            yield self._make(self._next, self._next + size - context)
            self._next += size - 2 * context
        # The last block may reach further back than the next one.
        first = self.count - len(self._held)
        del self._held[: max(0, min(self._next, self.count - size) - first)]

    def end(self) -> Iterator[Block[Slice]]:
        """Yield the last block. Raises InvalidArgument(BAD_VOLUME) for a volume of one slice."""
        if self.count < FEWEST:
            raise _too_few()
        yield self._make(max(0, self.count - self._spec.slices), self.count)

    def _make(self, first: int, until: int) -> Block[Slice]:
        """The block from `first` on, which answers for the slices up to `until` that have no answer yet."""
        start, size = first - (self.count - len(self._held)), self._spec.slices
        held = self._held[start : start + size]
        mirrored = [held[_mirror(place, len(held))] for place in range(len(held), size)]
        answered = range(self._answered - first, until - first)
        self._answered = until
        return Block((*held, *mirrored), first, answered)


def prepare(pictures: list[Picture], manifest: Manifest) -> tuple[npt.NDArray[np.uint8], Placement]:
    """The graph's input [H, W, slices] for the slices of a block, and where they lie in it."""
    placed = [place(picture.image_rgb, manifest.input) for picture in pictures]
    return np.stack([cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY) for canvas, _ in placed], axis=2), placed[0][1]


def interpret_block(outputs: Outputs, placement: Placement, picture: Picture, answered: range) -> list[Mask]:
    """The class of every pixel of each answered slice. outputs: one row, class_map [slices, H, W]."""
    return [interpret({"class_map": outputs["class_map"][place]}, placement, picture) for place in answered]


def check_size(picture: Picture, number: int, first_wh: tuple[int, int]) -> None:
    """Raise InvalidArgument(BAD_VOLUME) if a slice has another size than the first. number: from 1."""
    if (picture.width, picture.height) != first_wh:
        message = (
            f"slice {number} has {picture.width} x {picture.height} pixels, the first {first_wh[0]} x {first_wh[1]}"
        )
        raise InvalidArgument("BAD_VOLUME", message, {"slice": number})


def _mirror(place: int, count: int) -> int:
    place %= max(1, 2 * (count - 1))
    return min(place, 2 * (count - 1) - place) if count > 1 else 0


def _too_few() -> InvalidArgument:
    return InvalidArgument("BAD_VOLUME", "the volume has one slice; use Segment for a single picture")
