"""Calls of recognition that take pictures: register, identify, verify."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import uuid4

from convoy.client.answers import recognition
from convoy.client.answers.common import Box
from convoy.client.operations.faces import write_options
from convoy.client.operations.galleries import write_rate_unit
from convoy.client.operations.operation import Operation, one_of, plan, write_facts, write_tags, write_text, write_time
from convoy.client.pictures import Channels, Picture, write_image, write_images
from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2
from convoy.v1 import recognition_pb2 as api


def register(
    gallery: str,
    person_id: str,
    photos: Iterable[Picture],
    *,
    display_name: str = "",
    metadata: Mapping[str, str] | None = None,
    add_faces: bool = False,
    use_largest_face: bool = False,
    allow_identity_conflict: bool = False,
    expire_time: datetime | None = None,
    tags: Iterable[str] = (),
    request_id: str | None = None,
    allow_different: bool = False,
    any_angle: bool = False,
    min_liveness: float | None = None,
    channels: Channels = "rgb",
    photo_labels: Iterable[str] = (),
    face_ids: Iterable[str] = (),
    photo_boxes: Iterable[Box | None] = (),
) -> Operation[recognition.Registration]:
    """Register a person with one photo or several; each is accepted or refused with a reason.

    add_faces: add to a person who is there already; use_largest_face: if a photo shows several faces;
    allow_identity_conflict: even if a face matches somebody else; allow_different: even if the photos do not resemble
    one another; any_angle: even if a face lies or stands on its head; min_liveness: refuse what seems to be a print or
    a screen, 0 to 1; photo_labels: a name for each photo, for example its file's, which get_person tells with the face;
    face_ids: an id for each face, unique in the gallery, empty for one of the service's; photo_boxes: which face of a
    photo is the person's, as detect_faces gives its box, None where there is but one; request_id: lets you repeat the
    call safely, by default a new one. AlreadyExists(PERSON_EXISTS, FACE_EXISTS). FailedPrecondition: every photo was
    refused; `details` has the Registration; or min_liveness is set and nothing judges liveness
    (LIVENESS_NOT_CONFIGURED).
    """
    request = api.RegisterRequest(
        gallery=write_text(gallery, "gallery"),
        person_id=write_text(person_id, "person_id"),
        display_name=write_text(display_name, "display_name"),
        metadata=write_facts(metadata, "metadata"),
        photos=write_images(photos, channels),
        request_id=request_id or str(uuid4()),
        add_faces=add_faces,
        use_largest_face=use_largest_face,
        allow_identity_conflict=allow_identity_conflict,
        expire_time=write_time(expire_time),
        tags=write_tags(tags),
        allow_different=allow_different,
        any_angle=any_angle,
        photo_labels=[write_text(label, "a label") for label in photo_labels],
        min_liveness=min_liveness,
        face_ids=[write_text(face_id, "a face id") for face_id in face_ids],
        photo_boxes=map(_write_box, photo_boxes),
    )
    return plan("recognition", request, api.RegisterResponse, recognition.read_registration)


def identify(
    gallery: str,
    picture: Picture,
    *,
    top_k: int = 5,
    match_threshold: float | None = None,
    false_positive_identification_rate: float | None = None,
    largest: bool = False,
    detection_threshold: float | None = None,
    min_face_size: int = 0,
    min_version: int = 0,
    epoch: str = "",
    exact: bool = False,
    filter: Mapping[str, str] | None = None,
    tags: Iterable[str] = (),
    rate_unit: str | None = None,
    same_occasion: bool | None = None,
    any_angle: bool = False,
    detail: bool = False,
    min_liveness: float | None = None,
    channels: Channels = "rgb",
    nearest: int = 0,
    allow_no_face: bool = False,
) -> Operation[recognition.Identification]:
    """Who each face in a picture is, if the gallery knows the person; a person is one face at most.

    match_threshold: cosine similarity, -1 to 1; or false_positive_identification_rate: the chance that a stranger is
    named, in the whole picture (rate_unit "picture") or at each face ("face"); by default the gallery's policy.
    same_occasion: people were registered from photos with the same camera and light as this picture. min_version: give
    the version that `register` returned to read your own write; with its epoch too, FailedPrecondition(VERSION_LOST)
    tells you that a failover or a restored backup took it back. filter, tags: only people with all of these.
    any_angle, detail: see `detect_faces`; min_liveness: faces with less, 0 to 1, are nobody. nearest: also name so many
    nearest people of each face, however far they are; needs the scope `scores`, and changes nothing of the rest.
    FailedPrecondition(NO_FACE): there is no face. With allow_no_face the answer then has none.
    """
    request = api.IdentifyRequest(
        gallery=write_text(gallery, "gallery"),
        image=write_image(picture, channels),
        options=write_options(detection_threshold, 0, min_face_size, largest, any_angle, detail),
        min_liveness=min_liveness,
        top_k=top_k,
        min_version=min_version,
        epoch=epoch,
        exact=exact,
        filter=write_facts(filter, "filter"),
        tags=write_tags(tags),
        rate_unit=write_rate_unit(rate_unit) if rate_unit else api.RATE_UNIT_UNSPECIFIED,
        same_occasion=same_occasion,
        nearest=nearest or None,
        allow_no_face=allow_no_face,
        **one_of(
            match_threshold=match_threshold, false_positive_identification_rate=false_positive_identification_rate
        ),
    )
    return plan(
        "recognition", request, api.IdentifyResponse, recognition.read_identification, picture=(picture, channels)
    )


def verify(
    probe: Picture,
    *,
    gallery: str | None = None,
    person_id: str | None = None,
    photo: Picture | None = None,
    match_threshold: float | None = None,
    false_match_rate: float | None = None,
    detection_threshold: float | None = None,
    min_version: int = 0,
    any_angle: bool = False,
    detail: bool = False,
    min_liveness: float | None = None,
    channels: Channels = "rgb",
    epoch: str = "",
) -> Operation[recognition.Verification]:
    """Whether the largest face of `probe` is of a person on record (gallery and person_id) or in another `photo`.

    match_threshold: cosine similarity, -1 to 1; or false_match_rate: the share of strangers who would match;
    by default the embedder's own threshold. any_angle, detail: see `detect_faces`; min_liveness: what the probe must
    reach, 0 to 1. FailedPrecondition: a picture shows no face (NO_FACE), the probe seems no living person
    (SPOOF_SUSPECTED).
    """
    if (photo is None) == (gallery is None or person_id is None):
        raise InvalidArgument("BAD_ARGUMENT", "give either gallery and person_id, or photo, to compare with")
    request = api.VerifyRequest(
        probe=write_image(probe, channels),
        person=_write_person(gallery, person_id) if photo is None else None,
        photo=write_image(photo, channels) if photo is not None else None,
        options=write_options(detection_threshold, 0, 0, True, any_angle, detail),
        min_liveness=min_liveness,
        min_version=min_version,
        epoch=epoch,
        **one_of(match_threshold=match_threshold, false_match_rate=false_match_rate),
    )
    return plan("recognition", request, api.VerifyResponse, recognition.read_verification)


def _write_box(box: Box | None) -> common_pb2.Box:
    if box is None:
        return common_pb2.Box()
    return common_pb2.Box(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max)


def _write_person(gallery: str | None, person_id: str | None) -> api.PersonRef:
    return api.PersonRef(gallery=write_text(gallery, "gallery"), person_id=write_text(person_id, "person_id"))
