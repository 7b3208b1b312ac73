"""Masks of objects as messages: run lengths, polygons, PNG."""

from collections.abc import Collection

import numpy as np

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.encoding import encode_picture
from convoy.core.pictures.outlines import trace
from convoy.core.pictures.run_lengths import RunLengths
from convoy.v1 import common_pb2
from convoy.v1 import detection_pb2 as pb

KNOWN = (pb.INSTANCE_MASK_FORMAT_RLE, pb.INSTANCE_MASK_FORMAT_POLYGONS, pb.INSTANCE_MASK_FORMAT_PNG)


def check_formats(formats: Collection[int]) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) for a format that does not exist, or is named twice."""
    for wanted in formats:
        if wanted not in KNOWN:
            raise InvalidArgument("BAD_ARGUMENT", f"mask_formats: the format {wanted} is not known")
    if len(set(formats)) != len(formats):
        raise InvalidArgument("BAD_ARGUMENT", "mask_formats: name each format once")


def write_mask(mask: RunLengths, formats: Collection[int]) -> pb.InstanceMask:
    """Write a mask in these formats. Polygons and PNG show the smallest part of the picture that holds it."""
    message = pb.InstanceMask(area=mask.area)
    if pb.INSTANCE_MASK_FORMAT_RLE in formats:
        size = common_pb2.Size(width=mask.width, height=mask.height)
        message.rle.CopyFrom(pb.RunLengths(size=size, counts=mask.text()))
    if not mask.area or not {pb.INSTANCE_MASK_FORMAT_POLYGONS, pb.INSTANCE_MASK_FORMAT_PNG} & set(formats):
        return message
    left, top, right, bottom = mask.bounds()
    part = mask.pixels(left, top, right, bottom)
    if pb.INSTANCE_MASK_FORMAT_POLYGONS in formats:
        message.polygons.extend(pb.Polygon(xy=outline.reshape(-1)) for outline in trace(part, left, top))
    if pb.INSTANCE_MASK_FORMAT_PNG in formats:
        message.png = encode_picture(np.where(part, np.uint8(255), np.uint8(0)), "PNG")
        message.png_left, message.png_top = left, top
    return message
