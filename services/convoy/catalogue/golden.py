"""One answer on a generated picture: a pulled model proves that it is the model that the entry was written for."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from convoy.catalogue.entry import Golden
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import GRAPH_FILE, InputSpec, load_manifest
from convoy.core.models.engine import Engine


def generate_picture(height: int, width: int) -> npt.NDArray[np.uint8]:
    """A picture with smooth colours, edges and a disc, uint8 [H, W, 3]; the same on every machine."""
    rows = np.arange(height, dtype=np.int64)[:, None]
    columns = np.arange(width, dtype=np.int64)[None, :]
    red = (rows * 255 // max(1, height - 1)) + 0 * columns
    green = (columns * 255 // max(1, width - 1)) + 0 * rows
    blue = np.where((rows * 8 // height + columns * 8 // width) % 2 == 0, 40, 210)
    inside = (2 * rows - height) ** 2 + (2 * columns - width) ** 2 < min(height, width) ** 2 // 4
    picture = np.stack([np.where(inside, 255 - red, red), np.where(inside, 60, green), blue], axis=-1)
    return picture.astype(np.uint8)


def measure(folder: Path) -> Golden:
    """What the model of a version folder answers on the picture of its input's size."""
    spec = load_manifest(folder).input
    outputs = Engine(folder / GRAPH_FILE, "cpu").run(generate_picture(*_size(spec))[None])
    numbers = {name: np.asarray(values, np.float64) for name, values in outputs.items()}
    return Golden(
        mean={name: round(float(values.mean()), 6) for name, values in numbers.items()},
        maximum={name: round(float(values.max()), 6) for name, values in numbers.items()},
    )


def check(folder: Path, golden: Golden) -> None:
    """Raises FailedPrecondition(OTHER_MODEL) where the model answers otherwise than the entry says."""
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
