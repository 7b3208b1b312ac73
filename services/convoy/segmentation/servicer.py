"""SegmentationService: messages to and from the task."""

from collections.abc import AsyncIterator

import grpc

from convoy.core.api import API
from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.core.manifest import Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture, Pixels, encode_png
from convoy.core.pictures.resizing import Placement, min_side
from convoy.core.serving.messages import check_image_count, image_size, model_ref, pixels_of, read_image
from convoy.core.serving.model_services import MODEL_APIS, add_model_doors, gates
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline, stream_error
from convoy.core.serving.streaming import answer_in_order
from convoy.core.settings import Settings
from convoy.segmentation import task
from convoy.v1 import common_pb2, segmentation_pb2_grpc
from convoy.v1 import segmentation_pb2 as pb

DEFAULT_MODEL = "camvid-unet"


class SegmentationServicer(segmentation_pb2_grpc.SegmentationServiceServicer):
    """Answers with a host's segmenters."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    async def Segment(self, request: pb.SegmentRequest, context: Context) -> pb.SegmentResponse:
        """Segment one picture or several."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        model = self._host.model(request.model.name, request.model.version, Task.SEGMENTATION)
        manifest, limits = model.manifest, self._host.limits
        mask_format = request.mask_format or pb.MASK_FORMAT_PNG
        if mask_format not in (pb.MASK_FORMAT_PNG, pb.MASK_FORMAT_RAW):
            raise InvalidArgument("BAD_ARGUMENT", f"the mask format {mask_format} is not known")

        def weigh(image: common_pb2.Image) -> int:
            return pixels_of(image, min_side(manifest.input))

        def prepare(image: common_pb2.Image) -> tuple[Pixels, tuple[Placement, Picture]]:
            picture = read_image(image, limits, min_side(manifest.input))
            pixels, placement = task.prepare(picture, manifest)
            return pixels, (placement, picture.outline())

        def interpret(outputs: Outputs, where: tuple[Placement, Picture]) -> pb.Segmentation:
            mask = task.interpret(outputs, *where)
            return pb.Segmentation(
                mask=encode_png(mask) if mask_format == pb.MASK_FORMAT_PNG else mask.tobytes(),
                mask_format=mask_format,
                image_size=image_size(where[1]),
                regions=map(_region, task.regions(mask, manifest)),
            )

        results = await self._host.pipeline.run(model, request.images, prepare, interpret, weigh, deadline(context))
        return pb.SegmentResponse(results=results, model=model_ref(manifest))

    async def SegmentStream(
        self, requests: AsyncIterator[pb.SegmentStreamRequest], context: Context
    ) -> AsyncIterator[pb.SegmentStreamResponse]:
        """Segment a stream of requests, answered in order."""

        async def answer(request: pb.SegmentStreamRequest) -> pb.SegmentStreamResponse:
            return pb.SegmentStreamResponse(id=request.id, response=await self.Segment(request.request, context))

        async for response in answer_in_order(requests, answer, _refuse):
            yield response


def _region(region: task.Region) -> pb.Region:
    return pb.Region(index=region.index, label=region.label, area=region.area)


def _refuse(request: pb.SegmentStreamRequest, error: ConvoyError) -> pb.SegmentStreamResponse:
    return pb.SegmentStreamResponse(id=request.id, error=stream_error(error))


async def build(settings: Settings) -> Service:
    """The segmentation service, not started."""
    host = ModelHost(settings, {Task.SEGMENTATION}, settings.model or DEFAULT_MODEL)

    def add_to(server: grpc.aio.Server) -> None:
        segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server(SegmentationServicer(host), server)
        add_model_doors(host, server)

    called = gates(host, f"/{API['segmentation'].grpc_name}/Segment")
    return Service("segmentation", add_to, host.start, host.stop, called, beside=MODEL_APIS)
