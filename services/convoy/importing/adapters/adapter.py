"""What an adapter is: it knows one layout of a network's outputs, and draws what makes the contract's numbers of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Resize as Resize
from convoy.core.manifest import Task
from convoy.importing.sketch import Sketch

Array = npt.NDArray[np.generic]
PadAt = Literal["end", "both"]
Scores = Literal["probabilities", "logits"]
Boxes = Literal["pixels", "normalised"]
Form = Literal["corners", "centres"]
Shape = tuple[int, ...]
Priors = tuple[tuple[float, ...], ...]
"""Sides in pixels of the square priors of a cell, for each level."""


class Misfit(Exception):
    """The outputs do not have this layout: no failure, an answer. The message says why."""


class WrongShapeError(Misfit):
    """So it says by shapes alone, whatever the pixels are."""


@dataclass(frozen=True)
class Choices:
    """What the user said; None where the outputs are to say it. classes: how many labels there are."""

    classes: int
    scores: Scores | None = None
    boxes: Boxes | None = None
    form: Form | None = None
    priors: Priors | None = None
    cut: float | None = None
    adapter: str | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network gave for one picture, outputs in the graph's order. face_xyxy: of the one face it shows."""

    outputs: Mapping[str, Array]
    face_xyxy: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Probe:
    """What the network gave for pictures of that height and width: first random pixels, then a photograph.

    ends: output -> the operator that makes its numbers, such as Sigmoid.
    """

    seen: tuple[Seen, ...]
    height: int
    width: int
    ends: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> Mapping[str, Array]:
        """Of the first picture."""
        return self.seen[0].outputs

    def every(self, name: str) -> npt.NDArray[np.float32]:
        """An output for all pictures, one row each."""
        return np.concatenate([np.asarray(one.outputs[name], np.float32) for one in self.seen])

    def cells(self, stride: int) -> int:
        """Cells of a feature map with that stride: a side that it does not divide has one more."""
        return -(-self.height // stride) * -(-self.width // stride)


@dataclass(frozen=True)
class Reading:
    """The outputs that an adapter uses, in its own order, and what it took them for."""

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
    notes: tuple[str, ...] = field(default=())
    """What was concluded from the numbers rather than said by the user, for people."""


class Adapter(Protocol):
    """One layout. preprocess: the usual preset; resize, stride, padding: the manifest's, if the user says nothing.

    iou: the manifest's threshold of suppression where the layout's own is not the service's. dense: boxes come from
    anchors all over the input. crosses: where there is no object, a box may end before it begins.
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
        """From the values of reading.outputs (float32, or whole numbers) to the contract's outputs, by name."""
        ...

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """The same in NumPy for one picture, written from the layout and not from the drawing: its proof.

        A class map comes with its "margin": how far the winner of each pixel is ahead.
        """
        ...


def read_one(probe: Probe, what: str, is_it: Callable[[Shape], bool]) -> Reading:
    """The one output whose shape is right. Raises Misfit."""
    found = [name for name, array in probe.outputs.items() if is_it(array.shape)]
    if len(found) != 1:
        several = f"several outputs are {what}: {', '.join(found)}; --output NAME looks at one alone"
        raise WrongShapeError(several if found else f"no output is {what}")
    return reading_of(probe, found)


def reading_of(probe: Probe, names: Sequence[str]) -> Reading:
    """A reading of these outputs."""
    return Reading(tuple(names), tuple(probe.outputs[name].shape for name in names))


def check_classes(found: int, choices: Choices) -> None:
    """Raises Misfit where the network has another number of classes than there are labels."""
    if found != choices.classes:
        raise WrongShapeError(f"it has {found} classes and there are {choices.classes} labels")
