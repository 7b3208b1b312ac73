"""Faces: find them, and keep and recognise people in the gallery of the key."""

from convoy.core.errors import FailedPrecondition, InvalidArgument, NotFound
from convoy.v1 import common_pb2, faces_pb2, recognition_pb2
from convoy.web.doors import curves
from convoy.web.doors.calls import Caller
from convoy.web.doors.deepstack.answers import place
from convoy.web.doors.deepstack.objects import picture_of
from convoy.web.doors.given import Given
from convoy.web.doors.people import delete_person, everybody, find_person, name_of, person_id_of

UNKNOWN = "unknown"


async def find(caller: Caller, given: Given) -> dict[str, object]:
    """Every face, by the detector's own threshold if the client names none."""
    request = faces_pb2.DetectFacesRequest(
        images=[common_pb2.Image(encoded=picture_of(given))],
        options=faces_pb2.FaceDetectionOptions(detection_threshold=given.number("min_confidence", None)),
    )
    found = (await caller.ask("FaceService/DetectFaces", request)).results[0].faces
    predictions = [{"confidence": face.detection_score} | place(face.box) for face in found]
    return _all_of(predictions, "face")


async def register(caller: Caller, given: Given) -> dict[str, object]:
    """Register photos of one person; further photos are added to those on record."""
    photos = [common_pb2.Image(encoded=content) for _, content in given.files if content]
    if not photos:
        photos = [common_pb2.Image(encoded=picture_of(given))]
    name = _name(given)
    person = await find_person(caller, name)
    request = recognition_pb2.RegisterRequest(
        gallery=caller.gallery,
        person_id=person_id_of(name) if person is None else person.person_id,
        display_name=name if person is None else "",
        photos=photos,
        add_faces=True,
    )
    try:
        await caller.ask_about("Register", request)
    except FailedPrecondition as error:
        # Start-up scripts train with the same photos again and again.
        if error.reason != "DUPLICATE":
            raise
    return {"message": "face added" if person is None else "face updated"}


async def recognise(caller: Caller, given: Given) -> dict[str, object]:
    """Who each face is. A name is given only where the gallery's policy says that it matches, whatever the client asks.

    A higher min_confidence makes it stricter.
    """
    caller.admission.need_scores()
    least = given.number("min_confidence", curves.DEEPSTACK_AT_THRESHOLD) or 0.0
    image = common_pb2.Image(encoded=picture_of(given))
    request = recognition_pb2.IdentifyRequest(gallery=caller.gallery, image=image, top_k=1)
    try:
        found = (await caller.ask_about("Identify", request)).faces
    except FailedPrecondition as error:
        if error.reason != "NO_FACE":
            raise
        found = []
    return _all_of([_prediction(face, least) for face in found], "face")


async def list_names(caller: Caller, given: Given) -> dict[str, object]:
    """The names of everybody."""
    return {"faces": [name_of(person) async for person in everybody(caller)]}


async def delete(caller: Caller, given: Given) -> dict[str, object]:
    """Delete a person; that there is none of this name is no error, as in DeepStack."""
    if (person := await find_person(caller, _name(given))) is not None:
        try:
            await delete_person(caller, person.person_id)
        except NotFound as error:
            if error.reason != "PERSON_NOT_FOUND":
                raise
    return {}


async def match(caller: Caller, given: Given) -> dict[str, object]:
    """How similar the largest faces of two pictures are."""
    caller.admission.need_scores()
    pictures = [content for _, content in given.files]
    if len(pictures) != 2:
        raise InvalidArgument("BAD_ARGUMENT", "two image files are needed")
    first, second = (common_pb2.Image(encoded=content) for content in pictures)
    request = faces_pb2.CompareFacesRequest(first=first, second=second)
    answer = await caller.ask("FaceService/CompareFaces", request)
    return {"similarity": curves.deepstack(answer.similarity, answer.match_threshold)}


def _prediction(face: recognition_pb2.IdentifiedFace, least: float) -> dict[str, object]:
    name, confidence = UNKNOWN, 0.0
    if face.decision == recognition_pb2.DECISION_MATCH:
        best = face.matches[0]
        confidence = curves.deepstack(best.similarity, face.match_threshold)
        name = name_of(best)
    if confidence < least - 1e-6:
        name, confidence = UNKNOWN, 0.0
    return {"userid": name, "confidence": confidence} | place(face.face.box)


def _all_of(predictions: list[dict[str, object]], what: str) -> dict[str, object]:
    count = len(predictions)
    said = f"Found {count} {what}{'' if count == 1 else 's'}" if count else f"No {what}s found"
    return {"predictions": predictions, "count": count, "message": said}


def _name(given: Given) -> str:
    if not (name := given.text("userid").strip()):
        raise InvalidArgument("BAD_ARGUMENT", "userid not specified")
    return name
