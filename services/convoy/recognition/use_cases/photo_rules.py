"""Whether a photo may stand for a person: one face, good enough, not there yet, not somebody else's."""

from dataclasses import dataclass

import numpy as np

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.recognition.domain.face_source import embedding_of, without_embedding
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit
from convoy.v1 import faces_pb2
from convoy.v1 import recognition_pb2 as pb

# Two different photos of a face do not come so close; the same photo, saved anew, does.
SAME_FACE = 0.995
FAULTS = {
    "size": (pb.PHOTO_REFUSAL_TOO_SMALL, "the face is too small; come closer or send a larger photo"),
    "sharpness": (pb.PHOTO_REFUSAL_BLURRED, "the face is blurred; hold still and focus on it"),
    "frontality": (pb.PHOTO_REFUSAL_EXTREME_POSE, "the face is seen too far from the side; look into the camera"),
    "exposure": (pb.PHOTO_REFUSAL_LOW_QUALITY, "the face is too dark, too bright or flat; use even light"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a photo: `embedding` and `quality` when it is accepted."""

    result: pb.PhotoResult
    embedding: Vector | None = None
    quality: float = 0.0


def bad_image(error: InvalidArgument) -> Verdict:
    """The verdict on bytes that are no picture."""
    return _refuse([], pb.PHOTO_REFUSAL_BAD_IMAGE, error.message)


def judge(photo: faces_pb2.Faces, quality_floor: float, use_largest_face: bool) -> Verdict:
    """Look at the photo alone: one face, of enough quality. An accepted one has no face id yet."""
    faces = list(photo.faces)
    if not faces:
        return _refuse(
            faces, pb.PHOTO_REFUSAL_NO_FACE, "no face was found; send a photo that shows the face from the front"
        )
    if len(faces) > 1 and not use_largest_face:
        message = f"{len(faces)} faces were found; crop the photo to one person or set use_largest_face"
        return _refuse(faces, pb.PHOTO_REFUSAL_SEVERAL_FACES, message)
    quality = faces[0].quality
    if quality.score < quality_floor:
        return _refuse(faces, *_fault(quality, quality_floor))
    result = pb.PhotoResult(accepted=True, faces=map(without_embedding, faces))
    return Verdict(result, embedding_of(faces[0]), quality.score)


def compare(verdict: Verdict, known: Vector, other: Hit | None) -> Verdict:
    """Look at the gallery: refuse a face that the person has (`known`: [faces, dimension]), or that is `other`'s."""
    if verdict.embedding is None:
        return verdict
    faces = list(verdict.result.faces)
    if len(known) and float(np.max(known @ verdict.embedding)) >= SAME_FACE:
        message = "the person has this very face on record; a different photo would add to it"
        return _refuse(faces, pb.PHOTO_REFUSAL_DUPLICATE, message)
    if other is not None:
        message = (
            f"the face matches person {other.person_id!r}; register it there with add_faces, or set "
            "allow_identity_conflict if they are two people"
        )
        return _refuse(faces, pb.PHOTO_REFUSAL_IDENTITY_CONFLICT, message, other.person_id)
    return verdict


def none_accepted(
    results: list[pb.PhotoResult], bad_images: list[InvalidArgument]
) -> FailedPrecondition | InvalidArgument:
    """The error for a registration of which no photo could be taken: the first reason, and what was found in each."""
    details = (pb.RegisterResponse(results=results),)
    refused = [result for result in results if result.refusal != pb.PHOTO_REFUSAL_BAD_IMAGE]
    if not refused:
        first = bad_images[0]
        return InvalidArgument(first.reason, first.message, first.metadata, details)
    reason = pb.PhotoRefusal.Name(refused[0].refusal).removeprefix("PHOTO_REFUSAL_")
    counted = "the photo was" if len(results) == 1 else f"all {len(results)} photos were"
    facts = {"photos": len(results), "faces_found": len(refused[0].faces)}
    return FailedPrecondition(reason, f"{counted} refused: {refused[0].message}", facts, details)


def _fault(quality: faces_pb2.FaceQuality, floor: float) -> tuple[pb.PhotoRefusal.ValueType, str]:
    """The one part that is too low, or LOW_QUALITY where several are."""
    parts = {name: float(getattr(quality, name)) for name in FAULTS}
    low = [name for name, part in parts.items() if part < floor] or [min(parts, key=lambda name: parts[name])]
    scored = f" (quality {quality.score:.2f}, the gallery asks for {floor:.2f})"
    if len(low) == 1:
        refusal, message = FAULTS[low[0]]
        return refusal, message + scored
    return pb.PHOTO_REFUSAL_LOW_QUALITY, "; ".join(FAULTS[name][1] for name in low) + scored


def _refuse(
    faces: list[faces_pb2.Face], refusal: pb.PhotoRefusal.ValueType, message: str, person_id: str = ""
) -> Verdict:
    found = [without_embedding(face) for face in faces]
    return Verdict(pb.PhotoResult(refusal=refusal, message=message, faces=found, conflicting_person_id=person_id))
