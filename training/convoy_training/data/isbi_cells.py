"""The cells of ISBI 2012 one by one: the 4-connected regions between membranes, of at least 50 pixels.

The pictures and splits are those of isbi.py: the last five slices are held out.
"""

from __future__ import annotations

import cv2
import numpy as np

from convoy_training.data import isbi
from convoy_training.data.boxes import Example, Split
from convoy_training.data.faults import remembered
from convoy_training.data.instances import encode
from convoy_training.data.reading import PLAIN, Reading

CLASSES = ("cell",)
LEAST_AREA = 50
"""In pixels. Smaller regions are crumbs between the lines of the annotation."""


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads `train` (all slices but the last five) or `validation`: a box and a mask for each cell."""
    return Split([_find_cells(slice_) for slice_ in isbi.load_split(path, split, how).examples], CLASSES)


def _find_cells(slice_: isbi.Example) -> Example:
    inside = (slice_.read_mask() == isbi.CLASSES.index("cell")).astype(np.uint8)
    _, regions, facts, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    kept = [number for number in range(1, len(facts)) if facts[number, cv2.CC_STAT_AREA] >= LEAST_AREA]
    corners = facts[kept, :2].astype(np.float32)
    boxes = np.concatenate([corners, corners + facts[kept, 2:4]], axis=1).astype(np.float32)
    masks = tuple(encode(regions == number) for number in kept)
    return Example(slice_.photo, boxes, np.zeros(len(kept), np.int64), masks=masks)
