"""Calls of classification, detection and segmentation. `model` is name or name:version, empty for the default."""

from collections.abc import Iterable, Sequence

from convoy.client.answers import vision
from convoy.client.operations.operation import Operation, only, plan
from convoy.client.pictures import Channels, Picture, write_images
from convoy.core.api import split_model
from convoy.core.errors import InvalidArgument
from convoy.v1 import classification_pb2, common_pb2, detection_pb2, segmentation_pb2

RLE, POLYGONS = detection_pb2.INSTANCE_MASK_FORMAT_RLE, detection_pb2.INSTANCE_MASK_FORMAT_POLYGONS


def classify(
    picture: Picture, *, model: str = "", top_k: int = 5, min_probability: float = 0.0, channels: Channels = "rgb"
) -> Operation[vision.Classification]:
    """What a picture shows: the `top_k` most probable labels of at least `min_probability` (0 to 1)."""
    request = _classify([picture], model, top_k, min_probability, channels=channels)
    return plan(
        "classification",
        request,
        classification_pb2.ClassifyResponse,
        lambda response: only(vision.read_classifications(response)),
        picture=(picture, channels),
    )


def classify_many(
    pictures: Iterable[Picture],
    *,
    model: str = "",
    top_k: int = 5,
    min_probability: float = 0.0,
    channels: Channels = "rgb",
) -> Operation[list[vision.Classification]]:
    """`classify` for several pictures in one call. Results come in their order; if one fails, so does the call."""
    request = _classify(pictures, model, top_k, min_probability, channels=channels)
    return plan("classification", request, classification_pb2.ClassifyResponse, vision.read_classifications)


def embed_image(picture: Picture, *, model: str = "", channels: Channels = "rgb") -> Operation[vision.ImageEmbedding]:
    """The embedding of a picture, by an embedder of things: similar for pictures of the same kind of thing."""
    return plan(
        "classification",
        _embed([picture], model, channels),
        classification_pb2.EmbedImagesResponse,
        lambda response: only(vision.read_image_embeddings(response)),
    )


def embed_images(
    pictures: Iterable[Picture], *, model: str = "", channels: Channels = "rgb"
) -> Operation[list[vision.ImageEmbedding]]:
    """`embed_image` for several pictures in one call. Results come in their order; if one fails, so does the call."""
    request = _embed(pictures, model, channels)
    return plan("classification", request, classification_pb2.EmbedImagesResponse, vision.read_image_embeddings)


def detect(
    picture: Picture,
    *,
    model: str = "",
    detection_threshold: float | None = None,
    iou_threshold: float | None = None,
    max_detections: int = 0,
    labels: Sequence[str] = (),
    masks: bool = False,
    polygons: bool = False,
    channels: Channels = "rgb",
) -> Operation[vision.Detections]:
    """The objects in a picture whose score is at least `detection_threshold` (0 to 1, by default the model's own).

    iou_threshold: when two boxes of one label overlap by more than this, the one with the lower score is left out;
    labels: only these, empty for all; max_detections: 0 means 300. masks: also the pixels of each object, if the model
    gives masks; polygons: their outlines too.
    """
    request = _detect(
        [picture], model, detection_threshold, iou_threshold, max_detections, labels, masks, polygons, channels
    )
    return plan(
        "detection",
        request,
        detection_pb2.DetectResponse,
        lambda response: only(vision.read_detections(response)),
        picture=(picture, channels),
    )


def detect_many(
    pictures: Iterable[Picture],
    *,
    model: str = "",
    detection_threshold: float | None = None,
    iou_threshold: float | None = None,
    max_detections: int = 0,
    labels: Sequence[str] = (),
    masks: bool = False,
    polygons: bool = False,
    channels: Channels = "rgb",
) -> Operation[list[vision.Detections]]:
    """`detect` for several pictures in one call. Results come in their order; if one fails, so does the call."""
    request = _detect(
        pictures, model, detection_threshold, iou_threshold, max_detections, labels, masks, polygons, channels
    )
    return plan("detection", request, detection_pb2.DetectResponse, vision.read_detections)


def segment(picture: Picture, *, model: str = "", channels: Channels = "rgb") -> Operation[vision.Segmentation]:
    """The class of every pixel of a picture."""
    return plan(
        "segmentation",
        _segment([picture], model, channels=channels),
        segmentation_pb2.SegmentResponse,
        lambda response: only(vision.read_segmentations(response)),
        picture=(picture, channels),
    )


def segment_many(
    pictures: Iterable[Picture], *, model: str = "", channels: Channels = "rgb"
) -> Operation[list[vision.Segmentation]]:
    """`segment` for several pictures in one call. Results come in their order; if one fails, so does the call."""
    request = _segment(pictures, model, channels=channels)
    return plan("segmentation", request, segmentation_pb2.SegmentResponse, vision.read_segmentations)


def _classify(
    pictures: Iterable[Picture], model: str, top_k: int, min_probability: float, channels: Channels = "rgb"
) -> classification_pb2.ClassifyRequest:
    return classification_pb2.ClassifyRequest(
        images=write_images(pictures, channels), model=write_model(model), top_k=top_k, min_probability=min_probability
    )


def _embed(pictures: Iterable[Picture], model: str, channels: Channels) -> classification_pb2.EmbedImagesRequest:
    return classification_pb2.EmbedImagesRequest(images=write_images(pictures, channels), model=write_model(model))


def _detect(
    pictures: Iterable[Picture],
    model: str,
    detection_threshold: float | None,
    iou_threshold: float | None,
    max_detections: int,
    labels: Sequence[str],
    masks: bool,
    polygons: bool,
    channels: Channels,
) -> detection_pb2.DetectRequest:
    return detection_pb2.DetectRequest(
        images=write_images(pictures, channels),
        model=write_model(model),
        detection_threshold=detection_threshold,
        iou_threshold=iou_threshold,
        max_detections=max_detections,
        labels=labels,
        mask_formats=[RLE, *([POLYGONS] if polygons else [])] if masks or polygons else [],
    )


def _segment(pictures: Iterable[Picture], model: str, channels: Channels = "rgb") -> segmentation_pb2.SegmentRequest:
    return segmentation_pb2.SegmentRequest(images=write_images(pictures, channels), model=write_model(model))


def write_model(model: str) -> common_pb2.ModelRef:
    """The message for name, name:version or nothing. InvalidArgument(BAD_ARGUMENT): a version without a name."""
    name, version = split_model(model)
    if model and not name:
        raise InvalidArgument("BAD_ARGUMENT", f"{model!r} does not name a model; give name or name:version")
    return common_pb2.ModelRef(name=name, version=version)
