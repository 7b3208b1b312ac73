"""A volume on one streaming call: slices go out, and the mask of each comes back in their order."""

from collections.abc import AsyncIterator, Iterator

from google.protobuf.message import Message

from convoy.client.answers import vision
from convoy.client.operations.vision import write_model
from convoy.client.pictures import Channels, Picture, write_image
from convoy.core.api import API, ServiceName
from convoy.v1 import segmentation_pb2 as pb


class VolumeCall:
    """The messages of one call. `count`: how many slices will come, 0 if nobody knows."""

    service: ServiceName = "segmentation"
    method = f"/{API['segmentation'].grpc_name}/SegmentVolume"

    def __init__(self, model: str, count: int, channels: Channels) -> None:
        self._first = pb.SegmentVolumeRequest(model=write_model(model), slices=count)
        self._channels = channels
        self._labels: tuple[str, ...] = ()
        self._problem: Exception | None = None

    def requests(self, slices: Iterator[Picture]) -> Iterator[Message]:
        """Yield the messages to send. An error of the caller's iterator ends them; `end` raises it."""
        try:
            for one in slices:
                yield self._wrap(one)
        except Exception as problem:  # It would be lost in a thread of gRPC.
            self._problem = problem

    async def requests_async(self, slices: AsyncIterator[Picture]) -> AsyncIterator[Message]:
        """`requests` for asyncio."""
        try:
            async for one in slices:
                yield self._wrap(one)
        except Exception as problem:
            self._problem = problem

    def read(self, message: pb.SegmentVolumeResponse) -> vision.Segmentation:
        """The mask of the next slice."""
        self._labels = tuple(message.labels) or self._labels
        alone = pb.SegmentResponse(results=[message.result], model=message.model, labels=self._labels)
        [answer] = vision.read_segmentations(alone)
        return answer

    def end(self) -> None:
        """Raise the error that ended the requests, if there was one."""
        if self._problem is not None:
            raise self._problem

    def _wrap(self, one: Picture) -> pb.SegmentVolumeRequest:
        request, self._first = self._first, pb.SegmentVolumeRequest()
        request.slice.CopyFrom(write_image(one, self._channels))
        return request
