"""Recognise and verify people of the gallery."""

from typing import Any

from convoy.v1 import faces_pb2, recognition_pb2
from convoy.web.doors import curves
from convoy.web.doors.calls import Caller
from convoy.web.doors.compreface.answers import Wish, nearest_embedding
from convoy.web.doors.compreface.records import get_face
from convoy.web.doors.compreface.refusals import BAD_COUNT, Refused
from convoy.web.doors.compreface.requests import finding, image
from convoy.web.doors.given import Given
from convoy.web.doors.people import name_of
from convoy.web.json_messages import short_name

MOST_PREDICTIONS = 1000


async def recognise(caller: Caller, given: Given) -> dict[str, object]:
    """Every face with the nearest people, however far they are: 0.5 is where the gallery's policy says who it is."""
    caller.admission.need_scores()
    wish, photo = Wish.of(given), image(given)
    request = recognition_pb2.IdentifyRequest(
        gallery=caller.gallery, image=photo, options=finding(given), top_k=1, nearest=_count(given)
    )
    found = (await caller.ask_about("Identify", request)).faces
    embedding = nearest_embedding(await _embedded(caller, request)) if wish.wants_embedding else _none
    return wish.close([_result(wish, face, embedding(face.face)) for face in found])


async def verify(caller: Caller, given: Given, image_id: str) -> dict[str, object]:
    """Whether the largest face of a picture is that of the person whose face is on record under an id."""
    caller.admission.need_scores()
    wish = Wish.of(given)
    probe, options = image(given), finding(given)
    person = (await get_face(caller, image_id)).person
    reference = recognition_pb2.PersonRef(gallery=caller.gallery, person_id=person.person_id)
    request = recognition_pb2.VerifyRequest(probe=probe, person=reference, options=options)
    answer = await caller.ask_about("Verify", request)
    similarity = curves.compreface(answer.similarity, answer.match_threshold)
    return wish.close([wish.face(answer.face) | {"subject": name_of(person), "similarity": similarity}])


def _result(wish: Wish, found: recognition_pb2.IdentifiedFace, embedding: Any) -> dict[str, object]:
    subjects = [
        {"subject": name_of(one), "similarity": curves.compreface(one.similarity, found.match_threshold)}
        for one in found.nearest
    ]
    shown = wish.face(found.face, embedding) | {"subjects": subjects}
    if wish.with_status:
        shown["convoy"] = {
            "decision": short_name(recognition_pb2.Decision.DESCRIPTOR, found.decision),
            "expected_rate": found.expected_false_positive_identification_rate,
        }
    return shown


async def _embedded(caller: Caller, request: recognition_pb2.IdentifyRequest) -> list[faces_pb2.Face]:
    again = faces_pb2.EmbedFacesRequest(images=[request.image], options=request.options)
    return list((await caller.ask("FaceService/EmbedFaces", again)).results[0].faces)


def _none(face: faces_pb2.Face) -> None:
    return None


def _count(given: Given) -> int:
    said = given.text("prediction_count", "1")
    count = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
    if not count:
        raise Refused(BAD_COUNT, "prediction_count is a whole number from 1")
    return min(count, MOST_PREDICTIONS)
