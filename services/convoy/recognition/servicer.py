"""The recognition service: calls to use cases, use cases to answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

from convoy.core.errors import ConvoyError
from convoy.core.security.callers import caller
from convoy.core.security.files import Watched, read_file
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline, stream_error
from convoy.core.serving.streaming import answer_in_order
from convoy.core.settings import Settings
from convoy.core.telemetry import request_id
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.domain.face_source import FaceSource
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.tasks import end
from convoy.recognition.domain.templates import codec_of
from convoy.recognition.faces_client import FacesClient
from convoy.recognition.search.followers import Replicas
from convoy.recognition.store.base import Store
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.store.vector_sets import VectorSetStore
from convoy.recognition.use_cases.aliases import Aliases
from convoy.recognition.use_cases.duplicates import Duplicates
from convoy.recognition.use_cases.expiry import sweep_on
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.identification import Identification
from convoy.recognition.use_cases.merging import Merging
from convoy.recognition.use_cases.people import People
from convoy.recognition.use_cases.registration import Registration
from convoy.recognition.use_cases.transfer import Transfer
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc

Request = TypeVar("Request")
Response = TypeVar("Response")


class RecognitionServicer(recognition_pb2_grpc.RecognitionServiceServicer):
    """See recognition.proto; every method is a use case by another name."""

    def __init__(self, store: Store, faces: FaceSource, settings: Settings) -> None:
        self.store = store
        keys = MasterKeys.load(settings.template_key_file)
        sets = VectorSetStore(store) if isinstance(store, RedisStore) else None
        self.replicas = Replicas(store, lambda gallery: codec_of(gallery, keys), sets)
        self.galleries = Galleries(store, self.replicas, faces, keys)
        self.people = People(self.replicas)
        self.registration = Registration(self.replicas, self.people, faces, settings)
        self.identification = Identification(self.replicas, faces, settings)
        self.merging = Merging(self.replicas, self.people)
        self.duplicates = Duplicates(self.replicas, faces, self.identification)
        self.transfer = Transfer(self.replicas, self.people, self.galleries)
        self.aliases = Aliases(store, self.galleries)
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to load galleries; the store may be away."""
        await self.replicas.start()
        self._sweeper = asyncio.create_task(sweep_on(self.store, self.galleries, self.people), name="sweep")

    async def stop(self) -> None:
        """Let go of everything."""
        await end(self._sweeper)
        await self.replicas.close()
        await self.store.close()

    async def CreateGallery(self, request: pb.CreateGalleryRequest, context: Context) -> pb.CreateGalleryResponse:
        """Make an empty gallery."""
        return await self._answer(self.galleries.create, request, context)

    async def GetGallery(self, request: pb.GetGalleryRequest, context: Context) -> pb.GetGalleryResponse:
        """Give one gallery."""
        return await self._answer(self.galleries.get, request, context)

    async def ListGalleries(self, request: pb.ListGalleriesRequest, context: Context) -> pb.ListGalleriesResponse:
        """List galleries by name."""
        return await self._answer(self.galleries.list, request, context)

    async def UpdateGallery(self, request: pb.UpdateGalleryRequest, context: Context) -> pb.UpdateGalleryResponse:
        """Change a gallery's description or policy."""
        return await self._answer(self.galleries.update, request, context)

    async def DeleteGallery(self, request: pb.DeleteGalleryRequest, context: Context) -> pb.DeleteGalleryResponse:
        """Delete a gallery with everybody in it."""
        return await self._answer(self.galleries.delete, request, context)

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        """Register a person with photos."""
        return await self._answer(self.registration.register, request, context)

    async def Identify(self, request: pb.IdentifyRequest, context: Context) -> pb.IdentifyResponse:
        """Say who is in a picture."""
        return await self._answer(self.identification.identify, request, context)

    async def Verify(self, request: pb.VerifyRequest, context: Context) -> pb.VerifyResponse:
        """Say whether a face is somebody's."""
        return await self._answer(self.identification.verify, request, context)

    async def GetPerson(self, request: pb.GetPersonRequest, context: Context) -> pb.GetPersonResponse:
        """Give one person."""
        return await self._answer(self.people.get, request, context)

    async def ListPeople(self, request: pb.ListPeopleRequest, context: Context) -> pb.ListPeopleResponse:
        """List people by id."""
        return await self._answer(self.people.list, request, context)

    async def UpdatePerson(self, request: pb.UpdatePersonRequest, context: Context) -> pb.UpdatePersonResponse:
        """Change a person's name, metadata or expiry."""
        return await self._answer(self.people.update, request, context)

    async def DeletePerson(self, request: pb.DeletePersonRequest, context: Context) -> pb.DeletePersonResponse:
        """Delete a person with every face."""
        return await self._answer(self.people.delete, request, context)

    async def DeleteFace(self, request: pb.DeleteFaceRequest, context: Context) -> pb.DeleteFaceResponse:
        """Delete one face of a person."""
        return await self._answer(self.people.delete_face, request, context)

    async def FindDuplicates(self, request: pb.FindDuplicatesRequest, context: Context) -> pb.FindDuplicatesResponse:
        """List people who look like one another."""
        return await self._answer(self.duplicates.find, request, context)

    async def MergePeople(self, request: pb.MergePeopleRequest, context: Context) -> pb.MergePeopleResponse:
        """Make one person of two."""
        return await self._answer(self.merging.merge, request, context)

    async def SetGalleryAlias(self, request: pb.SetGalleryAliasRequest, context: Context) -> pb.SetGalleryAliasResponse:
        """Let a name stand for a gallery."""
        return await self._answer(self.aliases.set, request, context)

    async def ListGalleryAliases(
        self, request: pb.ListGalleryAliasesRequest, context: Context
    ) -> pb.ListGalleryAliasesResponse:
        """List every alias."""
        return await self._answer(self.aliases.list, request, context)

    async def ExportGallery(
        self, request: pb.ExportGalleryRequest, context: Context
    ) -> AsyncIterator[pb.ExportGalleryResponse]:
        """Give everybody in a gallery."""
        begin_call(Call(request_id(), caller().name, deadline(context)))
        async for part in self.transfer.export(request):
            yield part

    async def ImportGallery(
        self, request_iterator: AsyncIterator[pb.ImportGalleryRequest], context: Context
    ) -> AsyncIterator[pb.ImportGalleryResponse]:
        """Take in people of an export."""
        async for request in request_iterator:
            yield await self._answer(self.transfer.take_in, request, context)

    async def GetGalleryStatus(
        self, request: pb.GetGalleryStatusRequest, context: Context
    ) -> pb.GetGalleryStatusResponse:
        """Tell how this replica stands to the store."""
        return await self._answer(self.galleries.status, request, context)

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, context: Context) -> pb.ListAuditEventsResponse:
        """List who changed what and when."""
        return await self._answer(self.galleries.audit, request, context)

    async def RegisterMany(
        self, request_iterator: AsyncIterator[pb.RegisterManyRequest], context: Context
    ) -> AsyncIterator[pb.RegisterManyResponse]:
        """Register for a stream of people."""

        async def answer(request: pb.RegisterManyRequest) -> pb.RegisterManyResponse:
            response = await self._answer(self.registration.register, request.request, context)
            return pb.RegisterManyResponse(person_id=request.request.person_id, response=response)

        def refuse(request: pb.RegisterManyRequest, error: ConvoyError) -> pb.RegisterManyResponse:
            return pb.RegisterManyResponse(person_id=request.request.person_id, error=stream_error(error))

        async for response in answer_in_order(request_iterator, answer, refuse):
            yield response

    async def IdentifyStream(
        self, request_iterator: AsyncIterator[pb.IdentifyStreamRequest], context: Context
    ) -> AsyncIterator[pb.IdentifyStreamResponse]:
        """Identify for a stream of pictures."""

        async def answer(request: pb.IdentifyStreamRequest) -> pb.IdentifyStreamResponse:
            response = await self._answer(self.identification.identify, request.request, context)
            return pb.IdentifyStreamResponse(id=request.id, response=response)

        def refuse(request: pb.IdentifyStreamRequest, error: ConvoyError) -> pb.IdentifyStreamResponse:
            return pb.IdentifyStreamResponse(id=request.id, error=stream_error(error))

        async for response in answer_in_order(request_iterator, answer, refuse):
            yield response

    async def _answer(
        self, use_case: Callable[[Request], Awaitable[Response]], request: Request, context: Context
    ) -> Response:
        begin_call(Call(request_id(), caller().name, deadline(context)))
        await self.aliases.follow(request)
        return await use_case(request)


async def build(settings: Settings) -> Service:
    """The recognition service on Redis, not started."""
    password = _password(settings.redis_password_file) if settings.redis_password_file else None
    store = RedisStore(settings.redis_url.get_secret_value(), password, wait_aof=settings.redis_wait_aof)
    return build_on(store, settings)


def build_on(store: Store, settings: Settings) -> Service:
    """The recognition service on any store, not started."""
    faces = FacesClient(settings)
    servicer = RecognitionServicer(store, faces, settings)

    def add_to(server: grpc.aio.Server) -> None:
        recognition_pb2_grpc.add_RecognitionServiceServicer_to_server(servicer, server)

    async def stop() -> None:
        await servicer.stop()
        await faces.close()

    return Service("recognition", add_to, servicer.start, stop, is_ready=lambda: servicer.replicas.is_ready)


def _password(path: Path) -> Callable[[], str]:
    """The password of Redis as its file has it now. Raises FailedPrecondition(NO_FILE)."""
    return Watched([path], lambda: read_file(path).decode().strip()).current
