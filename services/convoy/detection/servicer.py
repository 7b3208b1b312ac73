"""DetectionService: messages to and from the task."""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from typing import TypeAlias

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.explaining import Explainer
from convoy.core.serving.messages import box, check_range, image_size, model_ref
from convoy.core.serving.picture_service import PictureServicer, picture_service
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.settings import Settings
from convoy.detection import task
from convoy.detection.mask_messages import check_formats, write_mask
from convoy.detection.points import Point
from convoy.detection.tracked_stream import WEAK, answer_tracked
from convoy.v1 import common_pb2
from convoy.v1 import detection_pb2 as pb
from convoy.v1.detection_pb2_grpc import DetectionServiceServicer, add_DetectionServiceServicer_to_server

DEFAULT_MAX_DETECTIONS = 300
Interpret: TypeAlias = Callable[[Outputs, Placement, Picture], pb.Detections]
MASK_WEIGHT = 4
"""Pixels of memory for one pixel of the picture: the mask as bytes, and twice as large along each axis for outlines."""


class DetectionServicer(PictureServicer[pb.DetectRequest, pb.Detections, pb.DetectResponse], DetectionServiceServicer):
    """Answers with a host's detectors."""

    SERVICE = "detection"
    # A face detector finds objects of one class; its landmarks are named points.
    TASKS = (Task.DETECTION, Task.FACE_DETECTION)
    CALLS = dict.fromkeys(("Detect", "ExplainDetection"), TASKS)
    RESPONSE = pb.DetectResponse
    STREAM_RESPONSE = pb.DetectStreamResponse
    prepare = task.prepare

    def __init__(self, host: ModelHost) -> None:
        super().__init__(host)
        self._explainer = Explainer(host, self.TASKS, task.prepare)

    async def Detect(self, request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        """Detect in one picture or several."""
        return await self.answer(request, context)

    def DetectStream(
        self, requests: AsyncIterator[pb.DetectStreamRequest], context: Context
    ) -> AsyncIterator[pb.DetectStreamResponse]:
        """Detect in a stream of requests, answered in order; with tracks where they are asked for."""

        async def answer(message: pb.DetectStreamRequest) -> tuple[pb.DetectResponse, float]:
            threshold = 0.0

            def weak_too(request: pb.DetectRequest, manifest: Manifest) -> Interpret:
                nonlocal threshold
                options = _options(request, manifest)
                threshold = task.threshold(manifest, options)
                return _interpret(request, manifest, replace(options, detection_threshold=WEAK * threshold))

            pick = weak_too if message.track else self.interpreter
            response = await self.answer_by(pick, message.request, context)
            return response, threshold

        return answer_tracked(requests, answer)

    async def ExplainDetection(
        self, request: pb.ExplainDetectionRequest, context: Context
    ) -> pb.ExplainDetectionResponse:
        """Show which places of a picture make the model see an object."""
        explained = await self._explainer.explain(request, deadline(context), task.aim)
        assert isinstance(explained.target, task.Aimed)  # task.aim makes no others
        return pb.ExplainDetectionResponse(
            explanation=explained.explanation,
            index=explained.target.index,
            label=explained.label,
            place=box(explained.target.place_xyxy),
            model=model_ref(explained.manifest),
        )

    def answer_weight(self, request: pb.DetectRequest) -> int:
        """A mask takes a few bytes for each pixel of its box while it is made and written."""
        return MASK_WEIGHT if request.mask_formats else 0

    def interpreter(self, request: pb.DetectRequest, manifest: Manifest) -> Interpret:
        """Return the function that picks objects by the request's thresholds, labels and max_detections."""
        return _interpret(request, manifest, _options(request, manifest))


def _interpret(request: pb.DetectRequest, manifest: Manifest, options: task.Options) -> Interpret:
    formats = frozenset(request.mask_formats)

    def interpret(outputs: Outputs, placement: Placement, picture: Picture) -> pb.Detections:
        found = task.interpret(outputs, placement, picture, manifest, options)
        detections = [_detection(one, formats) for one in found]
        return pb.Detections(detections=detections, image_size=image_size(picture))

    return interpret


def _options(request: pb.DetectRequest, manifest: Manifest) -> task.Options:
    unknown = [label for label in request.labels if label not in manifest.labels]
    if unknown:
        known = ", ".join(manifest.labels)
        raise InvalidArgument("BAD_ARGUMENT", f"{manifest.name} has no label '{unknown[0]}'; it has: {known}")
    threshold = iou_threshold = None
    if request.HasField("detection_threshold"):
        threshold = check_range("detection_threshold", request.detection_threshold, 0, 1)
    if request.HasField("iou_threshold"):
        iou_threshold = check_range("iou_threshold", request.iou_threshold, 0, 1)
    if request.mask_formats and manifest.masks is None:
        raise FailedPrecondition(
            "NO_MASKS",
            f"{manifest.name} gives no masks: ask a model whose manifest has `masks`, or leave mask_formats out",
            {"model": manifest.name},
        )
    check_formats(request.mask_formats)
    most = request.max_detections or DEFAULT_MAX_DETECTIONS
    return task.Options(threshold, iou_threshold, most, tuple(request.labels), bool(request.mask_formats))


def _detection(found: task.Detection, formats: Collection[int]) -> pb.Detection:
    return pb.Detection(
        box=box(found.box_xyxy),
        index=found.index,
        label=found.label,
        score=found.score,
        mask=write_mask(found.mask, formats) if found.mask is not None else None,
        points=map(_point, found.points),
    )


def _point(found: Point) -> pb.NamedPoint:
    return pb.NamedPoint(name=found.name, position=common_pb2.Point(x=found.x, y=found.y), score=found.score)


async def build(settings: Settings) -> Service:
    """Build the detection service, without starting it."""
    return picture_service(DetectionServicer, add_DetectionServiceServicer_to_server, settings)
