"""The recognition service: requests become domain values, use cases work on them, and answers become messages."""

from collections.abc import AsyncIterator
from contextlib import nullcontext

import grpc.aio
import structlog

from convoy.core.errors import ConvoyError
from convoy.core.security.callers import caller
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, stream_error
from convoy.core.serving.streaming import answer_in_order
from convoy.core.settings import Settings
from convoy.recognition import messages, requests
from convoy.recognition.domain.registrations import Registered
from convoy.recognition.people_servicer import PeopleServicer
from convoy.recognition.policy_tries import sees_scores
from convoy.recognition.sources import Sources
from convoy.recognition.store.base import Store
from convoy.recognition.store.connection import may_fail_over
from convoy.recognition.store.opening import open_store
from convoy.recognition.use_cases.repetition import Repeated
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc

log = structlog.get_logger()


class RecognitionServicer(PeopleServicer, recognition_pb2_grpc.RecognitionServiceServicer):
    """See recognition.proto; each method calls the use case that the file of its name is about."""

    async def CreateGallery(self, request: pb.CreateGalleryRequest, context: Context) -> pb.CreateGalleryResponse:
        """Make an empty gallery."""
        await self._begin(request, context)
        self.policy_tries.count(caller(), request)
        made = await self.galleries.create(requests.read_new_gallery(request))
        return pb.CreateGalleryResponse(gallery=messages.gallery_message(made))

    async def GetGallery(self, request: pb.GetGalleryRequest, context: Context) -> pb.GetGalleryResponse:
        """Give one gallery."""
        await self._begin(request, context)
        found = await self.galleries.get(request.gallery)
        return pb.GetGalleryResponse(gallery=messages.gallery_message(found))

    async def ListGalleries(self, request: pb.ListGalleriesRequest, context: Context) -> pb.ListGalleriesResponse:
        """List galleries by name."""
        await self._begin(request, context)
        page = await self.galleries.list(request.page_token, request.page_size)
        return messages.galleries_message(page.entries, page.next_token)

    async def UpdateGallery(self, request: pb.UpdateGalleryRequest, context: Context) -> pb.UpdateGalleryResponse:
        """Change a gallery's description or policy."""
        await self._begin(request, context)
        self.policy_tries.count(caller(), request)
        updated = await self.galleries.update(requests.read_gallery_edit(request))
        return pb.UpdateGalleryResponse(gallery=messages.gallery_message(updated))

    async def DeleteGallery(self, request: pb.DeleteGalleryRequest, context: Context) -> pb.DeleteGalleryResponse:
        """Delete a gallery with everybody in it."""
        await self._begin(request, context)
        last = await self.galleries.delete(request.gallery)
        return pb.DeleteGalleryResponse(people_deleted=last.people, faces_deleted=last.faces)

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        """Register a person with photos."""
        await self._begin(request, context)
        try:
            return _registered(await self.registration.register(requests.read_registering(request)))
        except ConvoyError as error:
            error.details = tuple(_registered(one) if isinstance(one, Registered) else one for one in error.details)
            raise

    async def Identify(self, request: pb.IdentifyRequest, context: Context) -> pb.IdentifyResponse:
        """Say who is in a picture."""
        await self._begin(request, context)
        search = requests.read_search(request, is_coarse=not sees_scores(caller()))
        return messages.identified_message(await self.identification.identify(search))

    async def Verify(self, request: pb.VerifyRequest, context: Context) -> pb.VerifyResponse:
        """Say whether a face is somebody's."""
        await self._begin(request, context)
        return messages.compared_message(await self.identification.verify(requests.read_comparison(request)))

    async def SetGalleryAlias(self, request: pb.SetGalleryAliasRequest, context: Context) -> pb.SetGalleryAliasResponse:
        """Let a name stand for a gallery."""
        await self._begin(request, context)
        return pb.SetGalleryAliasResponse(grants=await self.aliases.set(request.alias, request.gallery))

    async def ListGalleryAliases(
        self, request: pb.ListGalleryAliasesRequest, context: Context
    ) -> pb.ListGalleryAliasesResponse:
        """List every alias."""
        await self._begin(request, context)
        aliases = [pb.GalleryAlias(alias=alias, gallery=gallery) for alias, gallery in await self.aliases.list()]
        return pb.ListGalleryAliasesResponse(aliases=aliases)

    async def ExportGallery(
        self, request: pb.ExportGalleryRequest, context: Context
    ) -> AsyncIterator[pb.ExportGalleryResponse]:
        """Give everybody in a gallery."""
        await self._begin(request, context)
        async for part in self.dear_calls.each(self.transfer.export(request.gallery, request.page_token)):
            yield messages.export_message(part)

    async def ImportGallery(
        self, request_iterator: AsyncIterator[pb.ImportGalleryRequest], context: Context
    ) -> AsyncIterator[pb.ImportGalleryResponse]:
        """Take in people of an export."""
        async for request in request_iterator:
            await self._begin(request, context)
            yield messages.imported_message(await self.transfer.take_in(requests.read_import_part(request)))

    async def GetGalleryStatus(
        self, request: pb.GetGalleryStatusRequest, context: Context
    ) -> pb.GetGalleryStatusResponse:
        """Tell how this replica stands to the store."""
        await self._begin(request, context)
        async with self.dear_calls.place() if request.verify else nullcontext():
            status = await self.galleries.status(request.gallery, request.verify)
        limits = messages.limits_message(status.limits) if status.limits else None
        return pb.GetGalleryStatusResponse(**{**vars(status), "limits": limits})

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, context: Context) -> pb.ListAuditEventsResponse:
        """List who changed what and when."""
        await self._begin(request, context)
        async with self.dear_calls.place():
            page = await self.galleries.audit(request.gallery, request.page_token, request.page_size)
        events = map(messages.audit_message, page.entries)
        return pb.ListAuditEventsResponse(events=events, next_page_token=page.next_token)

    async def RegisterMany(
        self, request_iterator: AsyncIterator[pb.RegisterManyRequest], context: Context
    ) -> AsyncIterator[pb.RegisterManyResponse]:
        """Register for a stream of people."""

        async def answer(request: pb.RegisterManyRequest) -> pb.RegisterManyResponse:
            person_id = request.request.person_id
            try:
                response = await self.Register(request.request, context)
            finally:
                # The call put the form on record in its place; answers and errors name the person as the caller did.
                request.request.person_id = person_id
            return pb.RegisterManyResponse(person_id=person_id, response=response)

        def refuse(request: pb.RegisterManyRequest, error: ConvoyError) -> pb.RegisterManyResponse:
            return pb.RegisterManyResponse(person_id=request.request.person_id, error=stream_error(error))

        async for response in answer_in_order(request_iterator, answer, refuse):
            yield response

    async def IdentifyStream(
        self, request_iterator: AsyncIterator[pb.IdentifyStreamRequest], context: Context
    ) -> AsyncIterator[pb.IdentifyStreamResponse]:
        """Identify for a stream of pictures."""

        async def answer(request: pb.IdentifyStreamRequest) -> pb.IdentifyStreamResponse:
            return pb.IdentifyStreamResponse(id=request.id, response=await self.Identify(request.request, context))

        def refuse(request: pb.IdentifyStreamRequest, error: ConvoyError) -> pb.IdentifyStreamResponse:
            return pb.IdentifyStreamResponse(id=request.id, error=stream_error(error))

        async for response in answer_in_order(request_iterator, answer, refuse):
            yield response


def _registered(answer: Registered | Repeated) -> pb.RegisterResponse:
    if isinstance(answer, Repeated):
        return messages.repeated_message(answer.committed, answer.person)
    return messages.registered_message(answer)


async def build(settings: Settings) -> Service:
    """The recognition service on Redis, not started."""
    url = settings.redis_url.get_secret_value()
    if may_fail_over(url) and not settings.redis_wait_replicas:
        log.warning(
            "a failover of the store can undo changes that were acknowledged; set CONVOY_REDIS_WAIT_REPLICAS=1",
            documentation="docs/recognition.md#with-followers",
        )
    return build_on(open_store(settings), settings)


def build_on(store: Store, settings: Settings) -> Service:
    """The recognition service on any store, not started."""
    faces = Sources(settings)
    servicer = RecognitionServicer(store, faces, settings)

    def add_to(server: grpc.aio.Server) -> None:
        recognition_pb2_grpc.add_RecognitionServiceServicer_to_server(servicer, server)

    async def stop() -> None:
        await servicer.stop()
        await faces.close()

    return Service("recognition", add_to, servicer.start, stop, is_ready=lambda: servicer.followers.is_ready)
