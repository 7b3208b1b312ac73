"""Networks that make a picture of a picture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Probe, Reading, Resize, Shape, read_one
from convoy.importing.sketch import Sketch

FACTORS = (1, 2, 3, 4)
MOST_TRIM = 64
"""Pixels that a graph without borders of its own (VGG-like, as waifu2x has it) may leave out on a side."""

Place = tuple[bool, int, int]
"""Whether the channels are last, how many times the picture is larger, how much is trimmed."""


class Pictures(Adapter):
    """A picture [N, C, h, w] or, channels last, [N, h, w, C], of 1 or 3 channels, 1 to 4 times as large as the input.

    It may be smaller by some pixels on each side, where convolutions have no padding. Its numbers become grey levels by
    the reverse of how grey levels become the input's (blue first, if the input has that), or as --answer says. Sources:
    ESPCN and FSRCNN (luminance alone), SRCNN and waifu2x (smaller), DnCNN, Real-ESRGAN, the fast style transfer of
    PyTorch's examples (0 to 255).
    """

    name = "pictures"
    task = Task.PICTURE_TO_PICTURE
    layout = "pictures [N, C, h, w] or [N, h, w, C] of 1 or 3 channels, 1 to 4 times as large"
    preprocess = "zero-one"
    resize: Resize = "tiles"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output that is such a picture."""
        sides = (probe.height, probe.width)
        what = f"a picture of 1 or 3 channels, 1 to 4 times as large as {probe.height}x{probe.width}"
        reading = read_one(probe, what, lambda shape: find_place(shape, sides) is not None)
        found = find_place(reading.shapes[0], sides)
        assert found is not None
        channels_last, factor, trim = found
        levels = probe.how if choices.levels is None else choices.levels
        return replace(reading, channels_last=channels_last, magnified=factor, trim=trim, levels=levels)

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Channels last, red first, times and plus what makes them grey levels."""
        planes = values[0] if reading.channels_last else sketch.op("Transpose", values[0], perm=[0, 2, 3, 1])
        channels, levels = _channels(reading), reading.levels
        if levels.bgr and channels == 3:
            planes = sketch.take(planes, 2, 1, 0, axis=3)
        factor, offset = (np.array(one[:channels], np.float32) for one in (levels.std, levels.mean))
        scaled = sketch.op("Mul", planes, (factor / levels.scale).astype(np.float32))
        return {"pictures": sketch.op("Add", scaled, (offset / levels.scale).astype(np.float32))}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Channel by channel, in 64 bits."""
        answer = np.asarray(values[0], np.float64)[0]
        planes = list(np.moveaxis(answer, 2, 0) if reading.channels_last else answer)
        levels = reading.levels
        if levels.bgr and len(planes) == 3:
            planes.reverse()
        made = [
            (plane * std + mean) / levels.scale
            for plane, mean, std in zip(planes, levels.mean, levels.std, strict=False)
        ]
        return {"pictures": np.stack(made, axis=-1)[None]}


def find_place(shape: Shape, sides: tuple[int, int]) -> Place | None:
    """How an output covers an input of these sides; None if it is no picture."""
    if len(shape) != 4:
        return None
    for channels_last, channels, found in ((False, shape[1], shape[2:]), (True, shape[3], shape[1:3])):
        if channels not in (1, 3):
            continue
        for factor in FACTORS:
            missing = [side * factor - length for side, length in zip(sides, found, strict=True)]
            trim, rest = divmod(missing[0], 2 * factor)
            if missing[0] == missing[1] and not rest and 0 <= trim <= MOST_TRIM:
                return channels_last, factor, trim
    return None


def _channels(reading: Reading) -> int:
    return reading.shapes[0][3 if reading.channels_last else 1]
