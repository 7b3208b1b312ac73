"""Calls of recognition on galleries and the people in them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import uuid4

from convoy.client.answers import galleries
from convoy.client.answers.common import Model
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
from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2
from convoy.v1 import recognition_pb2 as api


def create_gallery(
    gallery: str,
    *,
    description: str = "",
    policy: galleries.GalleryPolicy | None = None,
    model: Model | None = None,
    vector_sets: galleries.VectorSets | None = None,
    request_id: str | None = None,
) -> Operation[galleries.Gallery]:
    """Make an empty gallery. Its name is 1 to 64 of a-z, 0-9, - and _, not - first. AlreadyExists(GALLERY_EXISTS).

    model: the face embedder of its templates, by default the one in use; NotFound(MODEL_NOT_FOUND). vector_sets: search
    it in Redis 8 instead of in memory; FailedPrecondition(BACKEND_UNAVAILABLE).
    """
    request = api.CreateGalleryRequest(
        gallery=write_text(gallery, "gallery"),
        description=description,
        policy=_write_policy(policy),
        model=common_pb2.ModelRef(name=model.name, version=model.version) if model else None,
        backend=api.BACKEND_VECTOR_SETS if vector_sets else api.BACKEND_MEMORY,
        vector_sets=_write_vector_sets(vector_sets) if vector_sets else None,
        request_id=request_id or str(uuid4()),
    )
    return plan("recognition", request, api.CreateGalleryResponse, lambda reply: galleries.read_gallery(reply.gallery))


def get_gallery(gallery: str) -> Operation[galleries.Gallery]:
    """One gallery. NotFound(GALLERY_NOT_FOUND)."""
    request = api.GetGalleryRequest(gallery=write_text(gallery, "gallery"))
    return plan("recognition", request, api.GetGalleryResponse, lambda reply: galleries.read_gallery(reply.gallery))


def list_galleries(*, page_size: int = 0) -> Listing[galleries.Gallery]:
    """All galleries by name."""
    return lambda token: plan(
        "recognition",
        api.ListGalleriesRequest(page_size=page_size, page_token=token),
        api.ListGalleriesResponse,
        lambda reply: Page([galleries.read_gallery(one) for one in reply.galleries], reply.next_page_token),
    )


def update_gallery(
    gallery: str,
    *,
    description: str | None = None,
    policy: galleries.GalleryPolicy | None = None,
    reset_policy_fields: Iterable[str] = (),
) -> Operation[galleries.Gallery]:
    """Change a gallery. None keeps what is there; a limit of 0 removes it. NotFound(GALLERY_NOT_FOUND).

    reset_policy_fields: the names of policy fields to set back to the service's defaults.
    """
    request = api.UpdateGalleryRequest(
        gallery=write_text(gallery, "gallery"),
        description=description,
        policy=_write_policy(policy),
        reset_policy_fields=reset_policy_fields,
    )
    return plan("recognition", request, api.UpdateGalleryResponse, lambda reply: galleries.read_gallery(reply.gallery))


def delete_gallery(gallery: str) -> Operation[galleries.GalleryDeletion]:
    """Delete a gallery with everybody in it. This cannot be undone. NotFound(GALLERY_NOT_FOUND)."""
    return plan(
        "recognition",
        api.DeleteGalleryRequest(gallery=write_text(gallery, "gallery")),
        api.DeleteGalleryResponse,
        lambda reply: galleries.GalleryDeletion(reply.people_deleted, reply.faces_deleted),
    )


def get_gallery_status(gallery: str, *, verify: bool = False) -> Operation[galleries.GalleryStatus]:
    """Compare what the replica that answers searches with the store. NotFound(GALLERY_NOT_FOUND).

    verify: also read every template from the store and return their checksum. It takes as long as loading the gallery.
    """
    request = api.GetGalleryStatusRequest(gallery=write_text(gallery, "gallery"), verify=verify)
    return plan("recognition", request, api.GetGalleryStatusResponse, galleries.read_status)


def list_audit_events(gallery: str, *, page_size: int = 0) -> Listing[galleries.AuditEvent]:
    """Who changed what and when, newest first. NotFound(GALLERY_NOT_FOUND)."""
    return lambda token: plan(
        "recognition",
        api.ListAuditEventsRequest(gallery=write_text(gallery, "gallery"), page_size=page_size, page_token=token),
        api.ListAuditEventsResponse,
        lambda reply: Page([galleries.read_event(one) for one in reply.events], reply.next_page_token),
    )


def get_person(gallery: str, person_id: str) -> Operation[galleries.Person]:
    """One person. NotFound(GALLERY_NOT_FOUND, PERSON_NOT_FOUND)."""
    request = api.GetPersonRequest(gallery=write_text(gallery, "gallery"), person_id=write_text(person_id, "person_id"))
    return plan("recognition", request, api.GetPersonResponse, lambda reply: galleries.read_person(reply.person))


def list_people(gallery: str, *, page_size: int = 0) -> Listing[galleries.Person]:
    """All people of a gallery by id. NotFound(GALLERY_NOT_FOUND)."""
    return lambda token: plan(
        "recognition",
        api.ListPeopleRequest(gallery=write_text(gallery, "gallery"), page_size=page_size, page_token=token),
        api.ListPeopleResponse,
        lambda reply: Page([galleries.read_person(one) for one in reply.people], reply.next_page_token),
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
) -> Operation[galleries.Person]:
    """Change a person. A metadata entry with an empty value is removed. NotFound(…, PERSON_NOT_FOUND).

    expire_time: a time in the future; the beginning of 1970 means never.
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
    return plan("recognition", request, api.UpdatePersonResponse, lambda reply: galleries.read_person(reply.person))


def delete_person(gallery: str, person_id: str) -> Operation[galleries.PersonDeletion]:
    """Delete a person with every face. This cannot be undone. NotFound(GALLERY_NOT_FOUND, PERSON_NOT_FOUND)."""
    return plan(
        "recognition",
        api.DeletePersonRequest(gallery=write_text(gallery, "gallery"), person_id=write_text(person_id, "person_id")),
        api.DeletePersonResponse,
        lambda reply: galleries.PersonDeletion(reply.faces_deleted, reply.version, reply.epoch),
    )


def delete_face(
    gallery: str, person_id: str, face_id: str, *, delete_person_without_faces: bool = False
) -> Operation[galleries.FaceDeletion]:
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
    return plan("recognition", request, api.DeleteFaceResponse, galleries.read_face_deletion)


def find_duplicates(
    gallery: str,
    *,
    match_threshold: float | None = None,
    false_positive_identification_rate: float | None = None,
    page_size: int = 0,
) -> Listing[galleries.Duplicate]:
    """All pairs of people who look alike, each once. By default the gallery's policy decides who does."""
    criterion = one_of(
        match_threshold=match_threshold, false_positive_identification_rate=false_positive_identification_rate
    )
    return lambda token: plan(
        "recognition",
        api.FindDuplicatesRequest(
            gallery=write_text(gallery, "gallery"), page_size=page_size, page_token=token, **criterion
        ),
        api.FindDuplicatesResponse,
        lambda reply: Page([galleries.read_duplicate(one) for one in reply.duplicates], reply.next_page_token),
    )


def find_disagreements(gallery: str, *, page_size: int = 0) -> Listing[galleries.Disagreement]:
    """All faces that do not resemble the other faces of their person. FailedPrecondition(NOT_CALIBRATED)."""
    return lambda token: plan(
        "recognition",
        api.FindDisagreementsRequest(gallery=gallery, page_size=page_size, page_token=token),
        api.FindDisagreementsResponse,
        lambda reply: Page([galleries.read_disagreement(one) for one in reply.disagreements], reply.next_page_token),
    )


def merge_people(
    gallery: str, person_id: str, merged_person_id: str, *, request_id: str | None = None
) -> Operation[galleries.Person]:
    """Make one person of two: the second's faces go to the first, and the second is deleted. NotFound(…)."""
    request = api.MergePeopleRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        merged_person_id=write_text(merged_person_id, "merged_person_id"),
        request_id=request_id or str(uuid4()),
    )
    return plan("recognition", request, api.MergePeopleResponse, lambda reply: galleries.read_person(reply.person))


def set_gallery_alias(alias: str, gallery: str) -> Operation[None]:
    """Let an alias stand for a gallery in calls on pictures and people. An empty `gallery` removes the alias."""
    request = api.SetGalleryAliasRequest(alias=alias, gallery=write_text(gallery, "gallery"))
    return plan("recognition", request, api.SetGalleryAliasResponse, lambda reply: None)


def list_gallery_aliases() -> Operation[dict[str, str]]:
    """The gallery of each alias."""
    return plan(
        "recognition",
        api.ListGalleryAliasesRequest(),
        api.ListGalleryAliasesResponse,
        lambda reply: {one.alias: one.gallery for one in reply.aliases},
    )


def export_gallery(gallery: str, *, page_token: str = "") -> Operation[api.ExportGalleryResponse]:
    """Everybody with embeddings, in parts as the API sends them. To resume, give the next_page_token of a part."""
    request = api.ExportGalleryRequest(gallery=write_text(gallery, "gallery"), page_token=page_token)
    return plan("recognition", request, api.ExportGalleryResponse, lambda reply: reply)


def import_people(gallery: str, model_sha256: str, people: Iterable[api.ExportedPerson]) -> Operation[galleries.Import]:
    """Add people of an export, at most 1,000. You may send them again. FailedPrecondition(MODEL_MISMATCH)."""
    request = api.ImportGalleryRequest(gallery=write_text(gallery, "gallery"), model_sha256=model_sha256, people=people)
    # The API takes a stream; this one has one message.
    return plan("recognition", request, api.ImportGalleryResponse, galleries.read_import)


def _write_vector_sets(sets: galleries.VectorSets) -> api.VectorSets:
    known = {"none": api.QUANTIZATION_NONE, "q8": api.QUANTIZATION_Q8}
    if sets.quantization not in known:
        raise InvalidArgument("BAD_ARGUMENT", f"quantization is {sets.quantization!r}; none or q8 is possible")
    return api.VectorSets(shards=sets.shards, quantization=known[sets.quantization], search_effort=sets.search_effort)


def write_rate_unit(unit: str) -> api.RateUnit.ValueType:
    """What a rate is a rate of. InvalidArgument(BAD_ARGUMENT): it is neither picture nor face."""
    known = {"picture": api.RATE_UNIT_PICTURE, "face": api.RATE_UNIT_FACE}
    if unit not in known:
        raise InvalidArgument("BAD_ARGUMENT", f"rate_unit is {unit!r}; picture or face is possible")
    return known[unit]


def _write_policy(policy: galleries.GalleryPolicy | None) -> api.GalleryPolicy | None:
    if policy is None:
        return None
    return api.GalleryPolicy(
        quality_floor=policy.quality_floor,
        false_positive_identification_rate=policy.false_positive_identification_rate,
        ambiguity_margin=policy.ambiguity_margin,
        max_faces=policy.max_faces,
        max_people=policy.max_people,
        rate_unit=write_rate_unit(policy.rate_unit) if policy.rate_unit else None,
        same_occasion=policy.same_occasion,
        average_faces=policy.average_faces,
    )
