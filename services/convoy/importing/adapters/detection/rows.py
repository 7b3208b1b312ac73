"""Reads detectors that have one output with a row for each anchor."""

import numpy as np

from convoy.importing.adapters.adapter import Probe, WrongShapeError


def check_unsuppressed(probe: Probe) -> None:
    """Raise Misfit for rows [N, D, 6] that end in the index of a class: x, y, x, y, score, class."""
    for array in probe.outputs.values():
        if array.ndim == 3 and array.shape[2] == 6 and not np.mod(np.asarray(array[..., 5], np.float64), 1).any():
            raise WrongShapeError(
                "suppression has already been applied to an output [N, D, 6]; export with nms=False and end2end=False"
            )


def says_always(probe: Probe, name: str, column: int, value: float) -> bool:
    """Whether a column of an output [N, A, D] has the same number everywhere."""
    return bool((probe.every(name)[..., column] == value).all())
