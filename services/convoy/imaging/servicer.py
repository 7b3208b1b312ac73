"""ImagingService: messages to and from the task. Pictures go through the graph in tiles, so that memory is bounded."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.pictures.encoding import check_sides, encode_picture, most_bytes
from convoy.core.serving.answers import reserve, settle
from convoy.core.serving.messages import check_image_count, model_ref, pixels_of, read_image, size_of
from convoy.core.serving.picture_service import PictureServicer, picture_service
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.settings import Settings
from convoy.imaging.options import Chosen, choose
from convoy.imaging.requests import Encoding, read_encoding, read_options
from convoy.imaging.task import Transformation, luminance
from convoy.v1 import common_pb2
from convoy.v1 import imaging_pb2 as pb
from convoy.v1.imaging_pb2_grpc import ImagingServiceServicer, add_ImagingServiceServicer_to_server

Source = tuple[common_pb2.Image, common_pb2.Image | None]
"""A picture and its mask."""
_ROOM_FOR_THE_REST = 4096
"""Bytes of an answer's message beside its pictures."""


class ImagingServicer(
    PictureServicer[pb.TransformRequest, pb.TransformedPicture, pb.TransformResponse], ImagingServiceServicer
):
    """Answers with a host's models that make pictures."""

    SERVICE = "imaging"
    TASKS = (Task.PICTURE_TO_PICTURE,)
    CALLS = dict.fromkeys(("Transform",), TASKS)
    RESPONSE = pb.TransformResponse
    STREAM_RESPONSE = pb.TransformStreamResponse

    async def Transform(self, request: pb.TransformRequest, context: Context) -> pb.TransformResponse:
        """Transform one picture or several."""
        return await self.answer(request, context)

    def TransformStream(
        self, requests: AsyncIterator[pb.TransformStreamRequest], context: Context
    ) -> AsyncIterator[pb.TransformStreamResponse]:
        """Transform a stream of requests, answered in order."""
        return self.answer_each(requests, context)

    async def answer(self, request: Any, context: Context) -> pb.TransformResponse:
        """Answer a request that has one or several pictures."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        model = await self._host.model(request.model.name, request.model.version, self.TASKS)
        manifest, encoding = model.manifest, read_encoding(request)
        chosen = choose(read_options(request), manifest, answered_channels(model))
        sources = _pair(request)

        async def measure() -> int:
            pixels = await asyncio.to_thread(self._count_pixels, request, manifest)
            channels = 1 if chosen.is_grey else 3
            self._check_bytes(most_bytes(pixels, channels, encoding.file_format, encoding.quality), encoding)
            return min(pixels * channels, self._most_bytes)

        await reserve(measure, self._host.pixels)
        scale = _scale(manifest)

        def weigh(source: Source) -> int:
            image, mask = source
            return pixels_of(image) + size_of(image) * scale**2 + (pixels_of(mask) if mask else 0)

        def start(source: Source) -> Transformation:
            return self._start(source, manifest, chosen, encoding)

        def finish(work: Transformation) -> pb.TransformedPicture:
            result = _write(work, encoding)
            made.append(result.ByteSize())
            # No picture that we know gets here. If one does, it is not kept until all are there.
            self._check_bytes(sum(made), encoding)
            return result

        made: list[int] = []
        pipeline = self._host.pipeline
        results = await pipeline.run_tiles(model, sources, start, finish, weigh, deadline(context))
        response = pb.TransformResponse(results=results, model=model_ref(manifest))
        settle(response.ByteSize())
        return response

    def _start(self, source: Source, manifest: Manifest, chosen: Chosen, encoding: Encoding) -> Transformation:
        image, mask = source
        picture = read_image(image, self._host.limits)
        if encoding.file_format:
            check_sides(picture.width * _scale(manifest), picture.height * _scale(manifest), encoding.file_format)
        grey = None if mask is None else luminance(read_image(mask, self._host.limits).image_rgb)
        return Transformation(picture.image_rgb, manifest, chosen, grey)

    def _count_pixels(self, request: pb.TransformRequest, manifest: Manifest) -> int:
        """Count the pixels of all answers. Raises InvalidArgument(TOO_MANY_PIXELS) before any work."""
        most, scale = self._host.settings.max_image_pixels, _scale(manifest)
        pixels = [size_of(image) * scale**2 for image in request.images]
        for count in pixels:
            if count > most:
                message = f"the answer would have {count:,} pixels; at most {most:,} are allowed"
                raise InvalidArgument("TOO_MANY_PIXELS", message, {"pixels": count, "max_pixels": most})
        return sum(pixels)

    @property
    def _most_bytes(self) -> int:
        return (self._host.settings.max_message_mb << 20) - _ROOM_FOR_THE_REST

    def _check_bytes(self, size: int, encoding: Encoding) -> None:
        """Raise InvalidArgument(ANSWER_TOO_LARGE) for an answer that may have so many bytes."""
        most = self._most_bytes
        if size > most:
            word = encoding.file_format or "plain pixels"
            message = f"the answer may have {size:,} bytes as {word}; a message may have {most:,}"
            hint = "ask for JPEG or WebP, a lower quality, fewer or smaller pictures, or raise CONVOY_MAX_MESSAGE_MB"
            facts = {"answer_bytes": size, "max_message_bytes": most}
            raise InvalidArgument("ANSWER_TOO_LARGE", message, facts, hint=hint)


def answered_channels(model: LoadedModel) -> int:
    """How many channels a graph's answer has: 1 or 3."""
    shape = model.engine.outputs["pictures"][1]
    return 1 if shape[-1] == 1 else 3


def _scale(manifest: Manifest) -> int:
    return manifest.picture.scale if manifest.picture else 1


def _pair(request: pb.TransformRequest) -> list[Source]:
    """Give each picture its mask. Raises InvalidArgument(BAD_MASK)."""
    if not request.masks:
        return [(image, None) for image in request.images]
    if len(request.masks) != len(request.images):
        message = f"the call has {len(request.masks)} masks for {len(request.images)} pictures; send one for each"
        raise InvalidArgument("BAD_MASK", message)
    return list(zip(request.images, request.masks, strict=True))


def _write(work: Transformation, encoding: Encoding) -> pb.TransformedPicture:
    answer, source = work.answer, work.size
    size = common_pb2.Size(width=answer.shape[1], height=answer.shape[0])
    work.release()
    if encoding.file_format:
        picture = common_pb2.Image(encoded=encode_picture(answer, encoding.file_format, encoding.quality))
    else:
        pixel_format = common_pb2.PIXEL_FORMAT_GRAY8 if answer.ndim == 2 else common_pb2.PIXEL_FORMAT_RGB8
        raw = common_pb2.RawImage(width=size.width, height=size.height, format=pixel_format, data=answer.tobytes())
        picture = common_pb2.Image(raw=raw)
    image_size = common_pb2.Size(width=source[0], height=source[1])
    return pb.TransformedPicture(picture=picture, format=encoding.format, size=size, image_size=image_size)


async def build(settings: Settings) -> Service:
    """Build the imaging service, without starting it."""
    # Repositories from before this service hold none of its models; a fleet on them starts as it did.
    may_lack = "imaging_model" not in settings.model_fields_set
    return picture_service(ImagingServicer, add_ImagingServiceServicer_to_server, settings, may_lack)
