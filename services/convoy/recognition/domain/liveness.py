"""Whether a face is that of a living person, by the networks of the faces service."""

from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.found_faces import FoundFace
from convoy.recognition.domain.limits import check_range


def check_min_liveness(min_liveness: float | None) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) unless it is None, or from 0 to 1."""
    if min_liveness is not None:
        check_range("min_liveness", min_liveness, 0, 1)


def is_live(face: FoundFace, min_liveness: float | None) -> bool:
    """Whether the face reaches the liveness that a call demands; None demands nothing.

    Raises FailedPrecondition(LIVENESS_NOT_CONFIGURED) if no network has judged it.
    """
    if min_liveness is None:
        return True
    if face.liveness is None:
        message = "min_liveness is set, but the faces service has no network that judges liveness"
        hint = "import one and name it in CONVOY_FACE_LIVENESS of the faces service, or leave min_liveness out"
        raise FailedPrecondition("LIVENESS_NOT_CONFIGURED", message, hint=hint)
    return face.liveness >= min_liveness
