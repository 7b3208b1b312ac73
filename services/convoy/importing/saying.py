"""Puts a model's answer for a picture into words, with the service's own code, before anything is written."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from convoy.classification import task as classification
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement, place
from convoy.detection import task as detection
from convoy.faces import task as face_detection
from convoy.importing.frame import TRIED
from convoy.importing.likeness import Likeness, compare
from convoy.segmentation import task as segmentation

MOST = 5


@dataclass(frozen=True, eq=False)
class Saying:
    """The answer for one picture; only the fields for the model's task are set."""

    task: Task
    labels: tuple[classification.Label, ...] = ()
    objects: tuple[detection.Detection, ...] = ()
    faces: tuple[face_detection.DetectedFace, ...] = ()
    mask: segmentation.Mask | None = None
    regions: tuple[segmentation.Region, ...] = ()
    likeness: Likeness | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        parts = [f"{label.name} {label.probability:.2f}" for label in self.labels]
        parts += [f"{one.label} {one.score:.2f}" for one in self.objects[:MOST]]
        parts += [f"face {one.score:.2f}" for one in _surest(self.faces)]
        parts += [f"{region.label} {region.area:.0%}" for region in self.regions[:MOST]]
        parts += [str(self.likeness)] if self.likeness else []
        more = max(len(self.objects), len(self.faces)) - MOST
        return ", ".join(parts) + (f" and {more} more" if more > 0 else "") or "nothing"


def _surest(faces: tuple[face_detection.DetectedFace, ...]) -> list[face_detection.DetectedFace]:
    return sorted(faces, key=lambda face: -face.score)[:MOST]


def place_picture(picture: Picture, manifest: Manifest) -> tuple[np.ndarray, Placement]:
    """Place a picture in the model's input. Raises InvalidArgument(BAD_ARGUMENT) for an embedder."""
    if manifest.task is Task.FACE_EMBEDDING:
        raise InvalidArgument("BAD_ARGUMENT", "one picture's embedding says nothing by itself; leave --try out")
    spec = manifest.input
    if spec.resize == "tiles":
        spec = spec.model_copy(update={"height": TRIED, "width": TRIED})
    return place(picture.image_rgb, spec)


def say(outputs: Outputs, placement: Placement, picture: Picture, manifest: Manifest) -> Saying:
    """Read a model's outputs for a batch of one picture as its service does."""
    row = cast(Outputs, {name: array[0] for name, array in outputs.items()})
    match manifest.task:
        case Task.CLASSIFICATION:
            options = classification.Options(top_k=MOST)
            return Saying(manifest.task, labels=tuple(classification.interpret(row, manifest, options)))
        case Task.DETECTION:
            asked = detection.Options(masks=manifest.masks is not None)
            return Saying(manifest.task, objects=tuple(detection.interpret(row, placement, picture, manifest, asked)))
        case Task.FACE_DETECTION:
            return Saying(manifest.task, faces=tuple(face_detection.interpret(row, placement, picture, manifest)))
        case Task.SEGMENTATION:
            mask = segmentation.interpret(row, placement, picture)
            return Saying(manifest.task, mask=mask, regions=tuple(segmentation.regions(mask, manifest)))
        case Task.PICTURE_TO_PICTURE:
            return Saying(manifest.task, likeness=compare(row["pictures"], picture.image_rgb))
        case _:
            raise InvalidArgument("BAD_ARGUMENT", f"{manifest.task} says nothing about one picture")
