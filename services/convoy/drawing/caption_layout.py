"""Finds a place for the caption of each box, so that it can be read and hides no other caption or box.

Rectangles are float64 [left, top, right, bottom] in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Rectangle = npt.NDArray[np.float64]
MIN_TEXT = 11
"""Smallest text that can be read, in pixels from ascender to descender."""
MAX_COVER = 0.1
"""Share of a box that a caption may cover without hiding it."""
HARMLESS = 0.5
"""Pixels by which rounded rectangles may touch."""


@dataclass(frozen=True)
class Caption:
    """A line of text on a filled rectangle. number: stands in for a text that fits only below the picture."""

    text: str
    left: int
    top: int
    size: int
    number: int | None = None


def caption_height(size: int) -> int:
    """Height of a caption in pixels."""
    return round(size * 1.5)


def caption_padding(size: int) -> int:
    """Space to the left and to the right of the text, in pixels."""
    return max(2, size // 3)


def shorten(text: str, most: float, width: Callable[[str], float]) -> str:
    """The text, cut off with an ellipsis where it is wider than `most` pixels; one letter always stays."""
    if width(text) <= most:
        return text
    return next((cut for end in range(len(text) - 1, 1, -1) if width(cut := f"{text[:end]}…") <= most), f"{text[:1]}…")


def place_captions(
    boxes: Rectangle,
    texts: Sequence[str],
    picture: tuple[int, int],
    size: int,
    width_of: Callable[[str, int], float],
) -> list[Caption]:
    """Place a caption for each box: inside the picture, over no other caption and, where there is room, no other box.

    boxes: [N, 4]; picture: width, height; size: the largest text; width_of: width of a text at a size. A text that
    fits nowhere becomes a number, counted from 1 in the order of the boxes.
    """
    captions: list[Caption] = []
    taken = np.empty((0, 4))
    for index, (box, text) in enumerate(zip(boxes, texts, strict=True)):
        page = _Page(picture, width_of, taken, np.delete(boxes, index, axis=0))
        number = 1 + sum(one.number is not None for one in captions)
        caption = _place_text(page, box, text, size) or _place_number(page, box, number)
        width, height = _extent(caption.text, caption.size, width_of)
        taken = np.vstack([taken, [caption.left, caption.top, caption.left + width, caption.top + height]])
        captions.append(caption)
    return captions


class _Page(NamedTuple):
    """The picture as one caption finds it. taken: captions that are there; others: the boxes of others, both [N, 4]."""

    picture: tuple[int, int]
    width_of: Callable[[str, int], float]
    taken: Rectangle
    others: Rectangle


def _place_text(page: _Page, box: Rectangle, text: str, size: int) -> Caption | None:
    """The text in the largest size that finds a spot; None if the smallest does not."""
    largest = int(max(MIN_TEXT, min(size, (box[2] - box[0]) / 5)))
    largest = min(largest, max(MIN_TEXT, int(largest * page.picture[0] / _extent(text, largest, page.width_of)[0])))
    for letters in sorted({largest, MIN_TEXT}, reverse=True):
        room = page.picture[0] - 2 * caption_padding(letters)
        line = shorten(text, room, partial(_width_at, page.width_of, letters))
        extent = _extent(line, letters, page.width_of)
        spot = _free_spot(_spots(box, extent, page.picture), extent, page)
        if spot is not None:
            return Caption(line, *spot, letters)
    return None


def _place_number(page: _Page, box: Rectangle, number: int) -> Caption:
    """A number for a text below the picture; where nothing is free, it covers as little as it can."""
    extent = _extent(str(number), MIN_TEXT, page.width_of)
    # A number in the corner of its own box cannot be mistaken for that of a neighbour.
    spots = [_inside(box[0], box[1], extent, page.picture), *_spots(box, extent, page.picture)]
    spot = _free_spot(spots, extent, page) or _least_covering(spots, extent, page.taken)
    return Caption(str(number), *spot, MIN_TEXT, number)


def _width_at(width_of: Callable[[str, int], float], size: int, text: str) -> float:
    return width_of(text, size)


def _extent(text: str, size: int, width_of: Callable[[str, int], float]) -> tuple[float, float]:
    return width_of(text, size) + 2 * caption_padding(size), caption_height(size)


def _free_spot(spots: list[tuple[int, int]], extent: tuple[float, float], page: _Page) -> tuple[int, int] | None:
    """Left and top of the first spot that hides nothing; None if there is none."""
    for left, top in spots:
        spot = np.array([left, top, left + extent[0], top + extent[1]])
        if (
            not (_overlaps(spot, page.taken) > HARMLESS).any()
            and not (_overlaps(spot, page.others) > MAX_COVER * _areas(page.others)).any()
        ):
            return left, top
    return None


def _least_covering(spots: list[tuple[int, int]], extent: tuple[float, float], taken: Rectangle) -> tuple[int, int]:
    return min(
        spots,
        key=lambda spot: float(_overlaps(np.array([*spot, spot[0] + extent[0], spot[1] + extent[1]]), taken).sum()),
    )


def _spots(box: Rectangle, extent: tuple[float, float], picture: tuple[int, int]) -> list[tuple[int, int]]:
    """Spots in the picture, best first: above the box, below it, in it if it is large enough, beside it."""
    width, height = extent
    lefts = (box[0], box[2] - width, (box[0] + box[2] - width) / 2)
    tops = (box[1], box[3] - height, (box[1] + box[3] - height) / 2)
    spots = [(left, top) for top in (box[1] - height, box[3]) for left in lefts]
    if width <= box[2] - box[0] and height * 3 <= box[3] - box[1]:
        spots += [(left, top) for top in tops[:2] for left in lefts[:2]]
    spots += [(left, top) for left in (box[2], box[0] - width) for top in tops]
    rounded = [(round(left), round(top)) for left, top in spots]
    # A caption may slide sideways along its box into the picture, but not up or down, where it would hide the box.
    return [
        (left, top)
        for left, top in dict.fromkeys((_inside(left, 0, extent, picture)[0], top) for left, top in rounded)
        if 0 <= top <= picture[1] - height
    ]


def _inside(left: float, top: float, extent: tuple[float, float], picture: tuple[int, int]) -> tuple[int, int]:
    return max(0, min(round(left), int(picture[0] - extent[0]))), max(0, min(round(top), int(picture[1] - extent[1])))


def _overlaps(one: Rectangle, many: Rectangle) -> Rectangle:
    """Pixels that a rectangle shares with each of many [N, 4]."""
    sides = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    return np.asarray(sides.clip(0).prod(axis=1))


def _areas(many: Rectangle) -> Rectangle:
    return np.asarray((many[:, 2:] - many[:, :2]).clip(0).prod(axis=1))
