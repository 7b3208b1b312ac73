"""Run lengths and outlines against pycocotools: the same text, the same pixels."""

import cv2
import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.outlines import trace
from convoy.core.pictures.run_lengths import encode_pixels, read_run_lengths
from pycocotools import mask as coco

# pycocotools 2.0.11 does not know a keyword of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def cases() -> list[tuple[np.ndarray, int, int, int, int]]:
    """Masks of a part of a picture, its place, and the picture's height and width: noise, blobs, full, empty."""
    random = np.random.default_rng(0)
    made = []
    for case in range(200):
        height, width = (int(side) for side in random.integers(1, 40, 2))
        left, top = int(random.integers(width)), int(random.integers(height))
        shape = int(random.integers(1, height - top + 1)), int(random.integers(1, width - left + 1))
        part = random.random(shape) < random.choice([0, 0.1, 0.5, 0.9, 1])
        if case % 2:
            part = cv2.GaussianBlur(random.random(shape).astype(np.float32), (0, 0), 2) > 0.5
        made.append((part, left, top, height, width))
    return made


def whole(part: np.ndarray, left: int, top: int, height: int, width: int) -> np.ndarray:
    picture = np.zeros((height, width), np.uint8)
    picture[top : top + part.shape[0], left : left + part.shape[1]] = part
    return picture


def test_the_text_is_that_of_pycocotools_and_reads_back() -> None:
    for case in cases():
        full, mask = whole(*case), encode_pixels(*case)
        assert mask.text() == coco.encode(np.asfortranarray(full))["counts"].decode()
        again = read_run_lengths(mask.text(), *full.shape)
        assert (again.pixels() == full).all()
        assert again.area == full.sum()
        left, top, right, bottom = again.bounds()
        assert (again.pixels(left, top, right, bottom) == full[top:bottom, left:right]).all()
        assert full[top:bottom, left:right].sum() == full.sum()
        if full.any():
            rows, columns = np.flatnonzero(full.any(1)), np.flatnonzero(full.any(0))
            assert (left, top, right, bottom) == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def test_filled_outlines_are_the_mask_without_its_holes() -> None:
    for part, left, top, height, width in cases():
        polygons = trace(part, left, top)
        wanted = whole(part, left, top, height, width)
        contours, _ = cv2.findContours(wanted, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(wanted, contours, -1, 1, cv2.FILLED)
        assert len(polygons) == len(contours)
        if polygons:
            lists = [polygon.reshape(-1).tolist() for polygon in polygons]
            assert (coco.decode(coco.merge(coco.frPyObjects(lists, height, width))) == wanted).all()


@pytest.mark.parametrize(
    "text", ["", "0", "zzz", "é", "P", "o" * 40, coco.encode(np.zeros((4, 5), "u1", "F"))["counts"].decode()]
)
def test_text_that_does_not_fit_the_picture_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_run_lengths(text, 4, 4)
    assert raised.value.reason == "BAD_MASK"
