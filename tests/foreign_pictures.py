"""Tiny graphs that look like foreign networks that make pictures, each with one trait of a family."""

from pathlib import Path

import numpy as np

from tests.foreign_models import Drawing


def _conv(drawing: Drawing, value: str, inputs: int, outputs: int, side: int = 3, pads: int | None = None) -> str:
    """A convolution that mostly hands on what it gets, so that a picture stays one."""
    weights = drawing.random.normal(0, 0.02, (outputs, inputs, side, side)).astype(np.float32)
    for place in range(outputs):
        weights[place, place % inputs, side // 2, side // 2] += 1
    around = side // 2 if pads is None else pads
    return drawing.op("Conv", value, drawing.weight(weights), pads=[around] * 4)


def _mean(drawing: Drawing, value: str, inputs: int, outputs: int) -> str:
    weights = np.zeros((outputs, inputs, 1, 1), np.float32)
    for place in range(inputs):
        weights[place % outputs, place] = outputs / inputs
    return drawing.op("Conv", value, drawing.weight(weights))


def denoiser(**facts: object) -> Drawing:
    """Colours of 0 to 1 in and out, as DnCNN: padded, of any size."""
    drawing = Drawing(**({"size": ("H", "W")} | facts))  # type: ignore[arg-type]
    value = drawing.op("Relu", _conv(drawing, drawing.picture, drawing.channels, 6))
    drawing.give(_mean(drawing, _conv(drawing, value, 6, 6), 6, drawing.channels), "clean")
    return drawing


def espcn(factor: int = 2, shuffle: str = "DepthToSpace", **facts: object) -> Drawing:
    """Luminance of 0 to 1; shuffle: ONNX's operator, or the three nodes of old exports, which hold the size."""
    drawing = Drawing(**({"size": ("H", "W"), "channels": 1} | facts))  # type: ignore[arg-type]
    blocks, channels = factor**2, drawing.channels
    value = drawing.op("Relu", _conv(drawing, drawing.picture, channels, 4, side=5))
    many = _conv(drawing, value, 4, channels * blocks)
    if shuffle == "DepthToSpace":
        drawing.give(drawing.op("DepthToSpace", many, blocksize=factor, mode="CRD"), "output")
        return drawing
    sides = facts["size"]
    assert isinstance(sides, tuple)
    height, width = (int(side) for side in sides)
    split = drawing.op("Reshape", many, drawing.ints(-1, channels, factor, factor, height, width))
    turned = drawing.op("Transpose", split, perm=[0, 1, 4, 2, 5, 3])
    whole = drawing.op("Reshape", turned, drawing.ints(-1, channels, height * factor, width * factor))
    drawing.give(whole, "output")
    return drawing


def trimmed(**facts: object) -> Drawing:
    """Convolutions without padding, as SRCNN and waifu2x have them: 3 pixels less on each side."""
    drawing = Drawing(**({"size": ("H", "W")} | facts))  # type: ignore[arg-type]
    value = drawing.op("Relu", _conv(drawing, drawing.picture, 3, 6, side=5, pads=0))
    drawing.give(_mean(drawing, _conv(drawing, value, 6, 6, pads=0), 6, 3), "y")
    return drawing


def fast_style(**facts: object) -> Drawing:
    """Colours of 0 to 255 in and out, at a quarter of the size inside, with instance normalisation."""
    drawing = Drawing(**({"size": ("H", "W")} | facts))  # type: ignore[arg-type]
    small = drawing.op("AveragePool", drawing.picture, kernel_shape=[4, 4], strides=[4, 4])
    scale, bias = (drawing.weight(np.full(3, number, np.float32)) for number in (50, 120))
    normal = drawing.op("InstanceNormalization", _conv(drawing, small, 3, 3), scale, bias)
    scales = drawing.weight(np.array([1, 1, 4, 4], np.float32))
    drawing.give(drawing.op("Resize", normal, "", scales, mode="nearest"), "output1")
    return drawing


def fixed(**facts: object) -> Drawing:
    """A network that holds the size of its export."""
    drawing = Drawing(**({"size": (64, 64)} | facts))  # type: ignore[arg-type]
    flat = drawing.op("Reshape", _conv(drawing, drawing.picture, 3, 3), drawing.ints(0, 3, 64 * 64))
    drawing.give(drawing.op("Reshape", flat, drawing.ints(0, 3, 64, 64)), "output")
    return drawing


def coloured(**facts: object) -> Drawing:
    """Three channels of one, as networks give that find the colours of grey pictures."""
    drawing = Drawing(**({"size": ("H", "W"), "channels": 1} | facts))  # type: ignore[arg-type]
    drawing.give(_conv(drawing, drawing.picture, 1, 3), "colours")
    return drawing


def save(drawing: Drawing, folder: Path, name: str = "foreign.onnx") -> Path:
    return drawing.save(folder / name)
