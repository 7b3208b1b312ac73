"""How far points on faces are from where they should be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]


def measure_errors(found: Points, truth: Points) -> Points:
    """The mean distance of the known points of each face over its eye distance [N]; found, truth [N,5,2], NaN unknown.

    Faces without two known eyes apart from each other are left out.
    """
    eyes = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1)
    judged = np.isfinite(eyes) & (eyes > 0)
    errors: Points = np.nanmean(np.linalg.norm(found - truth, axis=2)[judged], axis=1) / eyes[judged]
    return errors
