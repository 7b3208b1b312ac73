"""Answers of imaging."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import ImageRGB, Model, Size, read_model, read_size
from convoy.client.answers.decoding import read_picture
from convoy.v1 import common_pb2, imaging_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Transformed(Answer):
    """A picture that came out. image: uint8 RGB [H, W, 3], or [H, W] if it is grey; image_size: of what was sent."""

    image: "npt.NDArray[np.uint8]" = field(repr=False, compare=False)
    size: Size
    image_size: Size
    model: Model

    @property
    def image_rgb(self) -> ImageRGB:
        """The picture as [H, W, 3], grey ones too."""
        import numpy as np

        return np.repeat(self.image[..., None], 3, axis=2) if self.image.ndim == 2 else self.image


def read_transformed(response: imaging_pb2.TransformResponse) -> list[Transformed]:
    """One for each picture."""
    model = read_model(response.model)
    return [
        Transformed(_read_picture(result), read_size(result.size), read_size(result.image_size), model)
        for result in response.results
    ]


def _read_picture(result: imaging_pb2.TransformedPicture) -> "npt.NDArray[np.uint8]":
    import numpy as np

    raw = result.picture.raw
    if result.picture.WhichOneof("content") == "raw":
        grey = raw.format == common_pb2.PIXEL_FORMAT_GRAY8
        return np.frombuffer(raw.data, np.uint8).reshape(raw.height, raw.width, *(() if grey else (3,)))
    return read_picture(result.picture.encoded)
