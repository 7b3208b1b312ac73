"""Measures how far a wrapped graph's answers are from the original file's, on the same pixels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Precision, Task
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Pixels
from convoy.importing.adapters.adapter import Adapter, Array, Reading, answered
from convoy.importing.original import Original
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof

PIXELS, PROBABILITY, GREY_LEVELS = 0.01, 1e-4, 0.05
BOUNDS = {"boxes": PIXELS, "landmarks": PIXELS, "points": PIXELS, "scores": PROBABILITY, "probabilities": PROBABILITY,
          "embeddings": PROBABILITY, "prototypes": PROBABILITY, "coefficients": PROBABILITY,
          "class_map": 0.0, "pictures": GREY_LEVELS}  # fmt: skip
"""Largest allowed difference from the original file, in pixels or as a number; for a class map, the share of pixels;
for pictures, grey levels of 0 to 255."""
LOOSER = {"float32": 1, "float16": 20, "int8": 20}
"""Factor of BOUNDS, by precision: half precision and whole numbers round a few pixels the other way."""
LARGE = 250.0
"""Beyond so many pixels, the allowed difference of coordinates and boxes grows in proportion: float32 has 24 bits."""
WHITE = 255.0
"""Likewise for pictures, beyond white."""
TIE = 1e-4
"""A pixel may have another class if its two best classes are so near, as a share of the largest number."""
FEW = 1e-3
"""Share of pixels that may differ if a network gives only classes, since ties are then invisible."""


@dataclass(frozen=True)
class Difference:
    """The largest difference of one output over all pictures. is_pixels: its unit is pixels, or else a plain number."""

    name: str
    largest: float
    bound: float

    def __str__(self) -> str:
        unit = {PIXELS: " px", GREY_LEVELS: " grey levels"}.get(BOUNDS[self.name], "")
        return f"{self.name} {self.largest:.2g}{unit} (bound {self.bound:.2g}{unit})"


@dataclass(frozen=True, eq=False)
class Reference:
    """Computes the original file's answers, with the layout's arithmetic in NumPy."""

    original: Original
    adapter: Adapter
    reading: Reading
    preprocessing: Preprocessing

    def answer(self, image: Pixels) -> Mapping[str, Array]:
        """Compute the contract's outputs for one picture. Raises Disproof."""
        outputs = self.original.run(image, self.preprocessing)
        values = [outputs[name] for name in self.reading.outputs]
        with np.errstate(all="ignore"):  # the comparison finds an overflow
            return self.adapter.decode(values, image.shape[0], image.shape[1], self.reading)


def compare(
    found: Outputs, answers: Sequence[Mapping[str, Array]], task: Task, precision: Precision
) -> list[Difference]:
    """Compare a batch's rows with the answers for its pictures; return the largest differences. Raises Disproof."""
    differences = []
    for name in answered(task, answers[0]):
        rows = [_difference(name, wanted, found[name][row : row + 1], precision) for row, wanted in enumerate(answers)]
        worst = max(rows, key=lambda one: one.largest if np.isfinite(one.largest) else np.inf)
        if not worst.largest <= worst.bound:
            raise Disproof(f"it differs from the original file on the same pixels: {worst}")
        differences.append(worst)
    return differences


def largest(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return the largest difference of each output."""
    found: dict[str, Difference] = {}
    for one in differences:
        if one.name not in found or one.largest > found[one.name].largest:
            found[one.name] = one
    return tuple(found.values())


def _difference(name: str, wanted: Mapping[str, Array], found: Array, precision: Precision) -> Difference:
    if wanted[name].shape != found.shape:
        shapes = f"{list(found.shape)}, not {list(wanted[name].shape)}"
        raise Disproof(f"it differs from the original file: {name} have shape {shapes}")
    if name == "class_map":
        return _differing_pixels(wanted, found)
    bound = BOUNDS[name] * LOOSER[precision]
    ours, theirs = np.asarray(found, np.float64), np.asarray(wanted[name], np.float64)
    scale = _scale(name, theirs)
    return Difference(name, float((np.abs(ours - theirs) / scale).max(initial=0.0)), bound)


def _scale(name: str, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By how much a difference may exceed the bound: large coordinates and logits have coarser steps."""
    scale = np.ones_like(numbers)
    if BOUNDS[name] == PIXELS:
        scale = np.maximum(scale, np.abs(numbers) / LARGE)
    if name == "pictures":
        scale = np.maximum(scale, np.abs(numbers) / WHITE)
    if name in ("prototypes", "coefficients"):
        scale = np.maximum(scale, np.abs(numbers))
    if name == "points" and numbers.shape[-1] == 3:
        scale[..., 2] = PROBABILITY / PIXELS  # how visible a point is, 0 to 1
    return scale


def _differing_pixels(wanted: Mapping[str, Array], found: Array) -> Difference:
    """Find pixels with another class, except ties."""
    differ = np.asarray(wanted["class_map"] != found)
    if "margin" not in wanted:
        return Difference("class_map", float(differ.mean()), FEW)
    margin = np.asarray(wanted["margin"], np.float64)
    clear = margin > TIE * max(1.0, float(margin.max(initial=0.0)))
    return Difference("class_map", float((differ & clear).mean()), BOUNDS["class_map"])
