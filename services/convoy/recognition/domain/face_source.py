"""What recognition asks of a face service: find, judge and embed faces. The face service itself is another process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from convoy.core.errors import FailedPrecondition
from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.found_faces import EmbeddedFaces
from convoy.recognition.domain.growth import Genuine
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery, Model


class ModelName(NamedTuple):
    """Which embedder a caller wants; an empty name means the default, an empty version the newest."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class FaceModel:
    """An embedder of the face service, and what its similarities mean.

    curve: how often strangers match. same_photo: how often two strangers in one photo do. genuine: how similar photos
    of one person are. None where it was not measured.
    """

    model: Model
    default_match_threshold: float
    curve: FalseMatchCurve | None
    same_photo: FalseMatchCurve | None = None
    genuine: Genuine | None = None

    def calibrated(self, same_occasion: bool = False) -> FalseMatchCurve:
        """The false-match curve. Raises FailedPrecondition(NOT_CALIBRATED)."""
        curve = self.same_photo if same_occasion else self.curve
        if curve is None:
            missing = "calibration for pairs from one photo" if same_occasion else "calibration"
            raise FailedPrecondition("NOT_CALIBRATED", f"{self.model.name} has no {missing}; give match_threshold")
        return curve

    def check_made(self, gallery: Gallery) -> None:
        """Raise FailedPrecondition(MODEL_MISMATCH) unless this embedder made the gallery's templates."""
        bound = gallery.model
        if (bound.name, bound.sha256) != (self.model.name, self.model.sha256):
            message = (
                f"gallery {gallery.name!r} was made by {bound.name}:{bound.version} ({bound.sha256[:12]}…), which the "
                f"faces service does not have; it has {self.model.name}:{self.model.version} "
                f"({self.model.sha256[:12]}…)"
            )
            hint = (
                f"put the folder {bound.name}/{bound.version} back into the models of the faces service, or fill a new "
                "gallery from photos: convoy gallery reembed"
            )
            facts = {"gallery_model_sha256": bound.sha256, "model_sha256": self.model.sha256}
            raise FailedPrecondition("MODEL_MISMATCH", message, facts, hint=hint)


class FaceSource(Protocol):
    """A face service. Methods raise its errors, and Unavailable(FACES_UNAVAILABLE) when it cannot be reached."""

    async def model(self, embedder: ModelName | None = None) -> FaceModel:
        """The embedder of that name, or the one in use. Raises NotFound(MODEL_NOT_FOUND)."""

    async def model_of(self, gallery: Gallery) -> FaceModel:
        """The embedder that made the gallery. Raises FailedPrecondition(MODEL_MISMATCH)."""

    async def embed(
        self, pictures: Sequence[Picture], options: DetectionOptions, gallery: Gallery | None = None
    ) -> tuple[FaceModel, list[EmbeddedFaces]]:
        """The faces of each picture, and the embedder that embedded them: the gallery's, or the one in use.

        Raises FailedPrecondition(MODEL_MISMATCH) when the face service lacks the gallery's embedder.
        """
