"""Calls that explain what a model says. `model` is name or name:version, empty for the default."""

from collections.abc import Callable, Sequence
from typing import Any

from convoy.client.answers import explanation
from convoy.client.operations.operation import Operation, Response, Result, plan
from convoy.client.operations.vision import write_model
from convoy.client.pictures import Channels, Picture, write_image
from convoy.core.api import ServiceName
from convoy.core.errors import InvalidArgument
from convoy.v1 import classification_pb2, common_pb2, detection_pb2, explanation_pb2, faces_pb2, segmentation_pb2


def explain(
    picture: Picture,
    label: str = "",
    *,
    model: str = "",
    cells: int = 0,
    exact: bool = False,
    overlay: bool = False,
    channels: Channels = "rgb",
) -> Operation[explanation.Explanation]:
    """Which places of a picture make a classifier say `label`; empty for the most probable one.

    cells: along the longer side, 2 to 24, 0 for 8; the network looks about once for each cell. exact: the map comes in
    32-bit floats instead of 255 steps; overlay: also as a picture laid over yours.
    """
    request = classification_pb2.ExplainRequest(
        model=write_model(model), label=label, options=_write_options(cells, exact, overlay)
    )
    response, read = classification_pb2.ExplainResponse, explanation.read_explanation
    return _plan("classification", request, response, read, picture, channels)


def explain_detection(
    picture: Picture,
    label: str = "",
    *,
    place: Sequence[float] | None = None,
    model: str = "",
    cells: int = 0,
    exact: bool = False,
    overlay: bool = False,
    channels: Channels = "rgb",
) -> Operation[explanation.ExplainedDetection]:
    """Which places of a picture make a detector see `label` (empty: what scores best) at `place` (None: where it does).

    place: x_min, y_min, x_max, y_max in pixels of the picture; the rest as in `explain`.
    """
    request = detection_pb2.ExplainDetectionRequest(
        model=write_model(model), label=label, options=_write_options(cells, exact, overlay), place=_write_place(place)
    )
    response, read = detection_pb2.ExplainDetectionResponse, explanation.read_detection
    return _plan("detection", request, response, read, picture, channels)


def explain_segmentation(
    picture: Picture,
    label: str = "",
    *,
    place: Sequence[float] | None = None,
    model: str = "",
    cells: int = 0,
    exact: bool = False,
    overlay: bool = False,
    channels: Channels = "rgb",
) -> Operation[explanation.Explanation]:
    """Which places of a picture the class `label` (empty: the largest) needs for its pixels, or for those in `place`.

    place: x_min, y_min, x_max, y_max in pixels of the picture; the rest as in `explain`.
    """
    request = segmentation_pb2.ExplainSegmentationRequest(
        model=write_model(model), label=label, options=_write_options(cells, exact, overlay), place=_write_place(place)
    )
    response, read = segmentation_pb2.ExplainSegmentationResponse, explanation.read_explanation
    return _plan("segmentation", request, response, read, picture, channels)


def explain_comparison(
    first: Picture,
    second: Picture,
    *,
    any_angle: bool = False,
    detail: bool = False,
    cells: int = 0,
    exact: bool = False,
    overlay: bool = False,
    channels: Channels = "rgb",
) -> Operation[explanation.ExplainedComparison]:
    """What in the largest face of the first picture makes it similar to the largest face of the second.

    The map is of the first picture. any_angle, detail: as in `detect_faces`; the rest as in `explain`.
    """
    request = faces_pb2.ExplainComparisonRequest(
        first=write_image(first, channels),
        second=write_image(second, channels),
        options=faces_pb2.FaceDetectionOptions(any_angle=any_angle, detail=detail),
        explanation=_write_options(cells, exact, overlay),
    )
    return plan("faces", request, faces_pb2.ExplainComparisonResponse, explanation.read_comparison)


def _plan(
    service: ServiceName,
    request: Any,
    response: type[Response],
    read: Callable[[Response], Result],
    picture: Picture,
    channels: Channels,
) -> Operation[Result]:
    """The operation for a request that explains one picture, which is written here."""
    request.image.CopyFrom(write_image(picture, channels))
    return plan(service, request, response, read, picture=(picture, channels))


def _write_place(place: Sequence[float] | None) -> common_pb2.Box | None:
    if place is None:
        return None
    if len(place) != 4:
        message = f"place has {len(place)} numbers; give x_min, y_min, x_max, y_max"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return common_pb2.Box(x_min=place[0], y_min=place[1], x_max=place[2], y_max=place[3])


def _write_options(cells: int, exact: bool, overlay: bool) -> explanation_pb2.ExplanationOptions:
    map_format = explanation_pb2.MAP_FORMAT_FLOAT32 if exact else explanation_pb2.MAP_FORMAT_PNG
    return explanation_pb2.ExplanationOptions(cells=cells, map_format=map_format, overlay=overlay)
