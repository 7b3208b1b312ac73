"""SegmentVolume: slices from messages to the task, block by block, and masks back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.core.manifest import Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import Placement, min_side
from convoy.core.serving.answers import too_large
from convoy.core.serving.messages import model_ref, pixels_of, read_image
from convoy.core.serving.status import Context, deadline
from convoy.segmentation.messages import mask_format_of, segmentation_message
from convoy.segmentation.volume import Block, Blocks, check_size, interpret_block, prepare
from convoy.v1 import common_pb2
from convoy.v1 import segmentation_pb2 as pb

Where = tuple[Placement, Picture]
READ_ON_S = 1.0
"""How long a refused call is read on."""


class VolumeSegmenter:
    """Answers streams of slices with a host's models for volumes. A block is decoded, answered and forgotten."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    async def answer(
        self, requests: AsyncIterator[pb.SegmentVolumeRequest], context: Context
    ) -> AsyncIterator[pb.SegmentVolumeResponse]:
        """Yield one answer for each slice, in order."""
        try:
            async for response in self._answer(requests, context):
                yield response
        except ConvoyError:
            await _read_on(requests)
            raise

    async def _answer(
        self, requests: AsyncIterator[pb.SegmentVolumeRequest], context: Context
    ) -> AsyncIterator[pb.SegmentVolumeResponse]:
        volume: _Volume | None = None
        async for request in requests:
            if volume is None:
                named = request.model
                model = await self._host.model(named.name, named.version, Task.VOLUME_SEGMENTATION)
                volume = _Volume(self._host, model, request)
            for block in volume.blocks.add(request.slice):
                for response in await volume.answer(block, context):
                    yield response
        if volume is None:
            raise InvalidArgument("BAD_VOLUME", "the volume has no slice")
        for block in volume.blocks.end():
            for response in await volume.answer(block, context):
                yield response


async def _read_on(requests: AsyncIterator[pb.SegmentVolumeRequest]) -> None:
    """Read what a caller still sends, for a moment.

    If a call ends while gRPC's client for asyncio writes, that reports an error of its own in the place of ours.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_ON_S):
            async for _ in requests:
                pass


class _Volume:
    """One call: what its first message asks for, and the size of its first slice."""

    def __init__(self, host: ModelHost, model: LoadedModel, first: pb.SegmentVolumeRequest) -> None:
        self._host, self._model, self._format = host, model, mask_format_of(first.mask_format)
        spec = model.manifest.volume
        assert spec is not None  # the manifest proves it
        self.blocks: Blocks[common_pb2.Image] = Blocks(spec, host.settings.max_volume_slices)
        self.blocks.expect(first.slices)
        self._first_wh: tuple[int, int] | None = None
        self._has_answered = False

    async def answer(self, block: Block[common_pb2.Image], context: Context) -> list[pb.SegmentVolumeResponse]:
        manifest = self._model.manifest
        smallest = min_side(manifest.input)

        def weigh(one: Block[common_pb2.Image]) -> int:
            return sum(pixels_of(image, smallest) for image in one.slices)

        def read(one: Block[common_pb2.Image]) -> tuple[Pixels, Where]:
            pictures = [self._read(image, one.first + place + 1) for place, image in enumerate(one.slices)]
            pixels, placement = prepare(pictures, manifest)
            return pixels, (placement, pictures[0].outline())

        def conclude(outputs: Outputs, where: Where) -> list[pb.Segmentation]:
            masks = interpret_block(outputs, *where, block.answered)
            return [segmentation_message(mask, where[1], manifest, self._format) for mask in masks]

        [results] = await self._host.pipeline.run(self._model, [block], read, conclude, weigh, deadline(context))
        responses = [pb.SegmentVolumeResponse(result=result, model=model_ref(manifest)) for result in results]
        if responses and not self._has_answered:
            self._has_answered = True
            responses[0].labels.extend(manifest.labels)
        return responses

    def _read(self, image: common_pb2.Image, number: int) -> Picture:
        spec, limits = self._model.manifest.input, self._host.limits
        try:
            picture = read_image(image, limits, min_side(spec), spec.window)
        except ConvoyError as error:
            error.message = f"slice {number}: {error.message}"
            raise
        if self._first_wh is None:
            self._first_wh = picture.width, picture.height
            most = self._host.settings.max_message_mb << 20
            if self._format == pb.MASK_FORMAT_RAW and picture.width * picture.height > most:
                raise too_large(picture.width * picture.height, most)
        check_size(picture, number, self._first_wh)
        return picture
