"""The faces on record. Convoy keeps no pictures, so these have no bytes, as in a CompreFace that saves none."""

import uuid
from typing import Any

from starlette.responses import Response

from convoy.core.errors import FailedPrecondition, NotFound
from convoy.v1 import recognition_pb2
from convoy.web.doors.calls import Caller
from convoy.web.doors.compreface import subjects
from convoy.web.doors.compreface.pages import count_faces, read_page
from convoy.web.doors.compreface.refusals import BAD_ARGUMENT, Refused
from convoy.web.doors.compreface.requests import image, subject_of
from convoy.web.doors.given import Given
from convoy.web.doors.people import delete_person, find_person, name_of, person_id_of

PAGE_SIZE, MOST_PAGE_SIZE = 20, 1000
MOST_IDS = 10_000


async def add(caller: Caller, given: Given) -> dict[str, object]:
    """Register one photo of a person, who is made if there is none; one on record already gives the face on record."""
    name = subject_of(given)
    photo = image(given)
    person = await find_person(caller, name)
    request = recognition_pb2.RegisterRequest(
        gallery=caller.gallery,
        person_id=person_id_of(name) if person is None else person.person_id,
        display_name=name if person is None else "",
        photos=[photo],
        add_faces=True,
        # Some clients read the id as a UUID.
        face_ids=[str(uuid.uuid4())],
    )
    try:
        answer = await caller.ask_about("Register", request)
        return {"image_id": answer.results[0].face_id, "subject": name_of(answer.person)}
    except FailedPrecondition as error:
        if error.reason != "DUPLICATE" or person is None:
            raise
    return {"image_id": await _on_record(caller, request, person), "subject": name_of(person)}


async def list_page(caller: Caller, given: Given) -> dict[str, object]:
    """A page of all faces, or of one person's."""
    page, size = given.whole("page", 0), given.whole("size", PAGE_SIZE, low=1, high=MOST_PAGE_SIZE)
    if subject := given.text("subject"):
        person = await find_person(caller, subject)
        faces = [(face.face_id, person) for face in person.faces] if person else []
        shown, total = faces[page * size : (page + 1) * size], len(faces)
    else:
        shown, total = await read_page(caller, page, size), await count_faces(caller)
    return {
        "faces": [_shown(*one) for one in shown],
        "page_number": page,
        "page_size": size,
        "total_pages": -(-total // size),
        "total_elements": total,
    }


async def delete_of(caller: Caller, given: Given) -> dict[str, object]:
    """Delete all faces of a person, who goes too; without a subject, everybody."""
    if "subject" not in given.values:
        _, faces = await subjects.empty(caller)
        return {"deleted": faces}
    person = await find_person(caller, subject_of(given))
    return {"deleted": 0 if person is None else await delete_person(caller, person.person_id)}


async def delete(caller: Caller, given: Given, image_id: str) -> dict[str, object]:
    """Delete one face. Raises NotFound(FACE_NOT_FOUND)."""
    found = await get_face(caller, image_id)
    request = recognition_pb2.DeleteFaceRequest(
        gallery=caller.gallery, person_id=found.person.person_id, face_id=image_id
    )
    await caller.ask_about("DeleteFace", request)
    return _shown(image_id, found.person)


async def delete_several(caller: Caller, given: Given) -> list[dict[str, object]]:
    """Delete the faces of a list of ids; those that are not there are passed over."""
    ids = given.json
    if not isinstance(ids, list) or len(ids) > MOST_IDS or not all(isinstance(one, str) for one in ids):
        raise Refused(BAD_ARGUMENT, f"the body is to be a JSON list of at most {MOST_IDS} ids of faces")
    gone = []
    for image_id in dict.fromkeys(ids):
        try:
            gone.append(await delete(caller, given, image_id))
        except NotFound as error:
            if error.reason not in ("FACE_NOT_FOUND", "PERSON_NOT_FOUND"):
                raise
    return gone


async def download(caller: Caller, given: Given, image_id: str) -> Response:
    """No bytes: Convoy keeps no pictures. Raises NotFound(FACE_NOT_FOUND)."""
    await get_face(caller, image_id)
    return Response(b"", media_type="application/octet-stream")


async def get_face(caller: Caller, image_id: str) -> recognition_pb2.GetFaceResponse:
    """A face with its person. Raises NotFound(FACE_NOT_FOUND)."""
    request = recognition_pb2.GetFaceRequest(gallery=caller.gallery, face_id=image_id)
    found: recognition_pb2.GetFaceResponse = await caller.ask_about("GetFace", request)
    return found


async def _on_record(caller: Caller, request: Any, person: recognition_pb2.Person) -> str:
    """Which face of the person's a photo is."""
    search = recognition_pb2.IdentifyRequest(gallery=caller.gallery, image=request.photos[0], top_k=1)
    (face, *_) = (await caller.ask_about("Identify", search)).faces
    found = (match.face_id for match in face.matches if match.person_id == person.person_id)
    return str(next(found, person.faces[-1].face_id))


def _shown(image_id: str, person: recognition_pb2.Person) -> dict[str, object]:
    return {"image_id": image_id, "subject": name_of(person)}
