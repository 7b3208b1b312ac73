"""The calls of the recognition service on people and faces on record."""

from dataclasses import asdict

from google.protobuf.message import Message

from convoy.core.security.callers import caller
from convoy.core.security.demands import naming_part
from convoy.core.security.scopes import allows, gallery_scope
from convoy.core.serving.status import Context, deadline, hide_name
from convoy.core.telemetry import request_id
from convoy.recognition import messages, requests
from convoy.recognition.assembly import Assembly
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.use_cases.finding import Wanted
from convoy.v1 import recognition_pb2 as pb

_NAMING_PEOPLE = frozenset({"person_id", "merged_person_id", "new_person_id"})


class PeopleServicer(Assembly):
    """See recognition.proto; each method calls the use case that the file of its name is about."""

    async def CreatePerson(self, request: pb.CreatePersonRequest, context: Context) -> pb.CreatePersonResponse:
        """Make a person without faces."""
        await self._begin(request, context)
        made = await self.creation.create(requests.read_new_person(request))
        person = messages.person_message(made.person)
        return pb.CreatePersonResponse(person=person, version=made.version, epoch=made.epoch)

    async def GetPerson(self, request: pb.GetPersonRequest, context: Context) -> pb.GetPersonResponse:
        """Give one person."""
        await self._begin(request, context)
        person = await self.people.get(request.gallery, request.person_id)
        labels = await self.people.labels_of(request.gallery, person)
        return pb.GetPersonResponse(person=messages.person_message(person, labels))

    async def GetFace(self, request: pb.GetFaceRequest, context: Context) -> pb.GetFaceResponse:
        """Give a face by its id."""
        await self._begin(request, context)
        person, face = await self.finding.get_face(request.gallery, request.face_id)
        labels = await self.people.labels_of(request.gallery, person)
        return pb.GetFaceResponse(
            face=messages.face_record_message(face, labels.get(face.face_id, "")),
            person=messages.person_message(person, labels),
        )

    async def ListPeople(self, request: pb.ListPeopleRequest, context: Context) -> pb.ListPeopleResponse:
        """List people by id."""
        await self._begin(request, context)
        wanted = Wanted(request.name_contains, tuple(request.tags), request.display_name)
        page = await self.finding.list(request.gallery, request.page_token, request.page_size, wanted)
        people = map(messages.person_message, page.entries)
        return pb.ListPeopleResponse(people=people, next_page_token=page.next_token)

    async def UpdatePerson(self, request: pb.UpdatePersonRequest, context: Context) -> pb.UpdatePersonResponse:
        """Change a person's name, metadata, tags or expiry."""
        await self._begin(request, context)
        updated = await self.people.update(requests.read_person_edit(request))
        person = messages.person_message(updated.person)
        return pb.UpdatePersonResponse(person=person, version=updated.version, epoch=updated.epoch)

    async def RenamePerson(self, request: pb.RenamePersonRequest, context: Context) -> pb.RenamePersonResponse:
        """Give a person another id."""
        await self._begin(request, context)
        ids = (request.person_id, request.new_person_id)
        renamed = await self.creation.rename(request.gallery, *ids, request.request_id)
        person = messages.person_message(renamed.person)
        return pb.RenamePersonResponse(person=person, version=renamed.version, epoch=renamed.epoch)

    async def DeletePerson(self, request: pb.DeletePersonRequest, context: Context) -> pb.DeletePersonResponse:
        """Delete a person with every face."""
        await self._begin(request, context)
        faces, made = await self.people.delete(request.gallery, request.person_id)
        return pb.DeletePersonResponse(faces_deleted=faces, version=made.version, epoch=made.epoch)

    async def DeleteFace(self, request: pb.DeleteFaceRequest, context: Context) -> pb.DeleteFaceResponse:
        """Delete one face of a person."""
        await self._begin(request, context)
        asked = (request.gallery, request.person_id, request.face_id, request.delete_person_without_faces)
        return pb.DeleteFaceResponse(**asdict(await self.people.delete_face(*asked)))

    async def FindDuplicates(self, request: pb.FindDuplicatesRequest, context: Context) -> pb.FindDuplicatesResponse:
        """List people who look like one another."""
        await self._begin(request, context)
        criterion = requests.read_criterion(request)
        async with self.dear_calls.place():
            page = await self.duplicates.find(
                request.gallery, criterion, request.page_token, request.page_size, request.person_id
            )
        return pb.FindDuplicatesResponse(
            duplicates=map(messages.duplicate_message, page.pairs),
            next_page_token=page.next_token,
            match_threshold=page.match_threshold,
        )

    async def FindDisagreements(
        self, request: pb.FindDisagreementsRequest, context: Context
    ) -> pb.FindDisagreementsResponse:
        """List faces that do not resemble their person's others."""
        await self._begin(request, context)
        async with self.dear_calls.place():
            page = await self.disagreements.find(request.gallery, request.page_token, request.page_size)
        faces = map(messages.disagreement_message, page.faces)
        return pb.FindDisagreementsResponse(disagreements=faces, next_page_token=page.next_token)

    async def MergePeople(self, request: pb.MergePeopleRequest, context: Context) -> pb.MergePeopleResponse:
        """Make one person of two."""
        await self._begin(request, context)
        ids = (request.person_id, request.merged_person_id)
        merged = await self.merging.merge(request.gallery, *ids, request.request_id)
        person = messages.person_message(merged.person)
        return pb.MergePeopleResponse(person=person, version=merged.version, epoch=merged.epoch)

    async def _begin(self, request: Message, context: Context) -> None:
        """From here on this task answers that call. An alias in its request becomes the gallery that it stands for, and
        a person's id the form of it that is on record.
        """
        begin_call(Call(request_id(), caller().name, deadline(context)))
        naming = naming_part(request)
        if naming is not None and naming.gallery:
            said, naming.gallery = naming.gallery, await self.aliases.resolve(naming.gallery)
            scopes = caller().scopes
            may_know = scopes is None or allows(scopes, gallery_scope(naming.gallery, "read"))
            if said != naming.gallery and not may_know:
                # Who may use the alias alone does not learn what stands behind it.
                hide_name(naming.gallery, said)
            for name in _NAMING_PEOPLE.intersection(naming.DESCRIPTOR.fields_by_name):
                if (given := getattr(naming, name)) and not given.isascii():
                    setattr(naming, name, await self.people.id_on_record(naming.gallery, given))
