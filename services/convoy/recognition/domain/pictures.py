"""Pictures as callers send them, and how faces are looked for in them. Only the face service looks inside a picture."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawPixels:
    """Pixels that are not encoded. `format` is the number that the API gives to their layout."""

    width: int
    height: int
    format: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded file or raw pixels; the face service refuses a picture that has neither."""

    encoded: bytes | None = None
    raw: RawPixels | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the picture as it was sent."""
        return len(self.encoded or b"") + len(self.raw.data if self.raw else b"")

    def digest(self) -> bytes:
        """32 bytes that are the same for the same picture."""
        raw = self.raw
        form = repr((self.encoded is None, raw and (raw.width, raw.height, raw.format)))
        digest = hashlib.blake2b(form.encode(), digest_size=32)
        digest.update(self.encoded or (raw.data if raw else b""))
        return digest.digest()


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """How faces are looked for; see FaceDetectionOptions in faces.proto.

    detection_threshold: None takes the detector's own. max_faces: 0 takes the face service's limit.
    min_face_size: in pixels of the picture. only_largest: leave out all faces but the largest.
    any_angle: also find faces that lie or stand on their head.
    detail: also find small faces in a large picture.
    """

    detection_threshold: float | None = None
    max_faces: int = 0
    min_face_size: int = 0
    only_largest: bool = False
    any_angle: bool = False
    detail: bool = False


AS_USUAL = DetectionOptions()
"""What a caller gets who says nothing."""
AT_ANY_ANGLE = DetectionOptions(any_angle=True)
