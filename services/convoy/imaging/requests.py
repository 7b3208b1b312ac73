"""Reads what a request asks for."""

from dataclasses import dataclass
from typing import TypeVar

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Border, Colour, Mapping0To255
from convoy.core.pictures.encoding import DEFAULT_QUALITY, FileFormat
from convoy.imaging.options import Options
from convoy.v1 import imaging_pb2 as pb

Word = TypeVar("Word")
COLOURS: dict[int, Colour | None] = {
    pb.COLOUR_HANDLING_UNSPECIFIED: None,
    pb.COLOUR_HANDLING_LUMINANCE: "luminance",
    pb.COLOUR_HANDLING_CHANNELS: "channels",
}
BORDERS: dict[int, Border | None] = {
    pb.BORDER_HANDLING_UNSPECIFIED: None,
    pb.BORDER_HANDLING_REFLECT: "reflect",
    pb.BORDER_HANDLING_ZERO: "zero",
}
MAPPINGS: dict[int, Mapping0To255 | None] = {
    pb.VALUE_MAPPING_UNSPECIFIED: None,
    pb.VALUE_MAPPING_AS_IS: "as_is",
    pb.VALUE_MAPPING_ABSOLUTE: "absolute",
    pb.VALUE_MAPPING_CENTRED: "centred",
}
FORMATS: dict[int, FileFormat | None] = {
    pb.PICTURE_FORMAT_UNSPECIFIED: "PNG",
    pb.PICTURE_FORMAT_PNG: "PNG",
    pb.PICTURE_FORMAT_JPEG: "JPEG",
    pb.PICTURE_FORMAT_WEBP: "WEBP",
    pb.PICTURE_FORMAT_RAW: None,
}


@dataclass(frozen=True)
class Encoding:
    """How answers are encoded. file_format: None for plain pixels."""

    format: pb.PictureFormat.ValueType
    file_format: FileFormat | None
    quality: int


def read_options(request: pb.TransformRequest) -> Options:
    """Read the options for the model. Raises InvalidArgument(BAD_ARGUMENT)."""
    return Options(
        colour=_word("colour", request.colour, COLOURS),
        border=_word("border", request.border, BORDERS),
        mapping=_word("mapping", request.mapping, MAPPINGS),
        noise_level=request.noise_level if request.HasField("noise_level") else None,
        styles=dict(request.styles),
    )


def read_encoding(request: pb.TransformRequest) -> Encoding:
    """Read how answers are to be encoded. Raises InvalidArgument(BAD_ARGUMENT)."""
    file_format = _word("format", request.format, FORMATS)
    if request.quality > 100:
        raise InvalidArgument("BAD_ARGUMENT", f"quality is {request.quality}; it must lie between 1 and 100")
    return Encoding(request.format or pb.PICTURE_FORMAT_PNG, file_format, request.quality or DEFAULT_QUALITY)


def _word(name: str, number: int, words: dict[int, Word]) -> Word:
    if number not in words:
        raise InvalidArgument("BAD_ARGUMENT", f"{name} {number} is not known")
    return words[number]
