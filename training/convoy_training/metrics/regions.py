"""Whether the right regions are separated: the foreground-restricted Rand score of the ISBI 2012 challenge."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import adapted_rand_error
from skimage.segmentation import expand_labels


def measure_rand_score(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """V_rand in 0..1 between two maps [H,W] that are true inside regions and false on borders.

    Regions are 4-connected. Only pixels inside true regions count. Pixels of found borders first go to the nearest
    region, so that the width of a border costs nothing, but a gap in it does.
    Source: Arganda-Carreras et al., Frontiers in Neuroanatomy 2015, with alpha = 0.5. scikit-image computes it and
    counts pairs of different pixels.
    """
    if not found.any():
        return 0.0
    regions = expand_labels(_label(found), distance=found.shape[0] + found.shape[1])
    error, _, _ = adapted_rand_error(_label(truth), regions, ignore_labels=(0,))
    return 1.0 - float(error)


def _label(inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    _, regions = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    return regions.astype(np.int32)
