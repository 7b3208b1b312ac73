"""Each indexed face is a person of its own, whose id is the FaceId: so it keeps what it means in Rekognition.

Nothing says there that two faces are of one person, and one photo may be indexed twice. People who were registered by
another door show each of their faces. An SDK that got no answer repeats its call under the same invocation id, which
indexes nothing twice: ids follow from it.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from typing import Any

from convoy.core.errors import AlreadyExists, FailedPrecondition, NotFound
from convoy.v1 import common_pb2, faces_pb2, recognition_pb2
from convoy.web.doors.calls import RECOGNITION, Caller
from convoy.web.doors.rekognition.collections import version
from convoy.web.doors.rekognition.fields import MOST_TOKEN, Fields
from convoy.web.doors.rekognition.shapes import Shape, facts, outline, record

MOST_FACES, MOST_PAGE, MOST_DELETED = 100, 1000, 4096
MOST_ASKED = 2**31 - 1
"""Rekognition takes any MaxFaces, and indexes 100 faces of a picture at most."""
AT_ONCE = 4
"""Each registration looks at the picture anew, so one picture of a crowd shall not fill the services' queues."""
FLOORS = {"NONE": 0.0, "LOW": 0.2, "MEDIUM": 0.4, "HIGH": 0.6, "AUTO": 0.0}
"""QualityFilter as the least quality of a face, beside what the gallery's policy asks in any case."""
INVOCATION = "amz-sdk-invocation-id"
"""The header that AWS's SDKs send with each try of a call."""
REASONS = {
    "TOO_SMALL": "SMALL_BOUNDING_BOX",
    "BLURRED": "LOW_SHARPNESS",
    "EXTREME_POSE": "EXTREME_POSE",
    "TURNED": "EXTREME_POSE",
    "OCCLUDED": "LOW_FACE_QUALITY",
    "LOW_QUALITY": "LOW_FACE_QUALITY",
    "NOT_A_FACE": "LOW_CONFIDENCE",
    "NO_FACE": "LOW_CONFIDENCE",
    "SPOOF_SUSPECTED": "LOW_FACE_QUALITY",
}
"""What Register refuses -> why a face was not indexed."""


async def index(caller: Caller, fields: Fields) -> Shape:
    """IndexFaces: the faces of the picture, largest first: of MOST_FACES at most, and a few registered at once."""
    gallery, image = fields.collection(), fields.image()
    most = min(fields.whole("MaxFaces", MOST_FACES, 1, MOST_ASKED), MOST_FACES)
    floor = FLOORS.get(fields.text("QualityFilter", "AUTO"), 0.0)
    new_id = _ids(caller.header(INVOCATION), gallery, image)
    external_id, image_id = fields.text("ExternalImageId", ""), new_id("picture")
    model = await _model(caller, gallery)
    options = faces_pb2.FaceDetectionOptions(max_faces=MOST_FACES)
    asked = faces_pb2.DetectFacesRequest(images=[image], options=options)
    found: faces_pb2.Faces = (await caller.ask("FaceService/DetectFaces", asked)).results[0]
    waiting = list(enumerate(found.faces))
    indexed: list[Shape] = []
    passed: list[Shape] = []

    async def take(numbered: tuple[int, faces_pb2.Face]) -> None:
        number, face = numbered
        detail, face_id = outline(face, found.image_size), new_id(f"face {number}")
        kept = facts(face, found.image_size, image_id, external_id)
        refusal = "LOW_FACE_QUALITY" if face.quality.score < floor else ""
        refusal = refusal or await _register(caller, gallery, face_id, image, face.box, kept)
        if refusal:
            passed.append(_unindexed(refusal, detail))
        else:
            indexed.append({"Face": record(face_id, kept), "FaceDetail": detail})

    # Never more at once than may still be indexed, so that none is registered in vain.
    while waiting and len(indexed) < most:
        count = min(AT_ONCE, most - len(indexed))
        wave, waiting = waiting[:count], waiting[count:]
        # All of a wave end before an error is told: nothing goes on behind the client's back.
        for problem in await asyncio.gather(*map(take, wave), return_exceptions=True):
            if problem is not None:
                raise problem
    passed += [_unindexed("EXCEEDS_MAX_FACES", outline(face, found.image_size)) for _, face in waiting]
    return {
        "FaceRecords": sorted(indexed, key=_largest_first),
        "UnindexedFaces": passed,
        "FaceModelVersion": version(model),
    }


async def list_page(caller: Caller, fields: Fields) -> Shape:
    """ListFaces: a page holds so many people, and all faces of each."""
    request = recognition_pb2.ListPeopleRequest(
        gallery=fields.collection(),
        page_size=min(fields.whole("MaxResults", MOST_PAGE, 0, 4096) or MOST_PAGE, MOST_PAGE),
        page_token=fields.text("NextToken", "", MOST_TOKEN),
    )
    model = await _model(caller, request.gallery)
    page = await caller.ask(f"{RECOGNITION}/ListPeople", request)
    faces = [record(face.face_id, person.metadata) for person in page.people for face in person.faces]
    answer: Shape = {"Faces": faces, "FaceModelVersion": version(model)}
    return answer | ({"NextToken": page.next_page_token} if page.next_page_token else {})


async def delete(caller: Caller, fields: Fields) -> Shape:
    """DeleteFaces: the person goes with the last face. Ids that are not there are listed."""
    gallery, wanted = fields.collection(), fields.texts("FaceIds", MOST_DELETED)
    await _model(caller, gallery)
    gone: list[str] = []
    failed: list[Shape] = []
    for face_id in dict.fromkeys(wanted):
        try:
            found = await get_face(caller, gallery, face_id)
            request = recognition_pb2.DeleteFaceRequest(
                gallery=gallery,
                person_id=found.person.person_id,
                face_id=face_id,
                delete_person_without_faces=True,
            )
            await caller.ask(f"{RECOGNITION}/DeleteFace", request)
            gone.append(face_id)
        except NotFound:
            failed.append({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]})
    return {"DeletedFaces": gone, "UnsuccessfulFaceDeletions": failed}


async def get_face(caller: Caller, gallery: str, face_id: str) -> recognition_pb2.GetFaceResponse:
    """A face on record, with its person. Raises NotFound(FACE_NOT_FOUND)."""
    request = recognition_pb2.GetFaceRequest(gallery=gallery, face_id=face_id)
    found: recognition_pb2.GetFaceResponse = await caller.ask(f"{RECOGNITION}/GetFace", request)
    return found


def _ids(invocation: str, gallery: str, image: common_pb2.Image) -> Callable[[str], str]:
    """What gives the picture and each face of a call their ids: new ones, or those of the call that is repeated."""
    if not invocation:
        return lambda of: str(uuid.uuid4())
    digest = hashlib.sha256(f"{invocation} {gallery} ".encode() + image.encoded).digest()
    return lambda of: str(uuid.uuid5(uuid.UUID(bytes=digest[:16]), of))


def _unindexed(reason: str, detail: Shape) -> Shape:
    return {"Reasons": [reason], "FaceDetail": detail}


def _largest_first(one: Shape) -> float:
    box: Any = one["FaceDetail"]["BoundingBox"]  # type: ignore[index]
    return -float(box["Width"] * box["Height"])


async def _register(
    caller: Caller, gallery: str, face_id: str, image: common_pb2.Image, box: common_pb2.Box, kept: dict[str, str]
) -> str:
    """Why the face was not registered; empty if it was, now or by an earlier try of the same call."""
    request = recognition_pb2.RegisterRequest(
        gallery=gallery,
        person_id=face_id,
        face_ids=[face_id],
        photos=[image],
        photo_boxes=[box],
        metadata=kept,
        allow_identity_conflict=True,
    )
    try:
        await caller.ask(f"{RECOGNITION}/Register", request)
    except FailedPrecondition as error:
        if error.reason not in REASONS:
            raise
        return REASONS[error.reason]
    except AlreadyExists:
        pass
    return ""


async def _model(caller: Caller, gallery: str) -> common_pb2.ModelRef:
    """The embedder of a collection. Raises NotFound(GALLERY_NOT_FOUND)."""
    # A page of one person follows aliases, which GetGallery does not.
    try:
        request = recognition_pb2.GetGalleryRequest(gallery=gallery)
        found: common_pb2.ModelRef = (await caller.ask(f"{RECOGNITION}/GetGallery", request)).gallery.model
        return found
    except NotFound:
        await caller.ask(f"{RECOGNITION}/ListPeople", recognition_pb2.ListPeopleRequest(gallery=gallery, page_size=1))
        return common_pb2.ModelRef(name=gallery, version="alias")
