"""Masks as messages, for single pictures and for slices of volumes."""

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest
from convoy.core.pictures.decoding import Picture, encode_png
from convoy.core.serving.messages import image_size
from convoy.segmentation import task
from convoy.v1 import segmentation_pb2 as pb


def mask_format_of(asked: pb.MaskFormat.ValueType) -> pb.MaskFormat.ValueType:
    """How masks are to be encoded. Raises InvalidArgument(BAD_ARGUMENT)."""
    mask_format = asked or pb.MASK_FORMAT_PNG
    if mask_format not in (pb.MASK_FORMAT_PNG, pb.MASK_FORMAT_RAW):
        raise InvalidArgument("BAD_ARGUMENT", f"the mask format {mask_format} is not known")
    return mask_format


def segmentation_message(
    mask: task.Mask, picture: Picture, manifest: Manifest, mask_format: pb.MaskFormat.ValueType
) -> pb.Segmentation:
    """Write a mask [H, W] with the classes that occur in it."""
    return pb.Segmentation(
        mask=encode_png(mask) if mask_format == pb.MASK_FORMAT_PNG else mask.tobytes(),
        mask_format=mask_format,
        image_size=image_size(picture),
        regions=map(_region, task.regions(mask, manifest)),
    )


def _region(region: task.Region) -> pb.Region:
    return pb.Region(index=region.index, label=region.label, area=region.area)
