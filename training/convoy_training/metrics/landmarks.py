"""How far landmarks of faces are from their true places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]


def measure_errors(found: Points, truth: Points) -> Points:
    """The mean distance of each face's known points, over its eye distance. found, truth [N,5,2], NaN where unknown.

    Faces are left out if an eye is unknown, or if both eyes lie in the same place.
    """
    eyes = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1)
    judged = np.isfinite(eyes) & (eyes > 0)
    errors: Points = np.nanmean(np.linalg.norm(found - truth, axis=2)[judged], axis=1) / eyes[judged]
    return errors
