"""From the table of operations to routes."""

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Limits
from convoy.core.serving.room import Room
from convoy.v1 import imaging_pb2, segmentation_pb2
from convoy.web.calls import Backends
from convoy.web.json_messages import dump, plain, short_name
from convoy.web.methods import methods
from convoy.web.rest.inputs import Input, read_input
from convoy.web.rest.operations import OPERATIONS, Operation
from convoy.web.rest.parameters import fill
from convoy.web.rest.pictures import Easel, check_drawable

IDEMPOTENCY_HEADER = "idempotency-key"


def routes(backends: Backends, limits: Limits, drawing_room: Room) -> list[Route]:
    """A route for each operation. limits: of pictures to draw upon; drawing_room: memory for those drawn at a time."""
    return [
        Route(
            operation.path,
            _endpoint(operation, backends, Easel(limits, drawing_room)),
            methods=[operation.verb],
            name=operation.name,
        )
        for operation in OPERATIONS
    ]


def _endpoint(operation: Operation, backends: Backends, easel: Easel) -> Callable[[Request], Awaitable[Response]]:
    method = methods()[operation.rpc]
    (service,) = method.services

    async def answer(request: Request) -> Response:
        found = await read_input(request, method.request.DESCRIPTOR, backends.most_bytes)
        if found.draws:
            check_drawable(operation.picture, sum(map(len, found.pictures.values())))
        message = fill(method.request(), _with_key(request, found, method.request), found.pictures)
        response = await backends.ask(request, method, service, message)
        if found.draws:
            (files,) = found.pictures.values()
            picture = await easel.draw(request, operation.picture, files[0], response)
            return Response(picture, media_type="image/png")
        if operation.name in AS_PICTURE and request.headers.get("accept", "").startswith("image/"):
            return AS_PICTURE[operation.name](response)
        return Response(dump(plain(response)), operation.status, media_type="application/json")

    return answer


def _with_key(request: Request, found: Input, kind: type[Message]) -> dict[str, Any]:
    """The values, with the header Idempotency-Key as request_id where the request has one."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None or "request_id" not in kind.DESCRIPTOR.fields_by_name:
        return found.values
    return {"request_id": key} | found.values


def _mask(response: segmentation_pb2.SegmentResponse) -> Response:
    if len(response.results) != 1 or response.results[0].mask_format == segmentation_pb2.MASK_FORMAT_RAW:
        raise InvalidArgument("BAD_ARGUMENT", "Accept: image/png answers one picture, with mask_format PNG")
    return Response(response.results[0].mask, media_type="image/png")


def _made(response: imaging_pb2.TransformResponse) -> Response:
    if len(response.results) != 1 or not response.results[0].picture.encoded:
        raise InvalidArgument("BAD_ARGUMENT", "Accept: image/* answers one picture, in a format of files")
    (made,) = response.results
    kind = short_name(imaging_pb2.PictureFormat.DESCRIPTOR, made.format).lower()
    return Response(made.picture.encoded, media_type=f"image/{kind}")


AS_PICTURE: dict[str, Callable[[Any], Response]] = {"Segment": _mask, "Transform": _made}
"""Answers that are pictures themselves, for those who ask for image/*."""
