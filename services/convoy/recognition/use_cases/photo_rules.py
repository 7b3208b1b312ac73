"""Whether a photo may stand for a person: it shows one face, well enough, not yet on record, and nobody else's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.found_faces import EmbeddedFace, FoundFace, Quality
from convoy.recognition.domain.registrations import PhotoResult, Refusal, Registered
from convoy.recognition.domain.thresholds import comparison_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.agreement import STRANGER_RATE, find_agreeing

CONFLICT_RATE = 0.001
"""How often a photo of somebody new may be refused for being like somebody else. A refusal turns a person away, so it
is rarer than a wrong name may be."""
SAME_FACE = 0.995
"""From this similarity on two photos are one photo, perhaps saved anew: two different photos do not come so close."""
SURELY_UPRIGHT = 0.8
"""From this detection score on a face is upright: one that stands on its head is found as an upright one too, but less
surely. Measured in docs/faces.md."""
UPRIGHT_DEGREES = 45.0
FAULTS = {
    "size": (Refusal.TOO_SMALL, "the face is too small; come closer or send a larger photo"),
    "sharpness": (Refusal.BLURRED, "the face is blurred; hold still and focus on it"),
    "frontality": (Refusal.EXTREME_POSE, "the face is seen too far from the side; look into the camera"),
    "exposure": (Refusal.LOW_QUALITY, "the face is too dark, too bright or flat; use even light"),
}
"""What is said of each part of a face's quality that is too low."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a photo, and the embedding and quality of its face; no embedding if it is refused."""

    result: PhotoResult
    embedding: Vector | None = None
    quality: float = 0.0


def bad_image(error: InvalidArgument) -> Verdict:
    """The verdict on bytes that are no picture."""
    return _refuse([], Refusal.BAD_IMAGE, error.message)


def judge(found: Sequence[EmbeddedFace], quality_floor: float, use_largest_face: bool) -> Verdict:
    """Look at the photo alone: does it show one face, of enough quality? `found` has the largest face first."""
    faces = [one.face for one in found]
    if not faces:
        return _refuse(faces, Refusal.NO_FACE, "no face was found; send a photo that shows the face from the front")
    if len(faces) > 1 and not use_largest_face:
        message = f"{len(faces)} faces were found; crop the photo to one person or set use_largest_face"
        return _refuse(faces, Refusal.SEVERAL_FACES, message)
    quality = faces[0].quality
    if quality.score < quality_floor:
        return _refuse(faces, *_fault(quality, quality_floor))
    return Verdict(PhotoResult(faces), found[0].embedding, quality.score)


def is_in_doubt(verdict: Verdict) -> bool:
    """Whether the photo should be looked at from other angles: no upright face was found, or none that is sure."""
    refusal, faces = verdict.result.refusal, verdict.result.faces
    return refusal is Refusal.NO_FACE or (refusal is None and faces[0].detection_score < SURELY_UPRIGHT)


def refuse_turned(verdict: Verdict, found: Sequence[FoundFace]) -> Verdict:
    """Refuse a photo whose largest face lies or stands on its head. `found`: its faces, largest first."""
    if not found or found[0].roll_degrees <= UPRIGHT_DEGREES:
        return verdict
    message = "the face is turned by more than 45 degrees; turn the photo upright or set any_angle"
    return _refuse(found, Refusal.TURNED, message)


def refuse_no_face(verdict: Verdict, score_floor: float) -> Verdict:
    """Refuse what the detector is not sure of: a clock, a cell, an animal."""
    if verdict.embedding is None or verdict.result.faces[0].detection_score >= score_floor:
        return verdict
    score = verdict.result.faces[0].detection_score
    message = f"what was found is hardly a face (score {score:.2f}, at least {score_floor:.2f} is needed); take it anew"
    return _refuse(verdict.result.faces, Refusal.NOT_A_FACE, message)


def compare(verdict: Verdict, known: Vector, other: Hit | None) -> Verdict:
    """Look at the gallery: refuse a face that the person has (`known`: [faces, dimension]), or that is `other`'s."""
    if verdict.embedding is None:
        return verdict
    faces = verdict.result.faces
    if len(known) and float(np.max(known @ verdict.embedding)) >= SAME_FACE:
        message = "the person has this very face on record; a different photo would add to it"
        return _refuse(faces, Refusal.DUPLICATE, message)
    if other is not None:
        message = (
            f"the face matches person {other.person_id!r}; register it there with add_faces, or set "
            "allow_identity_conflict if they are two people"
        )
        return _refuse(faces, Refusal.IDENTITY_CONFLICT, message, other.person_id)
    return verdict


def refuse_others(verdicts: Sequence[Verdict], on_record: Vector, curve: FalseMatchCurve) -> list[Verdict]:
    """Look at all photos together: refuse those that show another person than the record, or than most photos."""
    accepted = [verdict.embedding for verdict in verdicts if verdict.embedding is not None]
    comparisons = max(1, len(accepted) - 1 + len(on_record))
    threshold = curve.threshold(comparison_rate(STRANGER_RATE, comparisons))
    agreeing = iter(find_agreeing(accepted, on_record, threshold, SAME_FACE))
    message = (
        "the face does not resemble the person on record"
        if len(on_record)
        else "the photos show different people; send photos of one person"
    )
    message += ", or set allow_different if they are of one person"
    return [
        verdict
        if verdict.embedding is None or next(agreeing)
        else _refuse(verdict.result.faces, Refusal.OTHER_PERSON, message)
        for verdict in verdicts
    ]


def none_accepted(
    results: Sequence[PhotoResult], bad_images: Sequence[InvalidArgument]
) -> FailedPrecondition | InvalidArgument:
    """The error when no photo was accepted: the reason of the first, and in `details` what was found in each.

    If none is a picture, it is the error of the first that is none.
    """
    details = (Registered(None, results),)
    refused = next((result for result in results if result.refusal is not Refusal.BAD_IMAGE), None)
    if refused is None:
        first = bad_images[0]
        return InvalidArgument(first.reason, first.message, first.metadata, details)
    assert refused.refusal is not None
    counted = "the photo was" if len(results) == 1 else f"all {len(results)} photos were"
    facts = {"photos": len(results), "faces_found": len(refused.faces)}
    return FailedPrecondition(refused.refusal.value, f"{counted} refused: {refused.message}", facts, details)


def _fault(quality: Quality, floor: float) -> tuple[Refusal, str]:
    """The one part that is too low, or LOW_QUALITY where several are."""
    parts = {name: float(getattr(quality, name)) for name in FAULTS}
    low = [name for name, part in parts.items() if part < floor] or [min(parts, key=lambda name: parts[name])]
    scored = f" (quality {quality.score:.2f}, the gallery asks for {floor:.2f})"
    if len(low) == 1:
        refusal, message = FAULTS[low[0]]
        return refusal, message + scored
    return Refusal.LOW_QUALITY, "; ".join(FAULTS[name][1] for name in low) + scored


def _refuse(faces: Sequence[FoundFace], refusal: Refusal, message: str, person_id: str = "") -> Verdict:
    return Verdict(PhotoResult(faces, refusal, message, conflicting_person_id=person_id))
