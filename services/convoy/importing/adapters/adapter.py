"""Defines adapters: each knows one layout of a network's outputs, and draws the nodes that decode it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import OUTPUT_NAMES, MaskForm, Task
from convoy.core.manifest import Resize as Resize
from convoy.importing.preprocessing import PRESETS, Preprocessing
from convoy.importing.sketch import Sketch

Array = npt.NDArray[np.generic]
PadAt = Literal["end", "both"]
Scores = Literal["probabilities", "logits"]
Boxes = Literal["pixels", "normalised"]
Form = Literal["corners", "centres"]
Shape = tuple[int, ...]
OPTIONAL_OUTPUTS = ("prototypes", "coefficients", "points")
Priors = tuple[tuple[float, ...], ...]
"""Sides in pixels of the square priors of a cell, for each level."""


class Misfit(Exception):
    """Says that the outputs do not have this layout. This is an answer, not a failure; the message says why."""


class WrongShapeError(Misfit):
    """Says so by the shapes, whatever the pixels are."""


@dataclass(frozen=True)
class Choices:
    """What the user said; None lets the outputs decide. classes: how many labels there are; points: how many points.

    levels: how grey levels would become the numbers of an answer that is a picture; by default as the input's do.
    """

    classes: int
    scores: Scores | None = None
    boxes: Boxes | None = None
    form: Form | None = None
    priors: Priors | None = None
    cut: float | None = None
    adapter: str | None = None
    points: int | None = None
    levels: Preprocessing | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """The network's outputs for one picture, in the graph's order. face_xyxy: box of the one face that it shows."""

    outputs: Mapping[str, Array]
    face_xyxy: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Probe:
    """The network's outputs for pictures of one height and width: first random pixels, then the bundled picture.

    ends: output -> the operator that computes its numbers, such as Sigmoid. best_of: how many classes the graph chooses
    its best queries from, if it shows. how: the preparation of the pixels.
    """

    seen: tuple[Seen, ...]
    height: int
    width: int
    ends: Mapping[str, str] = field(default_factory=dict)
    best_of: int | None = None
    how: Preprocessing = PRESETS["raw"]

    @property
    def outputs(self) -> Mapping[str, Array]:
        """The outputs for the first picture."""
        return self.seen[0].outputs

    def every(self, name: str) -> npt.NDArray[np.float32]:
        """Return an output for all pictures, with one row for each."""
        return np.concatenate([np.asarray(one.outputs[name], np.float32) for one in self.seen])

    def cells(self, stride: int) -> int:
        """Count the cells of a feature map with this stride, rounding each side up."""
        return -(-self.height // stride) * -(-self.width // stride)


@dataclass(frozen=True)
class Reading:
    """The outputs that an adapter uses, in its order, and how it interprets them.

    magnified, trim: of an answer that is a picture, its size as a multiple of the input's without `trim` pixels on each
    side; levels: how grey levels become its numbers.
    """

    outputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    scores: Scores = "probabilities"
    boxes: Boxes = "pixels"
    form: Form = "corners"
    background: Literal["none", "first", "last"] = "none"
    channels_last: bool = False
    decoded: bool = True
    cut: float = 0.0
    classes: int = 0
    priors: Priors = ()
    masks: MaskForm | None = None
    points: int = 0
    magnified: int = 1
    trim: int = 0
    levels: Preprocessing = PRESETS["raw"]
    numbers: int = 0
    """Of each point: x and y, and perhaps how visible it is."""
    notes: tuple[str, ...] = field(default=())
    """What the import concluded from the numbers, for people to check."""


class Adapter(Protocol):
    """One layout. preprocess: the usual preset; resize, stride, padding: the manifest's, unless the user names others.

    iou: the manifest's suppression threshold, if the layout's differs from the service's. dense: boxes come from
    anchors all over the input. crosses: where the picture has no object, a box may end before it begins.
    """

    name: str
    task: Task
    layout: str
    preprocess: str
    resize: Resize
    stride: int
    pad_value: int = 114
    pad_at: PadAt = "end"
    iou: float | None = None
    dense: bool = True
    crosses: bool = False

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the layout in the outputs. Raises Misfit."""
        ...

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Draw nodes from the values of reading.outputs (float32 or integers) to the contract's outputs, by name."""
        ...

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Do the same in NumPy for one picture, to check the drawing; written from the layout and not from the drawing.

        A class map comes with its "margin": how far the best class of each pixel is ahead.
        """
        ...


def answered(task: Task, outputs: Iterable[str]) -> tuple[str, ...]:
    """The contract's outputs among these: those that the task needs, and masks and points where they are there."""
    return (*OUTPUT_NAMES[task], *(name for name in OPTIONAL_OUTPUTS if name in outputs))


def read_one(probe: Probe, what: str, is_it: Callable[[Shape], bool]) -> Reading:
    """Find the one output with the right shape. Raises Misfit."""
    found = [name for name, array in probe.outputs.items() if is_it(array.shape)]
    if len(found) != 1:
        several = f"several outputs are {what}: {', '.join(found)}; --output NAME chooses one"
        raise WrongShapeError(several if found else f"no output is {what}")
    return reading_of(probe, found)


def reading_of(probe: Probe, names: Sequence[str]) -> Reading:
    """Make a reading of these outputs."""
    return Reading(tuple(names), tuple(probe.outputs[name].shape for name in names))


def check_classes(found: int, choices: Choices) -> None:
    """Raise Misfit if the numbers of classes and labels differ."""
    if found != choices.classes:
        raise WrongShapeError(f"it has {found} classes but there are {choices.classes} labels")
