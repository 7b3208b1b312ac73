"""DetectionService: messages to and from the task."""

from collections.abc import AsyncIterator

import grpc

from convoy.core.api import API
from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import Placement, min_side
from convoy.core.serving.messages import (
    box,
    check_image_count,
    check_range,
    image_size,
    model_ref,
    pixels_of,
    read_image,
)
from convoy.core.serving.model_services import MODEL_APIS, add_model_doors, gates
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline, stream_error
from convoy.core.serving.streaming import answer_in_order
from convoy.core.settings import Settings
from convoy.detection import task
from convoy.v1 import common_pb2, detection_pb2_grpc
from convoy.v1 import detection_pb2 as pb

DEFAULT_MODEL = "bccd-yolo"
# A face detector finds objects of one class; its landmarks are left out here.
TASKS = (Task.DETECTION, Task.FACE_DETECTION)
DEFAULT_MAX_DETECTIONS = 300


class DetectionServicer(detection_pb2_grpc.DetectionServiceServicer):
    """Answers with a host's detectors."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    async def Detect(self, request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        """Detect in one picture or several."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        model = self._host.model(request.model.name, request.model.version, TASKS)
        manifest, limits = model.manifest, self._host.limits
        options = _options(request, manifest)

        def weigh(image: common_pb2.Image) -> int:
            return pixels_of(image, min_side(manifest.input))

        def prepare(image: common_pb2.Image) -> tuple[Pixels, tuple[Placement, Picture]]:
            picture = read_image(image, limits, min_side(manifest.input))
            pixels, placement = task.prepare(picture, manifest)
            return pixels, (placement, picture.outline())

        def interpret(outputs: Outputs, where: tuple[Placement, Picture]) -> pb.Detections:
            found = task.interpret(outputs, *where, manifest, options)
            return pb.Detections(detections=map(_detection, found), image_size=image_size(where[1]))

        results = await self._host.pipeline.run(model, request.images, prepare, interpret, weigh, deadline(context))
        return pb.DetectResponse(results=results, model=model_ref(manifest))

    async def DetectStream(
        self, requests: AsyncIterator[pb.DetectStreamRequest], context: Context
    ) -> AsyncIterator[pb.DetectStreamResponse]:
        """Detect in a stream of requests, answered in order."""

        async def answer(request: pb.DetectStreamRequest) -> pb.DetectStreamResponse:
            return pb.DetectStreamResponse(id=request.id, response=await self.Detect(request.request, context))

        async for response in answer_in_order(requests, answer, _refuse):
            yield response


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
    most = request.max_detections or DEFAULT_MAX_DETECTIONS
    return task.Options(threshold, iou_threshold, most, tuple(request.labels))


def _detection(found: task.Detection) -> pb.Detection:
    return pb.Detection(box=box(found.box_xyxy), index=found.index, label=found.label, score=found.score)


def _refuse(request: pb.DetectStreamRequest, error: ConvoyError) -> pb.DetectStreamResponse:
    return pb.DetectStreamResponse(id=request.id, error=stream_error(error))


async def build(settings: Settings) -> Service:
    """The detection service, not started."""
    host = ModelHost(settings, TASKS, settings.model or DEFAULT_MODEL)

    def add_to(server: grpc.aio.Server) -> None:
        detection_pb2_grpc.add_DetectionServiceServicer_to_server(DetectionServicer(host), server)
        add_model_doors(host, server)

    called = gates(host, f"/{API['detection'].grpc_name}/Detect")
    return Service("detection", add_to, host.start, host.stop, called, beside=MODEL_APIS)
