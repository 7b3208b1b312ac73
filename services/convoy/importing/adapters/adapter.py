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
Scores = Literal["probabilities", "logits"]
Boxes = Literal["pixels", "normalised"]
Shape = tuple[int, ...]


class Misfit(Exception):
    """The outputs do not have this layout: no failure, an answer. The message says why."""


@dataclass(frozen=True)
class Choices:
    """What the user said; None where the outputs are to say it. classes: how many labels there are."""

    classes: int
    scores: Scores | None = None
    boxes: Boxes | None = None


@dataclass(frozen=True, eq=False)
class Probe:
    """What the network gave for one picture of random pixels of that height and width; outputs in the graph's order."""

    outputs: Mapping[str, Array]
    height: int
    width: int

    def shapes(self) -> str:
        """The outputs for people."""
        return ", ".join(f"{name} {list(array.shape)}" for name, array in self.outputs.items())

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
    background: bool = False
    notes: tuple[str, ...] = field(default=())
    """What was concluded from the numbers rather than said by the user, for people."""


class Adapter(Protocol):
    """One layout. preprocess: the usual preset; resize, stride: the manifest's, unless the user says otherwise."""

    name: str
    task: Task
    layout: str
    preprocess: str
    resize: Resize
    stride: int

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the layout in the outputs. Raises Misfit."""
        ...

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """From the values of reading.outputs (float32, or whole numbers) to the contract's outputs, by name."""
        ...


def read_one(probe: Probe, what: str, is_it: Callable[[Shape], bool]) -> Reading:
    """The one output whose shape is right. Raises Misfit."""
    found = [name for name, array in probe.outputs.items() if is_it(array.shape)]
    if len(found) != 1:
        raise Misfit(f"{'several outputs are' if found else 'no output is'} {what}")
    return reading_of(probe, found)


def reading_of(probe: Probe, names: Sequence[str]) -> Reading:
    """A reading of these outputs."""
    return Reading(tuple(names), tuple(probe.outputs[name].shape for name in names))


def check_classes(found: int, choices: Choices) -> None:
    """Raises Misfit where the network has another number of classes than there are labels."""
    if found != choices.classes:
        raise Misfit(f"it has {found} classes and there are {choices.classes} labels")
