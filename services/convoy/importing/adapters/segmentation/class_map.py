"""Segmenters that give the class of each pixel themselves."""

from collections.abc import Sequence

from onnx import TensorProto

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Misfit, Probe, Reading, Resize, Shape, read_one
from convoy.importing.sketch import Sketch


class ClassMap(Adapter):
    """A class map [N, H, W], [N, 1, H, W] or [N, H, W, 1] of the input's size, as any type of number.

    Source: exports with the argmax inside, such as PaddleSeg's and MMSegmentation's.
    """

    name = "class_map"
    task = Task.SEGMENTATION
    layout = "class indices [N, H, W], [N, 1, H, W] or [N, H, W, 1]"
    preprocess = "imagenet"
    resize: Resize = "stretch"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output with this shape; its numbers must be indices of labels."""

        def is_map(shape: Shape) -> bool:
            sides = (probe.height, probe.width)
            return shape in {(1, *sides), (1, 1, *sides), (1, *sides, 1)}

        reading = read_one(probe, f"[N, {probe.height}, {probe.width}]", is_map)
        numbers = probe.every(reading.outputs[0])
        if (numbers != numbers.astype(int)).any():
            raise Misfit("the numbers are not whole, so they are not indices of classes")
        highest = int(numbers.max())
        if highest >= choices.classes:
            raise Misfit(f"class {highest} occurs but there are only {choices.classes} labels")
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """The same numbers as uint8."""
        flat = sketch.reshape_to(values[0], sketch.batch, sketch.height, sketch.width)
        return {"class_map": sketch.cast(flat, TensorProto.UINT8)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """The same numbers."""
        return {"class_map": values[0].reshape(1, height, width)}
