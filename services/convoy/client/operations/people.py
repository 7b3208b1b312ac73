"""Calls of recognition on the people in a gallery."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import uuid4

from convoy.client.answers import people as answers
from convoy.client.operations.operation import (
    Listing,
    Operation,
    Page,
    one_of,
    plan,
    write_facts,
    write_tags,
    write_text,
    write_time,
)
from convoy.v1 import recognition_pb2 as api


def get_person(gallery: str, person_id: str) -> Operation[answers.Person]:
    """One person. NotFound(GALLERY_NOT_FOUND, PERSON_NOT_FOUND)."""
    request = api.GetPersonRequest(gallery=write_text(gallery, "gallery"), person_id=write_text(person_id, "person_id"))
    return plan("recognition", request, api.GetPersonResponse, lambda reply: answers.read_person(reply.person))


def create_person(
    gallery: str,
    person_id: str,
    *,
    display_name: str = "",
    metadata: Mapping[str, str] | None = None,
    tags: Iterable[str] = (),
    expire_time: datetime | None = None,
    request_id: str | None = None,
) -> Operation[answers.Person]:
    """Make a person without faces; `register` fills the record later. AlreadyExists(PERSON_EXISTS).

    The answer has the version that contains the change, and its epoch. request_id: lets you repeat the call safely, by
    default a new one.
    """
    request = api.CreatePersonRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        display_name=write_text(display_name, "display_name"),
        metadata=write_facts(metadata, "metadata"),
        tags=write_tags(tags),
        expire_time=write_time(expire_time),
        request_id=request_id or str(uuid4()),
    )
    return plan("recognition", request, api.CreatePersonResponse, answers.read_changed_person)


def rename_person(
    gallery: str, person_id: str, new_person_id: str, *, request_id: str | None = None
) -> Operation[answers.Person]:
    """Give a person another id; faces keep theirs. NotFound(…, PERSON_NOT_FOUND). AlreadyExists(PERSON_EXISTS).

    The answer has the version that contains the change, and its epoch.
    """
    request = api.RenamePersonRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        new_person_id=write_text(new_person_id, "new_person_id"),
        request_id=request_id or str(uuid4()),
    )
    return plan("recognition", request, api.RenamePersonResponse, answers.read_changed_person)


def get_face(gallery: str, face_id: str) -> Operation[answers.FaceOwner]:
    """A face by its id, and the person whose face it is. NotFound(GALLERY_NOT_FOUND, FACE_NOT_FOUND)."""
    request = api.GetFaceRequest(gallery=write_text(gallery, "gallery"), face_id=write_text(face_id, "face_id"))
    return plan("recognition", request, api.GetFaceResponse, answers.read_face_owner)


def list_people(
    gallery: str, *, name_contains: str = "", tags: Iterable[str] = (), display_name: str = "", page_size: int = 0
) -> Listing[answers.Person]:
    """People of a gallery by id: all, or those with a text in id or name, with all tags, and with a display name.

    NotFound(GALLERY_NOT_FOUND).
    """
    wanted = write_tags(tags)
    return lambda token: plan(
        "recognition",
        api.ListPeopleRequest(
            gallery=write_text(gallery, "gallery"),
            page_size=page_size,
            page_token=token,
            name_contains=write_text(name_contains, "name_contains"),
            tags=wanted,
            display_name=write_text(display_name, "display_name"),
        ),
        api.ListPeopleResponse,
        lambda reply: Page([answers.read_person(one) for one in reply.people], reply.next_page_token),
    )


def update_person(
    gallery: str,
    person_id: str,
    *,
    display_name: str | None = None,
    metadata: Mapping[str, str] | None = None,
    expire_time: datetime | None = None,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
) -> Operation[answers.Person]:
    """Change a person. A metadata entry with an empty value is removed. NotFound(…, PERSON_NOT_FOUND).

    The answer has the version that contains the change, and its epoch. expire_time: a time in the future; the beginning
    of 1970 means never.
    """
    request = api.UpdatePersonRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        display_name=None if display_name is None else write_text(display_name, "display_name"),
        metadata=write_facts(metadata, "metadata"),
        expire_time=write_time(expire_time),
        add_tags=write_tags(add_tags),
        remove_tags=write_tags(remove_tags),
    )
    return plan("recognition", request, api.UpdatePersonResponse, answers.read_changed_person)


def delete_person(gallery: str, person_id: str) -> Operation[answers.PersonDeletion]:
    """Delete a person with every face. This cannot be undone. NotFound(GALLERY_NOT_FOUND, PERSON_NOT_FOUND)."""
    return plan(
        "recognition",
        api.DeletePersonRequest(gallery=write_text(gallery, "gallery"), person_id=write_text(person_id, "person_id")),
        api.DeletePersonResponse,
        lambda reply: answers.PersonDeletion(reply.faces_deleted, reply.version, reply.epoch),
    )


def delete_face(
    gallery: str, person_id: str, face_id: str, *, delete_person_without_faces: bool = False
) -> Operation[answers.FaceDeletion]:
    """Delete one face; return the version of the gallery that contains the change, and how many faces are left.

    delete_person_without_faces: if it is the last face, delete the person too. Without it such a person stays, and
    nobody recognises them. NotFound(…, FACE_NOT_FOUND).
    """
    request = api.DeleteFaceRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        face_id=write_text(face_id, "face_id"),
        delete_person_without_faces=delete_person_without_faces,
    )
    return plan("recognition", request, api.DeleteFaceResponse, answers.read_face_deletion)


def find_duplicates(
    gallery: str,
    *,
    match_threshold: float | None = None,
    false_positive_identification_rate: float | None = None,
    page_size: int = 0,
    person_id: str = "",
) -> Listing[answers.Duplicate]:
    """All pairs of people who look alike, each once. By default the gallery's policy decides who does.

    person_id: only whom this person looks like. NotFound(PERSON_NOT_FOUND).
    """
    criterion = one_of(
        match_threshold=match_threshold, false_positive_identification_rate=false_positive_identification_rate
    )
    return lambda token: plan(
        "recognition",
        api.FindDuplicatesRequest(
            gallery=write_text(gallery, "gallery"),
            page_size=page_size,
            page_token=token,
            person_id=write_text(person_id, "person_id"),
            **criterion,
        ),
        api.FindDuplicatesResponse,
        lambda reply: Page([answers.read_duplicate(one) for one in reply.duplicates], reply.next_page_token),
    )


def find_disagreements(gallery: str, *, page_size: int = 0) -> Listing[answers.Disagreement]:
    """All faces that do not resemble the other faces of their person. FailedPrecondition(NOT_CALIBRATED)."""
    return lambda token: plan(
        "recognition",
        api.FindDisagreementsRequest(gallery=gallery, page_size=page_size, page_token=token),
        api.FindDisagreementsResponse,
        lambda reply: Page([answers.read_disagreement(one) for one in reply.disagreements], reply.next_page_token),
    )


def merge_people(
    gallery: str, person_id: str, merged_person_id: str, *, request_id: str | None = None
) -> Operation[answers.Person]:
    """Make one person of two: the second's faces go to the first, and the second is deleted. NotFound(…).

    The answer has the version that contains the change, and its epoch.
    """
    request = api.MergePeopleRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        merged_person_id=write_text(merged_person_id, "merged_person_id"),
        request_id=request_id or str(uuid4()),
    )
    return plan("recognition", request, api.MergePeopleResponse, answers.read_changed_person)


def import_people(gallery: str, model_sha256: str, people: Iterable[api.ExportedPerson]) -> Operation[answers.Import]:
    """Add people of an export, at most 1,000. You may send them again. FailedPrecondition(MODEL_MISMATCH)."""
    request = api.ImportGalleryRequest(gallery=write_text(gallery, "gallery"), model_sha256=model_sha256, people=people)
    # The API takes a stream; this one has one message.
    return plan("recognition", request, api.ImportGalleryResponse, answers.read_import)
