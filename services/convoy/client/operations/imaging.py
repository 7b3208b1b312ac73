"""Calls of imaging. `model` is name or name:version, empty for the default."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, TypeVar

from convoy.client.answers import imaging
from convoy.client.operations.operation import Operation, only, plan
from convoy.client.operations.vision import write_model
from convoy.client.pictures import Channels, Picture, write_image, write_images
from convoy.core.errors import InvalidArgument
from convoy.v1 import imaging_pb2 as pb

Number = TypeVar("Number")
Colour: TypeAlias = Literal["", "luminance", "channels"]
"""What the model is given; empty: what its manifest says."""
Border: TypeAlias = Literal["", "reflect", "zero"]
"""What lies around the picture; empty: what the model's manifest says."""
Mapping0To255: TypeAlias = Literal["", "as_is", "absolute", "centred"]
"""How numbers become pixels; empty: what the model's manifest says."""
Encoding: TypeAlias = Literal["png", "jpeg", "webp", "raw"]
"""How the answer crosses the wire; it is decoded in any case."""

COLOURS: dict[str, pb.ColourHandling.ValueType] = {
    "": pb.COLOUR_HANDLING_UNSPECIFIED,
    "luminance": pb.COLOUR_HANDLING_LUMINANCE,
    "channels": pb.COLOUR_HANDLING_CHANNELS,
}
BORDERS: dict[str, pb.BorderHandling.ValueType] = {
    "": pb.BORDER_HANDLING_UNSPECIFIED,
    "reflect": pb.BORDER_HANDLING_REFLECT,
    "zero": pb.BORDER_HANDLING_ZERO,
}
MAPPINGS: dict[str, pb.ValueMapping.ValueType] = {
    "": pb.VALUE_MAPPING_UNSPECIFIED,
    "as_is": pb.VALUE_MAPPING_AS_IS,
    "absolute": pb.VALUE_MAPPING_ABSOLUTE,
    "centred": pb.VALUE_MAPPING_CENTRED,
}
ENCODINGS: dict[str, pb.PictureFormat.ValueType] = {
    "png": pb.PICTURE_FORMAT_PNG,
    "jpeg": pb.PICTURE_FORMAT_JPEG,
    "webp": pb.PICTURE_FORMAT_WEBP,
    "raw": pb.PICTURE_FORMAT_RAW,
}


def transform(
    picture: Picture,
    *,
    model: str = "",
    colour: Colour = "",
    border: Border = "",
    mapping: Mapping0To255 = "",
    noise_level: float | None = None,
    mask: Picture | None = None,
    styles: Mapping[str, float] | None = None,
    encoding: Encoding = "png",
    channels: Channels = "rgb",
) -> Operation[imaging.Transformed]:
    """What a model makes of a picture.

    noise_level: in grey levels, for models that take it; mask: bright where to fill in, for models that need it;
    styles: weights by name. Answers that fit into no message as PNG may fit as JPEG (`encoding`), with quality 95.
    """
    masks = [] if mask is None else [mask]
    request = _transform([picture], model, colour, border, mapping, noise_level, masks, styles, encoding, channels)
    return plan(
        "imaging",
        request,
        pb.TransformResponse,
        lambda response: only(imaging.read_transformed(response)),
        picture=(picture, channels),
    )


def transform_many(
    pictures: Iterable[Picture],
    *,
    model: str = "",
    colour: Colour = "",
    border: Border = "",
    mapping: Mapping0To255 = "",
    noise_level: float | None = None,
    masks: Iterable[Picture] = (),
    styles: Mapping[str, float] | None = None,
    encoding: Encoding = "png",
    channels: Channels = "rgb",
) -> Operation[list[imaging.Transformed]]:
    """`transform` for several pictures in one call. Results come in their order; if one fails, so does the call."""
    request = _transform(pictures, model, colour, border, mapping, noise_level, masks, styles, encoding, channels)
    return plan("imaging", request, pb.TransformResponse, imaging.read_transformed)


def _transform(
    pictures: Iterable[Picture],
    model: str,
    colour: str,
    border: str,
    mapping: str,
    noise_level: float | None,
    masks: Iterable[Picture],
    styles: Mapping[str, float] | None,
    encoding: str,
    channels: Channels,
) -> pb.TransformRequest:
    return pb.TransformRequest(
        images=write_images(pictures, channels),
        model=write_model(model),
        format=_number("encoding", encoding, ENCODINGS),
        colour=_number("colour", colour, COLOURS),
        border=_number("border", border, BORDERS),
        mapping=_number("mapping", mapping, MAPPINGS),
        noise_level=noise_level,
        masks=[write_image(mask) for mask in masks],
        styles=styles or {},
    )


def _number(name: str, word: str, numbers: dict[str, Number]) -> Number:
    if word not in numbers:
        raise InvalidArgument(
            "BAD_ARGUMENT", f"{name} is '{word}'; give {', '.join(known for known in numbers if known)}"
        )
    return numbers[word]
