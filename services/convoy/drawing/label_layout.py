"""Where the tags of boxes go in a picture, so that each can be read: sizes by box and picture, overlaps avoided.

Rectangles are float64 [left, top, right, bottom] in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rectangle = npt.NDArray[np.float64]
MIN_TEXT = 11
"""Pixels from ascender to descender below which nothing can be read."""
MAX_COVER = 0.1
"""A tag that hides more than this part of a box hides it."""
HARMLESS = 0.5
"""Pixels by which rounded rectangles may touch."""


@dataclass(frozen=True)
class Tag:
    """A line of text on a filled rectangle; with a number in place of a text that belongs below the picture."""

    text: str
    left: int
    top: int
    size: int
    number: int | None = None


def tag_height(size: int) -> int:
    """Height of a tag in pixels."""
    return round(size * 1.5)


def tag_pad(size: int) -> int:
    """Space to the left and the right of its text, in pixels."""
    return max(2, size // 3)


def shorten(text: str, most: float, width: Callable[[str], float]) -> str:
    """The text, or as much of it as `most` pixels hold, with an ellipsis; at least one letter."""
    if width(text) <= most:
        return text
    return next((cut for end in range(len(text) - 1, 1, -1) if width(cut := f"{text[:end]}…") <= most), f"{text[:1]}…")


def place_tags(
    boxes: Rectangle,
    texts: Sequence[str],
    picture: tuple[int, int],
    size: int,
    width_of: Callable[[str, int], float],
) -> list[Tag]:
    """A tag for each box, inside the picture, over no other tag and, where there is room, over no other box.

    boxes: [N, 4]; picture: width, height; size: the largest text; width_of: width of a text of a size. A text that
    fits nowhere becomes a number, counted from 1 in the order of the boxes.
    """
    tags: list[Tag] = []
    taken = np.empty((0, 4))
    for index, (box, text) in enumerate(zip(boxes, texts, strict=True)):
        others = np.delete(boxes, index, axis=0)
        largest = int(max(MIN_TEXT, min(size, (box[2] - box[0]) / 5)))
        largest = min(largest, max(MIN_TEXT, int(largest * picture[0] / _extent(text, largest, width_of)[0])))
        tag = None
        for letters in sorted({largest, MIN_TEXT}, reverse=True):
            line = shorten(text, picture[0] - 2 * tag_pad(letters), lambda part: width_of(part, letters))  # noqa: B023
            extent = _extent(line, letters, width_of)
            spot = _free_spot(_spots(box, extent, picture), extent, taken, others)
            if spot is not None:
                tag = Tag(line, *spot, letters)
                break
        if tag is None:
            number = 1 + sum(one.number is not None for one in tags)
            extent = _extent(str(number), MIN_TEXT, width_of)
            # In the corner of its own box a number cannot be taken for a neighbour's.
            spots = [_inside(box[0], box[1], extent, picture), *_spots(box, extent, picture)]
            spot = _free_spot(spots, extent, taken, others) or _least_covering(spots, extent, taken)
            tag = Tag(str(number), *spot, MIN_TEXT, number)
        width, height = _extent(tag.text, tag.size, width_of)
        taken = np.vstack([taken, [tag.left, tag.top, tag.left + width, tag.top + height]])
        tags.append(tag)
    return tags


def _extent(text: str, size: int, width_of: Callable[[str, int], float]) -> tuple[float, float]:
    return width_of(text, size) + 2 * tag_pad(size), tag_height(size)


def _free_spot(
    spots: list[tuple[int, int]], extent: tuple[float, float], taken: Rectangle, others: Rectangle
) -> tuple[int, int] | None:
    """Left and top of the first place that hides nothing."""
    for left, top in spots:
        spot = np.array([left, top, left + extent[0], top + extent[1]])
        if (
            not (_overlaps(spot, taken) > HARMLESS).any()
            and not (_overlaps(spot, others) > MAX_COVER * _areas(others)).any()
        ):
            return left, top
    return None


def _least_covering(spots: list[tuple[int, int]], extent: tuple[float, float], taken: Rectangle) -> tuple[int, int]:
    return min(
        spots,
        key=lambda spot: float(_overlaps(np.array([*spot, spot[0] + extent[0], spot[1] + extent[1]]), taken).sum()),
    )


def _spots(box: Rectangle, extent: tuple[float, float], picture: tuple[int, int]) -> list[tuple[int, int]]:
    """Places in the picture, best first: above the box, below it, in it where it holds the tag, beside it."""
    width, height = extent
    lefts = (box[0], box[2] - width, (box[0] + box[2] - width) / 2)
    tops = (box[1], box[3] - height, (box[1] + box[3] - height) / 2)
    spots = [(left, top) for top in (box[1] - height, box[3]) for left in lefts]
    if width <= box[2] - box[0] and height * 3 <= box[3] - box[1]:
        spots += [(left, top) for top in tops[:2] for left in lefts[:2]]
    spots += [(left, top) for left in (box[2], box[0] - width) for top in tops]
    rounded = [(round(left), round(top)) for left, top in spots]
    # Sideways a tag may slide along its box into the picture, but not up or down: there it would hide the box.
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
