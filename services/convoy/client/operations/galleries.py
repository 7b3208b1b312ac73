"""Calls of recognition on galleries."""

from collections.abc import Iterable
from uuid import uuid4

from convoy.client.answers import galleries
from convoy.client.answers.common import Model
from convoy.client.operations.operation import (
    Listing,
    Operation,
    Page,
    plan,
    write_text,
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
    """All galleries by name, but for those that list_unreadable_galleries gives."""
    return lambda token: plan(
        "recognition",
        api.ListGalleriesRequest(page_size=page_size, page_token=token),
        api.ListGalleriesResponse,
        lambda reply: Page([galleries.read_gallery(one) for one in reply.galleries], reply.next_page_token),
    )


def list_unreadable_galleries(*, page_size: int = 0) -> Listing[galleries.UnreadableGallery]:
    """Galleries that are there, but whose record in the store is spoilt. list_galleries leaves them out."""
    return lambda token: plan(
        "recognition",
        api.ListGalleriesRequest(page_size=page_size, page_token=token),
        api.ListGalleriesResponse,
        lambda reply: Page(
            [galleries.UnreadableGallery(one.gallery, one.problem) for one in reply.unreadable], reply.next_page_token
        ),
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


def set_gallery_alias(alias: str, gallery: str) -> Operation[str]:
    """Let an alias stand for a gallery in calls on pictures and people; gives what the alias grants, in a sentence.

    An empty `gallery` removes the alias, which grants nothing.
    """
    request = api.SetGalleryAliasRequest(alias=alias, gallery=write_text(gallery, "gallery"))
    return plan("recognition", request, api.SetGalleryAliasResponse, lambda reply: reply.grants)


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
