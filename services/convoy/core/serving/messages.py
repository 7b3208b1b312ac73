"""Reads and writes what the messages of all services share: pictures, sizes, boxes, names of models."""

from collections.abc import Sequence

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest
from convoy.core.pictures.decoding import Limits, Picture, count_pixels, decode_image, decode_raw, pixels_to_decode
from convoy.core.pictures.tones import Window
from convoy.v1 import common_pb2

_FORMATS = {
    common_pb2.PIXEL_FORMAT_UNSPECIFIED: "RGB8",
    common_pb2.PIXEL_FORMAT_RGB8: "RGB8",
    common_pb2.PIXEL_FORMAT_BGR8: "BGR8",
    common_pb2.PIXEL_FORMAT_GRAY8: "GRAY8",
    common_pb2.PIXEL_FORMAT_RGB32F: "RGB32F",
}


def read_image(
    image: common_pb2.Image, limits: Limits, min_side: int | None = None, window: Window | None = None
) -> Picture:
    """Decode the picture of a request. Raises InvalidArgument as `decode_image` and `decode_raw` do."""
    content = image.WhichOneof("content")
    if content == "encoded":
        return decode_image(image.encoded, limits, min_side, window)
    if content == "raw":
        raw = image.raw
        if raw.format not in _FORMATS:
            raise InvalidArgument("BAD_RAW_IMAGE", f"the pixel format {raw.format} is not known")
        return decode_raw(raw.data, raw.width, raw.height, _FORMATS[raw.format], limits)
    raise InvalidArgument("EMPTY_IMAGE", "the picture has neither encoded bytes nor raw pixels")


def pixels_of(image: common_pb2.Image, min_side: int | None = None) -> int:
    """Return how many pixels `read_image` would hold in memory; 0 for a picture that it refuses."""
    if image.WhichOneof("content") == "encoded":
        return pixels_to_decode(image.encoded, min_side)
    return image.raw.width * image.raw.height


def size_of(image: common_pb2.Image) -> int:
    """Return how many pixels the picture has, however it is decoded; 0 for one that `read_image` refuses."""
    if image.WhichOneof("content") == "encoded":
        return count_pixels(image.encoded)
    return image.raw.width * image.raw.height


def check_image_count(images: Sequence[object], most: int, called: str = "pictures") -> None:
    """Raise InvalidArgument unless there is at least one picture and at most `most`. called: what they are."""
    if not 1 <= len(images) <= most:
        facts = {"images": len(images), "max_images": most}
        raise InvalidArgument("BAD_ARGUMENT", f"the call has {len(images)} {called}; send 1 to {most}", facts)


def check_range(name: str, value: float, low: float, high: float) -> float:
    """Return the value. Raises InvalidArgument if it lies outside [low, high] or is NaN."""
    if not low <= value <= high:
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is {value:g}; it must lie between {low:g} and {high:g}")
    return value


def model_ref(manifest: Manifest) -> common_pb2.ModelRef:
    """Write the name and version of a model."""
    return common_pb2.ModelRef(name=manifest.name, version=manifest.version)


def image_size(picture: Picture) -> common_pb2.Size:
    """Write the size of the picture that was sent."""
    return common_pb2.Size(width=picture.width, height=picture.height)


def box(edges_xyxy: Sequence[float]) -> common_pb2.Box:
    """Write the four edges of a box."""
    x_min, y_min, x_max, y_max = (float(edge) for edge in edges_xyxy)
    return common_pb2.Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
