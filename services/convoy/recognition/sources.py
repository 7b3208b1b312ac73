"""Who embeds for a gallery: the face service, or classification for collections of things."""

from collections.abc import Sequence

from convoy.core.errors import FailedPrecondition, NotFound, Unavailable
from convoy.core.settings import Settings
from convoy.recognition.domain.face_source import FaceModel, FaceSource, ModelName
from convoy.recognition.domain.found_faces import EmbeddedFaces
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import THINGS, Gallery
from convoy.recognition.faces_client import FacesClient
from convoy.recognition.things_client import ThingsClient


class Sources:
    """See FaceSource. A gallery says what it is of; a new one is of things if only classification has its embedder."""

    def __init__(self, settings: Settings) -> None:
        self._faces = FacesClient(settings)
        self._things = ThingsClient(settings)

    async def close(self) -> None:
        """Hang up."""
        await self._faces.close()
        await self._things.close()

    async def model(self, embedder: ModelName | None = None) -> FaceModel:
        """See FaceSource."""
        try:
            return await self._faces.model(embedder)
        except (NotFound, FailedPrecondition) as error:
            if embedder is None:
                raise
            try:
                return await self._things.model(embedder)
            except (NotFound, FailedPrecondition):
                raise error from None
            except Unavailable as away:
                # Who keeps people alone runs no classification, and wants to hear of the misspelt name.
                error.hint = f"embedders of things were not looked for: {away.message}"
                raise error from None

    async def model_of(self, gallery: Gallery) -> FaceModel:
        """See FaceSource."""
        return await self._of(gallery).model_of(gallery)

    async def embed(
        self, pictures: Sequence[Picture], options: DetectionOptions, gallery: Gallery | None = None
    ) -> tuple[FaceModel, list[EmbeddedFaces]]:
        """See FaceSource."""
        return await self._of(gallery).embed(pictures, options, gallery)

    def _of(self, gallery: Gallery | None) -> FaceSource:
        return self._things if gallery is not None and gallery.model.task == THINGS else self._faces
