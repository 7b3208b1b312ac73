"""Writes lines of text into pictures (uint8 RGB [H, W, 3]). The text size goes by the size of the picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from convoy.client.answers.common import ImageRGB
from convoy.drawing.caption_layout import MIN_TEXT, caption_height, caption_padding, shorten
from convoy.drawing.colours import BLACK, Colour, ink_on

FONT = cv2.FontFace("sans")


def write_caption(picture: ImageRGB, text: str, left_top: tuple[int, int], colour: Colour, size: int) -> None:
    """Write a line on a filled rectangle, shortened and moved until it fits into the picture."""
    height, padding = caption_height(size), caption_padding(size)
    text = shorten(text, picture.shape[1] - 2 * padding, lambda part: text_width(part, size))
    width = text_width(text, size) + 2 * padding
    left = max(0, min(left_top[0], picture.shape[1] - width))
    top = max(0, min(left_top[1], picture.shape[0] - height))
    cv2.rectangle(picture, (left, top), (left + width, top + height), colour, cv2.FILLED)
    _put(picture, text, (left + padding, top + round(size * 1.12)), ink_on(colour), size)


def write_legend(picture: ImageRGB, lines: Sequence[tuple[str, Colour]]) -> None:
    """Write lines below each other into the upper left corner."""
    size = text_size(picture)
    for row, (text, colour) in enumerate(lines):
        write_caption(picture, text, (size // 3, size // 3 + row * round(size * 1.6)), colour, size)


def add_legend_below(image_rgb: ImageRGB, lines: Sequence[tuple[str, Colour]]) -> ImageRGB:
    """The picture with short texts on their colours below it, side by side as far as there is room."""
    size, width = text_size(image_rgb), image_rgb.shape[1]
    rows: list[list[tuple[str, Colour, int]]] = []
    left = width
    for text, colour in lines:
        wide = min(width, text_width(text, size) + 2 * caption_padding(size))
        if left + wide > width:
            rows.append([])
            left = 0
        rows[-1].append((text, colour, left))
        left += wide
    bars = [np.full((caption_height(size) + 1, width, 3), BLACK, np.uint8) for _ in rows]
    for bar, row in zip(bars, rows, strict=True):
        for text, colour, at in row:
            write_caption(bar, text, (at, 0), colour, size)
    return np.vstack([image_rgb, *bars])


def add_line_below(image_rgb: ImageRGB, text: str, colour: Colour) -> ImageRGB:
    """The picture with a line of the smallest readable text below it."""
    bar = np.full((caption_height(MIN_TEXT), image_rgb.shape[1], 3), colour, np.uint8)
    write_caption(bar, text, (0, 0), colour, MIN_TEXT)
    return np.vstack([image_rgb, bar])


def add_title_below(image_rgb: ImageRGB, text: str, colour: Colour = BLACK, height: int = 34) -> ImageRGB:
    """The picture with a title in a bar below it. The text is made smaller until it fits."""
    bar = np.full((height, image_rgb.shape[1], 3), colour, np.uint8)
    size = next((size for size in range(height // 2, 6, -1) if text_width(text, size) <= bar.shape[1] - 12), 6)
    bar = _put(bar, text, (6, height - (height - size) // 2 - size // 6), ink_on(colour), size)
    return np.vstack([image_rgb, bar])


def text_width(text: str, size: int) -> int:
    """Width of a line of text in pixels."""
    _, _, width, _ = cv2.getTextSize((4096, 4096), text, (0, 0), FONT, size, 600)
    return int(width)


def text_size(picture: ImageRGB) -> int:
    """Pixels from ascender to descender: a thirtieth of the long side, within what can be read and 64."""
    return max(MIN_TEXT, min(int(max(picture.shape[:2])) // 30, 64))


def _put(picture: ImageRGB, text: str, baseline: tuple[int, int], colour: Colour, size: int) -> ImageRGB:
    cv2.putText(picture, text, baseline, colour, FONT, size, 600)
    return picture
