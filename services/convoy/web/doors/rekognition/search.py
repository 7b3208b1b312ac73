"""Who is nearest to a face: Rekognition's scale has 80 where the gallery's policy says that it is the person."""

from convoy.core.errors import FailedPrecondition
from convoy.v1 import faces_pb2, recognition_pb2
from convoy.web.doors import curves
from convoy.web.doors.calls import RECOGNITION, Caller
from convoy.web.doors.rekognition.fields import Fields
from convoy.web.doors.rekognition.records import get_face
from convoy.web.doors.rekognition.shapes import Shape, box, percent, record

MOST_FACES, MOST = 80, 1000
"""How many matches there are by default. Rekognition's most is 4,096."""
NO_FACES = "There are no faces in the image. Should be at least 1."


async def by_image(caller: Caller, fields: Fields) -> Shape:
    """SearchFacesByImage: the largest face of a picture."""
    caller.admission.need_scores()
    least = fields.percent("FaceMatchThreshold", curves.REKOGNITION_AT_THRESHOLD)
    request = recognition_pb2.IdentifyRequest(
        gallery=fields.collection(),
        image=fields.image(),
        options=faces_pb2.FaceDetectionOptions(selection=faces_pb2.FACE_SELECTION_LARGEST),
        nearest=min(fields.whole("MaxFaces", MOST_FACES, 1, 4096), MOST),
        top_k=1,
    )
    try:
        answer = await caller.ask(f"{RECOGNITION}/Identify", request)
    except FailedPrecondition as error:
        if error.reason == "NO_FACE":
            error.message = NO_FACES
        raise
    (found,) = answer.faces
    return {
        "SearchedFaceBoundingBox": box(found.face.box, answer.image_size),
        "SearchedFaceConfidence": percent(found.face.detection_score),
        "FaceMatches": _matches(found, least),
    }


async def by_face(caller: Caller, fields: Fields) -> Shape:
    """SearchFaces: whom a face on record looks like; at most 20 others."""
    caller.admission.need_scores()
    gallery, face_id = fields.collection(), fields.text("FaceId")
    least = fields.percent("FaceMatchThreshold", curves.REKOGNITION_AT_THRESHOLD)
    most = fields.whole("MaxFaces", MOST_FACES, 1, 4096)
    person = (await get_face(caller, gallery, face_id)).person
    request = recognition_pb2.FindDuplicatesRequest(gallery=gallery, person_id=person.person_id)
    found = await caller.ask(f"{RECOGNITION}/FindDuplicates", request)
    threshold = found.match_threshold
    if least < curves.REKOGNITION_AT_THRESHOLD:
        # The policy's threshold still says where 80 is; only who is listed changes.
        request.match_threshold = -1.0
        found = await caller.ask(f"{RECOGNITION}/FindDuplicates", request)
    matches: list[Shape] = []
    for one in found.duplicates[:most]:
        similarity = curves.rekognition(one.similarity, threshold)
        if one.face_id == face_id and similarity >= least - 1e-6:
            other = (await get_face(caller, gallery, one.other_face_id)).person
            matches.append({"Similarity": similarity, "Face": record(one.other_face_id, other.metadata)})
    return {"SearchedFaceId": face_id, "FaceMatches": matches}


def _matches(found: recognition_pb2.IdentifiedFace, least: float) -> list[Shape]:
    matches: list[Shape] = []
    for one in found.nearest:
        similarity = curves.rekognition(one.similarity, found.match_threshold)
        if similarity >= least - 1e-6:
            matches.append({"Similarity": similarity, "Face": record(one.face_id, one.metadata)})
    return matches
