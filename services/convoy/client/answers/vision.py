"""Answers of classification, detection and segmentation."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Box, Model, Size, read_box, read_model, read_size
from convoy.client.answers.decoding import read_embedding, read_picture
from convoy.client.answers.masks import InstanceMask, NamedPoint, read_mask, read_points
from convoy.core.errors import NotFound
from convoy.v1 import classification_pb2, detection_pb2, segmentation_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Label(Answer):
    """One label with its probability, 0 to 1. index: its position in the model's list of labels."""

    index: int
    label: str
    probability: float

    @property
    def name(self) -> str:
        """The old name of `label`; it works for one version more."""
        warnings.warn("a label's `name` is now `label`", DeprecationWarning, stacklevel=2)
        return self.label


@dataclass(frozen=True)
class Classification(Answer):
    """What a picture shows; labels best first."""

    labels: tuple[Label, ...]
    image_size: Size
    model: Model

    @property
    def best(self) -> Label | None:
        """The most probable label; None if all are below `min_probability`."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True)
class ImageEmbedding(Answer):
    """The embedding of a picture: float32 [D] of length 1. model_sha256: only embeddings of one graph compare."""

    values: "npt.NDArray[np.float32]" = field(repr=False, compare=False)
    image_size: Size
    model: Model
    model_sha256: str


@dataclass(frozen=True)
class SignalClassification(Answer):
    """What a signal shows; labels best first. resampled: it was converted to the model's rate."""

    labels: tuple[Label, ...]
    resampled: bool
    model: Model

    @property
    def best(self) -> Label | None:
        """The most probable label; None if all are below `min_probability`."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True)
class Detection(Answer):
    """One object; score 0 to 1. track_id: the number of its track in a stream that was asked for tracks, or 0.

    mask: its pixels, if you asked; points: empty if the model gives none.
    """

    box: Box
    index: int
    label: str
    score: float
    track_id: int = 0
    mask: InstanceMask | None = None
    points: tuple[NamedPoint, ...] = ()


@dataclass(frozen=True)
class Detections(Answer):
    """The objects of a picture, best first."""

    detections: tuple[Detection, ...]
    image_size: Size
    model: Model

    def __iter__(self) -> Iterator[Detection]:
        return iter(self.detections)

    def __len__(self) -> int:
        return len(self.detections)


@dataclass(frozen=True)
class Region(Answer):
    """A class that occurs in a mask; area is its share of the picture, above 0 and up to 1."""

    index: int
    label: str
    area: float


@dataclass(frozen=True)
class Segmentation(Answer):
    """A class for every pixel. mask: uint8 [H, W], class indices at the size of the picture; regions largest first.

    labels: all classes that the model knows, by index; empty from a service of 0.1.0.
    """

    mask: "npt.NDArray[np.uint8]" = field(repr=False, compare=False)
    regions: tuple[Region, ...]
    image_size: Size
    model: Model
    labels: tuple[str, ...] = field(default=(), repr=False)

    def pixels_of(self, label: str) -> "npt.NDArray[np.bool_]":
        """The pixels of a class: bool [H, W], all False if it does not occur.

        Raises NotFound(LABEL_NOT_FOUND) if the model does not know the class.
        """
        import numpy as np

        if self.labels and label not in self.labels:
            known = ", ".join(self.labels[:20]) + (", ..." if len(self.labels) > 20 else "")
            raise NotFound("LABEL_NOT_FOUND", f"{self.model} knows no class of this name; it knows {known}")
        indices = [region.index for region in self.regions if region.label == label]
        return np.isin(self.mask, indices)


def read_classifications(response: classification_pb2.ClassifyResponse) -> list[Classification]:
    """One for each picture."""
    model = read_model(response.model)
    return [
        Classification(_read_labels(result.labels), read_size(result.image_size), model) for result in response.results
    ]


def read_image_embeddings(response: classification_pb2.EmbedImagesResponse) -> list[ImageEmbedding]:
    """One for each picture."""
    model, sha256 = read_model(response.model), response.model_sha256
    return [
        ImageEmbedding(read_embedding(one.values), read_size(one.image_size), model, sha256) for one in response.results
    ]


def read_signals(response: classification_pb2.ClassifySignalResponse) -> list[SignalClassification]:
    """One for each signal."""
    model = read_model(response.model)
    return [SignalClassification(_read_labels(one.labels), one.resampled, model) for one in response.results]


def _read_labels(labels: Iterable[classification_pb2.Label]) -> tuple[Label, ...]:
    return tuple(Label(label.index, label.name, label.probability) for label in labels)


def read_detections(response: detection_pb2.DetectResponse) -> list[Detections]:
    """One for each picture."""
    model = read_model(response.model)
    return [
        Detections(
            tuple(map(_read_detection, result.detections)),
            read_size(result.image_size),
            model,
        )
        for result in response.results
    ]


def _read_detection(found: detection_pb2.Detection) -> Detection:
    place = read_box(found.box)
    return Detection(place, found.index, found.label, found.score, found.track_id, read_mask(found), read_points(found))


def read_segmentations(response: segmentation_pb2.SegmentResponse) -> list[Segmentation]:
    """One for each picture."""
    model = read_model(response.model)
    return [
        Segmentation(
            _read_mask(result),
            tuple(Region(region.index, region.label, region.area) for region in result.regions),
            read_size(result.image_size),
            model,
            tuple(response.labels),
        )
        for result in response.results
    ]


def _read_mask(result: segmentation_pb2.Segmentation) -> "npt.NDArray[np.uint8]":
    import numpy as np

    if result.mask_format == segmentation_pb2.MASK_FORMAT_RAW:
        return np.frombuffer(result.mask, np.uint8).reshape(result.image_size.height, result.image_size.width)
    return read_picture(result.mask)
