"""Says how a network wants its pixels, and draws the front of the graph that prepares them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from convoy.importing.network import Network
from convoy.importing.sketch import Sketch

Channels = tuple[float, float, float]
Channelwise = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Preprocessing:
    """The network's number = (pixel x scale - mean) / std, with pixels 0 to 255; then the channels in its order.

    mean, std: for red, green, blue, whatever order the network takes them in. bgr: it takes blue first.
    """

    scale: float = 1.0
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    bgr: bool = False

    def change(
        self, scale: float | None, mean: Channels | None, std: Channels | None, bgr: bool | None
    ) -> "Preprocessing":
        """Replace what is given, and keep the rest."""
        given = {"scale": scale, "mean": mean, "std": std, "bgr": bgr}
        return replace(self, **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]

    def __str__(self) -> str:
        order = "BGR" if self.bgr else "RGB"
        return f"{order}, (pixel x {self.scale:.6g} - {_short(self.mean)}) / {_short(self.std)}"


PRESETS: dict[str, Preprocessing] = {
    "raw": Preprocessing(),
    "raw-bgr": Preprocessing(bgr=True),
    "zero-one": Preprocessing(scale=1 / 255),
    "imagenet": Preprocessing(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "imagenet-bgr": Preprocessing(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), bgr=True),
    "arcface": Preprocessing(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
    "tensorflow": Preprocessing(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
    "scrfd": Preprocessing(mean=(127.5, 127.5, 127.5), std=(128.0, 128.0, 128.0)),
    "minus-127": Preprocessing(mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)),
    "retinaface": Preprocessing(mean=(123.0, 117.0, 104.0), bgr=True),
}
"""Usual ways to prepare pixels, by name. arcface and tensorflow give -1 to 1, as Inception-like networks take it;
minus-127 is for EfficientNet-Lite and Ultra-Light-Fast-Generic-Face-Detector-1MB."""


def draw_front(sketch: Sketch, images: str, network: Network, preprocessing: Preprocessing) -> None:
    """Draw the way from `images`, uint8 RGB [N, H, W, 3], to the network's own input.

    It moves the channels forward while a pixel is still three bytes: normalising whole planes is ten times as fast as
    normalising triples.
    """
    is_planar = network.layout == "nchw"
    pixels = sketch.op("Transpose", images, perm=[0, 3, 1, 2]) if is_planar else images
    if network.channels == 1:
        pixels = _draw_grey(sketch, images, is_planar)
    elif preprocessing.bgr:
        pixels = sketch.take(pixels, 2, 1, 0, axis=1 if is_planar else 3)
    if network.input_type != TensorProto.UINT8:
        number = pixels if network.channels == 1 else sketch.cast(pixels, TensorProto.FLOAT)
        pixels = _normalise(sketch, number, preprocessing, is_planar)
    if network.input_type != TensorProto.FLOAT:
        pixels = sketch.cast(pixels, network.input_type)
    sketch.op("Identity", pixels, name=network.input_name)


def _draw_grey(sketch: Sketch, images: str, is_planar: bool) -> str:
    """Draw luma by ITU-R BT.601, rounded to whole numbers as in OpenCV and Pillow: float32, one channel."""
    # Compute in thousandths, which are whole numbers, so that halves are rounded the same everywhere.
    weights = np.array([[299], [587], [114]], np.float32)
    thousandths = sketch.op("MatMul", sketch.cast(images, TensorProto.FLOAT), weights)
    whole = sketch.op("Floor", sketch.op("Div", sketch.op("Add", thousandths, 500.0), 1000.0))
    return sketch.reshape_to(whole, sketch.batch, 1, sketch.height, sketch.width) if is_planar else whole


def _normalise(sketch: Sketch, pixels: str, how: Preprocessing, is_planar: bool) -> str:
    """Draw one product and one sum: pixel * scale / std - mean / std."""
    order = slice(None, None, -1 if how.bgr else 1)
    mean, std = np.array(how.mean[order]), np.array(how.std[order])
    factor, offset = how.scale / std, -mean / std
    if (factor != 1).any():
        pixels = sketch.op("Mul", pixels, _for_channels(factor, is_planar))
    return sketch.op("Add", pixels, _for_channels(offset, is_planar)) if (offset != 0).any() else pixels


def _for_channels(values: Channelwise, is_planar: bool) -> Channelwise:
    """Draw a constant for each channel, or one for all if they are equal."""
    distinct = values[:1] if (values == values[0]).all() else values
    return distinct.astype(np.float32).reshape((-1, 1, 1) if is_planar else -1)


def _short(channels: Channels) -> str:
    return f"{channels[0]:g}" if len(set(channels)) == 1 else "(" + ", ".join(f"{one:g}" for one in channels) + ")"
