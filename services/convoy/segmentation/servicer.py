"""SegmentationService: messages to and from the task."""

from collections.abc import AsyncIterator, Callable

from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.explaining import Explainer
from convoy.core.serving.messages import model_ref
from convoy.core.serving.picture_service import PictureServicer, picture_service
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.settings import Settings
from convoy.segmentation import task
from convoy.segmentation.messages import mask_format_of, segmentation_message
from convoy.segmentation.volumes import VolumeSegmenter
from convoy.v1 import segmentation_pb2 as pb
from convoy.v1.segmentation_pb2_grpc import SegmentationServiceServicer, add_SegmentationServiceServicer_to_server


class SegmentationServicer(
    PictureServicer[pb.SegmentRequest, pb.Segmentation, pb.SegmentResponse], SegmentationServiceServicer
):
    """Answers with a host's segmenters."""

    SERVICE = "segmentation"
    TASKS = (Task.SEGMENTATION,)
    CALLS = dict.fromkeys(("Segment", "ExplainSegmentation"), TASKS)
    BESIDE = (Task.VOLUME_SEGMENTATION,)
    RESPONSE = pb.SegmentResponse
    STREAM_RESPONSE = pb.SegmentStreamResponse
    prepare = task.prepare
    ANSWER_WEIGHT = 1  # the mask, and its encoded form twice: in a buffer, and in the message

    def __init__(self, host: ModelHost) -> None:
        super().__init__(host)
        self._explainer = Explainer(host, self.TASKS, task.prepare)
        self._volumes = VolumeSegmenter(host)

    async def Segment(self, request: pb.SegmentRequest, context: Context) -> pb.SegmentResponse:
        """Segment one picture or several."""
        return await self.answer(request, context)

    def SegmentStream(
        self, requests: AsyncIterator[pb.SegmentStreamRequest], context: Context
    ) -> AsyncIterator[pb.SegmentStreamResponse]:
        """Segment a stream of requests, answered in order."""
        return self.answer_each(requests, context)

    def SegmentVolume(
        self, requests: AsyncIterator[pb.SegmentVolumeRequest], context: Context
    ) -> AsyncIterator[pb.SegmentVolumeResponse]:
        """Segment a stream of slices, answered in order."""
        return self._volumes.answer(requests, context)

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
        mask_format = mask_format_of(request.mask_format)

        def interpret(outputs: Outputs, placement: Placement, picture: Picture) -> pb.Segmentation:
            mask = task.interpret(outputs, placement, picture)
            return segmentation_message(mask, picture, manifest, mask_format)

        return interpret


async def build(settings: Settings) -> Service:
    """Build the segmentation service, without starting it."""
    return picture_service(SegmentationServicer, add_SegmentationServiceServicer_to_server, settings)
