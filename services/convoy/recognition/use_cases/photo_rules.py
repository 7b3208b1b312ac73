"""Whether a photo, looked at alone, may stand for a person: it shows one upright face, well enough."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.recognition.domain.found_faces import Box, EmbeddedFace, FoundFace, Quality
from convoy.recognition.domain.liveness import is_live
from convoy.recognition.domain.pictures import AS_USUAL, AT_ANY_ANGLE, DetectionOptions
from convoy.recognition.domain.registrations import PhotoResult, Refusal, Registered
from convoy.recognition.domain.vectors import Vector

SURELY_UPRIGHT = 0.8
"""From this detection score on a face is upright: one that stands on its head is found as an upright one too, but less
surely. Measured in docs/faces.md."""
UPRIGHT_DEGREES = 45.0
SAME_PLACE = 0.3
"""From this overlap on, two boxes are of one face: detectors draw them differently."""
FAULTS = {
    "size": (Refusal.TOO_SMALL, "the face is too small; come closer or send a larger photo"),
    "sharpness": (Refusal.BLURRED, "the face is blurred; hold still and focus on it"),
    "frontality": (Refusal.EXTREME_POSE, "the face is seen too far from the side; look into the camera"),
    "visibility": (Refusal.OCCLUDED, "something covers the face; take off mask and dark glasses, and lower your hands"),
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
    return refuse([], Refusal.BAD_IMAGE, error.message)


Look = Callable[[DetectionOptions], Awaitable[Sequence[EmbeddedFace]]]
"""Finds and embeds the faces of one photo, the largest first."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What a photo must reach. any_angle: the face may be turned; use_largest_face: others may be there.

    box: which face is meant, in pixels of the photo; None for the only one, or the largest.
    """

    quality_floor: float
    score_floor: float
    likeness_floor: float = 0.0
    min_liveness: float | None = None
    use_largest_face: bool = False
    any_angle: bool = False
    box: Box | None = None


async def judge_photo(look: Look, demands: Demands) -> Verdict:
    """Look at a photo, and from other angles too if in doubt, to say whether it may stand for a person.

    Raises what `look` raises, and FailedPrecondition(LIVENESS_NOT_CONFIGURED).
    """
    look = _only_in(demands.box, look)
    found = await look(AT_ANY_ANGLE if demands.any_angle else AS_USUAL)
    verdict = judge(found, demands)
    if not demands.any_angle:
        verdict = await _look_around(look, verdict, demands)
    return refuse_spoof(refuse_no_face(verdict, demands.score_floor), demands.min_liveness)


def _only_in(box: Box | None, look: Look) -> Look:
    """Look for the one face that is meant. Without a box, for all."""
    if box is None:
        return look

    async def look_there(options: DetectionOptions) -> Sequence[EmbeddedFace]:
        found = sorted(await look(options), key=lambda one: -box.overlap(one.face.box))
        return [one for one in found[:1] if box.overlap(one.face.box) >= SAME_PLACE]

    return look_there


async def _look_around(look: Look, verdict: Verdict, demands: Demands) -> Verdict:
    """Return the verdict, or TURNED if the photo shows its face better from another angle."""
    faces = verdict.result.faces
    if is_in_doubt(verdict):
        faces = [one.face for one in await look(AT_ANY_ANGLE)]
    elif verdict.embedding is None:
        return verdict
    # What is hardly a face at any angle is no turned face either.
    sure = [one for one in faces if _is_sure(one, demands)]
    return refuse_turned(verdict, sure)


def _is_sure(face: FoundFace, demands: Demands) -> bool:
    likeness = 1.0 if face.quality.likeness is None else face.quality.likeness
    return face.detection_score >= demands.score_floor and likeness >= demands.likeness_floor


def judge(found: Sequence[EmbeddedFace], demands: Demands) -> Verdict:
    """Look at the photo alone: does it show one face, of enough quality? `found` has the largest face first."""
    # What is hardly a face is nobody beside the person, unless there is nothing else.
    found = [one for one in found if _is_sure(one.face, demands)] or found
    faces = [one.face for one in found]
    if not faces and demands.box:
        return refuse(faces, Refusal.NO_FACE, "no face was found where photo_boxes says; send the box of a face")
    if not faces:
        return refuse(faces, Refusal.NO_FACE, "no face was found; send a photo that shows the face from the front")
    if len(faces) > 1 and not demands.use_largest_face:
        message = f"{len(faces)} faces were found; crop the photo to one person or set use_largest_face"
        return refuse(faces, Refusal.SEVERAL_FACES, message)
    quality = faces[0].quality
    if quality.likeness is not None and quality.likeness < demands.likeness_floor:
        message = f"what was found does not look like a face (likeness {quality.likeness:.2f}, at least "
        message += f"{demands.likeness_floor:.2f} is needed); take the photo again"
        return refuse(faces, Refusal.NOT_A_FACE, message)
    if quality.score < demands.quality_floor:
        return refuse(faces, *_fault(quality, demands.quality_floor))
    return Verdict(PhotoResult(faces), found[0].embedding, quality.score)


def is_in_doubt(verdict: Verdict) -> bool:
    """Whether the photo should be looked at from other angles: no upright face was found, or none that is sure."""
    refusal, faces = verdict.result.refusal, verdict.result.faces
    return refusal in (Refusal.NO_FACE, Refusal.NOT_A_FACE) or (
        refusal is None and faces[0].detection_score < SURELY_UPRIGHT
    )


def refuse_turned(verdict: Verdict, found: Sequence[FoundFace]) -> Verdict:
    """Refuse a photo whose largest face lies or stands on its head. `found`: its faces, largest first."""
    if not found or found[0].roll_degrees <= UPRIGHT_DEGREES:
        return verdict
    message = "the face is turned by more than 45 degrees; turn the photo upright or set any_angle"
    return refuse(found, Refusal.TURNED, message)


def refuse_no_face(verdict: Verdict, score_floor: float) -> Verdict:
    """Refuse what the detector is not sure of: a clock, a cell, an animal."""
    if verdict.embedding is None or verdict.result.faces[0].detection_score >= score_floor:
        return verdict
    score = verdict.result.faces[0].detection_score
    message = f"what was found is hardly a face (score {score:.2f}, at least {score_floor:.2f} is needed); "
    message += "take the photo again"
    return refuse(verdict.result.faces, Refusal.NOT_A_FACE, message)


def refuse_spoof(verdict: Verdict, min_liveness: float | None) -> Verdict:
    """Refuse what seems to be a print, a screen or a mask. Raises FailedPrecondition(LIVENESS_NOT_CONFIGURED)."""
    if verdict.embedding is None or is_live(verdict.result.faces[0], min_liveness):
        return verdict
    liveness = verdict.result.faces[0].liveness
    message = f"the photo seems to show a print, a screen or a mask (liveness {liveness:.2f}, at least "
    message += f"{min_liveness:.2f} is needed); photograph the person"
    return refuse(verdict.result.faces, Refusal.SPOOF_SUSPECTED, message)


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
    judged = {name: getattr(quality, name) for name in FAULTS}
    parts = {name: float(part) for name, part in judged.items() if part is not None}
    low = [name for name, part in parts.items() if part < floor] or [min(parts, key=lambda name: parts[name])]
    scored = f" (quality {quality.score:.2f}, the gallery asks for {floor:.2f})"
    if len(low) == 1:
        refusal, message = FAULTS[low[0]]
        return refusal, message + scored
    return Refusal.LOW_QUALITY, "; ".join(FAULTS[name][1] for name in low) + scored


def refuse(faces: Sequence[FoundFace], refusal: Refusal, message: str, person_id: str = "") -> Verdict:
    """Refuse a photo, for a reason and with a sentence; person_id: whose face it is, for IDENTITY_CONFLICT."""
    return Verdict(PhotoResult(faces, refusal, message, conflicting_person_id=person_id))
