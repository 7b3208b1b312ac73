"""Runs a pulled model on a bundled picture, to prove that it is the model that the entry was written for."""

from pathlib import Path

import cv2
import numpy as np

from convoy.catalogue.entry import Golden
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import GRAPH_FILE, InputSpec, load_manifest
from convoy.core.models.engine import Engine
from convoy.core.pictures.decoding import Pixels
from convoy.importing.pictures import photograph


def golden_picture(height: int, width: int) -> Pixels:
    """Return the bundled picture of a person, stretched to a graph's input: uint8 RGB [H, W, 3]."""
    return cv2.resize(photograph(), (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def measure(folder: Path) -> Golden:
    """Run the model in a version folder on the bundled picture, and return the numbers that identify it."""
    spec = load_manifest(folder).input
    outputs = Engine(folder / GRAPH_FILE, "cpu").run(golden_picture(*_size(spec))[None])
    numbers = {name: np.asarray(values, np.float64) for name, values in outputs.items()}
    return Golden(
        mean={name: round(float(values.mean()), 6) for name, values in numbers.items()},
        maximum={name: round(float(values.max()), 6) for name, values in numbers.items()},
    )


def check(folder: Path, golden: Golden) -> None:
    """Raise FailedPrecondition(OTHER_MODEL) if the model's answer is not the one in the entry."""
    measured = measure(folder)
    for kind, expected, got in (
        ("mean", golden.mean, measured.mean),
        ("maximum", golden.maximum, measured.maximum),
    ):
        if expected.keys() != got.keys():
            raise FailedPrecondition("OTHER_MODEL", f"the model gives {', '.join(got)}, not {', '.join(expected)}")
        for name, number in expected.items():
            # Not `abs(...) > ...`: that would let NaN pass.
            if not abs(got[name] - number) <= golden.tolerance * (1 + abs(number)):
                message = f"on the golden picture the {kind} of {name} is {got[name]:g}; the catalogue says {number:g}"
                raise FailedPrecondition("OTHER_MODEL", message)


def _size(spec: InputSpec) -> tuple[int, int]:
    if spec.height is not None and spec.width is not None:
        return spec.height, spec.width
    side = max(spec.stride, (spec.long_side or spec.stride) // spec.stride * spec.stride)
    return side, side
