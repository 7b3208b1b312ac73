"""A gallery as a file and back: /v1/galleries/{gallery}/export and /import, in the format of `convoy gallery export`.

Parts pass through one by one; the door keeps no file. An export that breaks off lacks its last part, which every reader
notices. An import stores each part as it comes, and may be repeated.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc.aio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.client.gallery_format import Sealing, Secret, Unpacker
from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.v1 import recognition_pb2
from convoy.web.calls import Backends
from convoy.web.connect import Streamed, media_type_of
from convoy.web.holding import SCOPE_KEY
from convoy.web.json_messages import dump, plain
from convoy.web.methods import methods
from convoy.web.requests import body, chunks, gone

PASSPHRASE_HEADER = "convoy-passphrase"
MEDIA_TYPE = "application/octet-stream"
MOST_PASSPHRASE = 1024
_RECOGNITION = "/convoy.v1.RecognitionService"
_SECRETS_AT_ONCE = asyncio.Semaphore(1)
"""A key takes 32 MiB and a tenth of a second to make of a passphrase."""


def routes(backends: Backends) -> list[Route]:
    """The routes."""
    door = _Transfer(backends)
    return [
        Route("/v1/galleries/{gallery}/export", door.send, methods=["POST"]),
        Route("/v1/galleries/{gallery}/import", door.take, methods=["POST"]),
    ]


class _Transfer:
    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    async def send(self, request: Request) -> Response:
        """Answer with the file, once its first part is there: until then errors are problems as elsewhere."""
        secret = _secret_of(request)
        await body(request, 0)
        asked = recognition_pb2.ExportGalleryRequest(gallery=request.path_params["gallery"])
        call = self._stream(request, "ExportGallery", _just(asked.SerializeToString()))
        parts = aiter(call)
        try:
            first = await anext(parts)
            async with _SECRETS_AT_ONCE:
                sealing = await asyncio.to_thread(Sealing.create, secret)
        except grpc.aio.AioRpcError as error:
            raise self._backends.failure(error, "recognition") from None
        except BaseException:
            call.cancel()
            raise
        answer = Streamed(self._file(request, call, sealing, first, parts), MEDIA_TYPE)
        answer.headers["Content-Disposition"] = f'attachment; filename="{asked.gallery}.gallery"'
        return answer

    async def _file(
        self, request: Request, call: Any, sealing: Sealing, first: bytes, parts: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes, None]:
        watching = asyncio.ensure_future(_cancel_when_gone(request, call))
        try:
            yield sealing.head
            number, part = 0, first
            while True:
                message = recognition_pb2.ExportGalleryResponse.FromString(part)
                yield sealing.close(message, number)
                if not message.next_page_token:
                    return
                number, part = number + 1, await anext(parts)
        except grpc.aio.AioRpcError as error:
            raise self._backends.failure(error, "recognition") from None
        finally:
            watching.cancel()
            call.cancel()

    async def take(self, request: Request) -> Response:
        """Add the people of a file to a gallery."""
        if media_type_of(request) != MEDIA_TYPE:
            hint = "curl -H 'Content-Type: application/octet-stream' --data-binary @team.gallery"
            raise InvalidArgument("UNSUPPORTED_MEDIA_TYPE", f"a gallery comes as {MEDIA_TYPE}", hint=hint)
        secret, gallery = _secret_of(request), request.path_params["gallery"]
        await self._may_change(request, gallery)
        sent = _Sent(request, gallery, secret, self._backends.most_bytes)
        total = recognition_pb2.ImportGalleryResponse()
        call = self._stream(request, "ImportGallery", sent.parts())
        try:
            async for answer in call:
                _add(total, recognition_pb2.ImportGalleryResponse.FromString(answer))
        except grpc.aio.AioRpcError as error:
            raise self._backends.failure(error, "recognition") from None
        finally:
            call.cancel()
        if sent.refusal is not None:
            raise sent.refusal
        return Response(dump(plain(total)), media_type="application/json")

    async def _may_change(self, request: Request, gallery: str) -> None:
        """Raise what the service says to a caller who may not import, before the file is read."""
        asked = recognition_pb2.ListAuditEventsRequest(gallery=gallery, page_size=1)
        call = self._stream(request, "ListAuditEvents", _just(asked.SerializeToString()))
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            raise self._backends.failure(error, "recognition") from None

    def _stream(self, request: Request, name: str, contents: AsyncIterator[bytes]) -> Any:
        return self._backends.stream(request, methods()[f"{_RECOGNITION}/{name}"], "recognition", contents)


class _Sent:
    """The parts of the file that a client sends, as requests. gRPC hides what goes wrong here; `refusal` keeps it."""

    def __init__(self, request: Request, gallery: str, secret: Secret | None, most: int) -> None:
        self._request = request
        self._gallery = gallery
        self._unpacker = Unpacker(secret, most)
        self._digest = ""
        self.refusal: ConvoyError | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        holding = self._request.scope[SCOPE_KEY]
        try:
            async for chunk in chunks(self._request, 2**63):
                before = self._unpacker.waiting + len(chunk)
                async with _SECRETS_AT_ONCE:
                    found = await asyncio.to_thread(self._unpacker.feed, chunk)
                for part in found:
                    self._digest = self._digest or part.gallery.model_sha256
                    yield recognition_pb2.ImportGalleryRequest(
                        gallery=self._gallery, model_sha256=self._digest, people=part.people
                    ).SerializeToString()
                holding.give(before - self._unpacker.waiting)
            self._unpacker.end()
        except ConvoyError as error:
            self.refusal = error


def _secret_of(request: Request) -> Secret | None:
    said = request.headers.get(PASSPHRASE_HEADER, "")
    if not said:
        return None
    try:
        words = base64.b64decode(said, validate=True).decode()
    except (binascii.Error, ValueError):
        words = ""
    if not 0 < len(words) <= MOST_PASSPHRASE:
        raise InvalidArgument("BAD_ARGUMENT", f"the header {PASSPHRASE_HEADER} is a passphrase as base64 of UTF-8")
    return Secret.passphrase(words)


def _add(total: recognition_pb2.ImportGalleryResponse, one: recognition_pb2.ImportGalleryResponse) -> None:
    total.people_imported += one.people_imported
    total.faces_imported += one.faces_imported
    total.people_unchanged += one.people_unchanged
    total.people_expired += one.people_expired
    total.version, total.epoch = one.version, one.epoch


async def _cancel_when_gone(request: Request, call: Any) -> None:
    await gone(request)
    call.cancel()


async def _just(content: bytes) -> AsyncIterator[bytes]:
    yield content
