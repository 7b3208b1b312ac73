"""Calls on pictures alone: nothing is looked up, nothing is kept."""

from typing import Any

from convoy.core.errors import FailedPrecondition
from convoy.v1 import faces_pb2
from convoy.web.doors import curves
from convoy.web.doors.calls import Caller
from convoy.web.doors.compreface.answers import Wish
from convoy.web.doors.compreface.requests import finding, image
from convoy.web.doors.embeddings import cosine
from convoy.web.doors.given import Given


async def detect(caller: Caller, given: Given) -> dict[str, object]:
    """Every face. Raises FailedPrecondition(NO_FACE)."""
    wish, photo, options = Wish.of(given), image(given), finding(given)
    if wish.wants_embedding:
        answer = await caller.ask(
            "FaceService/EmbedFaces", faces_pb2.EmbedFacesRequest(images=[photo], options=options)
        )
    else:
        answer = await caller.ask(
            "FaceService/DetectFaces", faces_pb2.DetectFacesRequest(images=[photo], options=options)
        )
    return wish.close([wish.face(face, face.embedding) for face in need_faces(answer.results[0])])


async def compare(caller: Caller, given: Given) -> dict[str, object]:
    """The one face of the source picture beside each face of the target."""
    caller.admission.need_scores()
    wish, options = Wish.of(given), finding(given)
    photos = [image(given, "source_image"), image(given, "target_image")]
    request = faces_pb2.EmbedFacesRequest(images=photos, options=options)
    answer = await caller.ask("FaceService/EmbedFaces", request)
    source, *others = need_faces(answer.results[0])
    if others:
        raise FailedPrecondition("SEVERAL_FACES", "the source picture shows several faces")
    model = faces_pb2.GetFaceModelRequest(embedder=answer.embedder)
    threshold = (await caller.ask("FaceService/GetFaceModel", model)).default_match_threshold
    matches = []
    for face in need_faces(answer.results[1]):
        similarity = curves.compreface(cosine(source.embedding, face.embedding), threshold)
        matches.append(wish.face(face, face.embedding) | {"similarity": similarity})
    return wish.close([{"source_image_face": wish.face(source, source.embedding), "face_matches": matches}])


def need_faces(found: faces_pb2.Faces) -> Any:
    """The faces. Raises FailedPrecondition(NO_FACE)."""
    if not found.faces:
        raise FailedPrecondition("NO_FACE", "the picture shows no face")
    return found.faces
