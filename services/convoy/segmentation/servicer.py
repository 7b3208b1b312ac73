"""SegmentationService: messages to and from the task."""

from collections.abc import AsyncIterator, Callable

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture, encode_png
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.explaining import Explainer
from convoy.core.serving.messages import image_size, model_ref
from convoy.core.serving.picture_service import PictureServicer, picture_service
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.settings import Settings
from convoy.segmentation import task
from convoy.v1 import segmentation_pb2 as pb
from convoy.v1.segmentation_pb2_grpc import SegmentationServiceServicer, add_SegmentationServiceServicer_to_server


class SegmentationServicer(
    PictureServicer[pb.SegmentRequest, pb.Segmentation, pb.SegmentResponse], SegmentationServiceServicer
):
    """Answers with a host's segmenters."""

    SERVICE = "segmentation"
    CALLS = ("Segment", "ExplainSegmentation")
    TASKS = (Task.SEGMENTATION,)
    RESPONSE = pb.SegmentResponse
    STREAM_RESPONSE = pb.SegmentStreamResponse
    prepare = task.prepare
    ANSWER_WEIGHT = 1  # the mask, and its encoded form twice: in a buffer, and in the message

    def __init__(self, host: ModelHost) -> None:
        super().__init__(host)
        self._explainer = Explainer(host, self.TASKS, task.prepare)

    async def Segment(self, request: pb.SegmentRequest, context: Context) -> pb.SegmentResponse:
        """Segment one picture or several."""
        return await self.answer(request, context)

    def SegmentStream(
        self, requests: AsyncIterator[pb.SegmentStreamRequest], context: Context
    ) -> AsyncIterator[pb.SegmentStreamResponse]:
        """Segment a stream of requests, answered in order."""
        return self.answer_each(requests, context)

    async def ExplainSegmentation(
        self, request: pb.ExplainSegmentationRequest, context: Context
    ) -> pb.ExplainSegmentationResponse:
        """Show which places of a picture a class needs for its pixels."""
        explained = await self._explainer.explain(request, deadline(context), task.aim)
        return pb.ExplainSegmentationResponse(
            explanation=explained.explanation,
            index=explained.target.index,
            label=explained.label,
            model=model_ref(explained.manifest),
        )

    def complete(self, response: pb.SegmentResponse, manifest: Manifest) -> None:
        """Name all classes, so that a caller can tell one that does not occur from one that the model does not know."""
        response.labels.extend(manifest.labels)

    def answer_bytes(self, request: pb.SegmentRequest, pixels: int) -> int:
        """Raw masks have a byte for each pixel."""
        return pixels if request.mask_format == pb.MASK_FORMAT_RAW else 0

    def interpreter(
        self, request: pb.SegmentRequest, manifest: Manifest
    ) -> Callable[[Outputs, Placement, Picture], pb.Segmentation]:
        """Return the function that encodes masks in the request's mask_format."""
        mask_format = request.mask_format or pb.MASK_FORMAT_PNG
        if mask_format not in (pb.MASK_FORMAT_PNG, pb.MASK_FORMAT_RAW):
            raise InvalidArgument("BAD_ARGUMENT", f"the mask format {mask_format} is not known")

        def interpret(outputs: Outputs, placement: Placement, picture: Picture) -> pb.Segmentation:
            mask = task.interpret(outputs, placement, picture)
            return pb.Segmentation(
                mask=encode_png(mask) if mask_format == pb.MASK_FORMAT_PNG else mask.tobytes(),
                mask_format=mask_format,
                image_size=image_size(picture),
                regions=map(_region, task.regions(mask, manifest)),
            )

        return interpret


def _region(region: task.Region) -> pb.Region:
    return pb.Region(index=region.index, label=region.label, area=region.area)


async def build(settings: Settings) -> Service:
    """Build the segmentation service, without starting it."""
    return picture_service(SegmentationServicer, add_SegmentationServiceServicer_to_server, settings)
