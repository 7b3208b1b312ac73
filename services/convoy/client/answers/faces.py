"""Answers of the faces service."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import (
    Box,
    ImageRGB,
    Model,
    Point,
    Size,
    read_box,
    read_model,
    read_point,
    read_size,
)
from convoy.client.answers.decoding import read_embedding, read_picture
from convoy.v1 import faces_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Landmarks(Answer):
    """Eyes, nose and corners of the mouth; left and right as seen in the picture."""

    left_eye: Point
    right_eye: Point
    nose: Point
    mouth_left: Point
    mouth_right: Point


@dataclass(frozen=True)
class FaceQuality(Answer):
    """How usable a face is for recognition. `score` sums up the parts; each is 0 (useless) to 1 (best).

    likeness: whether it looks like a face at all; visibility: whether nothing covers it, such as a mask. None if the
    faces service does not judge that.
    """

    score: float
    size: float
    sharpness: float
    exposure: float
    frontality: float
    likeness: float | None = None
    visibility: float | None = None


@dataclass(frozen=True)
class FaceAttribute(Answer):
    """What a classifier of faces says of a face: its most probable label; score: 0 to 1."""

    model: Model
    label: str
    score: float


@dataclass(frozen=True)
class Face(Answer):
    """One face. embedding: float32 [D], unit length; aligned_crop: [112, 112, 3]; both only if you ask for them.

    liveness: 0 to 1, None if the faces service has no network that judges it; attributes: what its other classifiers of
    faces say.
    """

    box: Box
    detection_score: float
    landmarks: Landmarks
    quality: FaceQuality
    embedding: "npt.NDArray[np.float32] | None" = field(default=None, repr=False, compare=False)
    aligned_crop: "ImageRGB | None" = field(default=None, repr=False, compare=False)
    liveness: float | None = None
    attributes: tuple[FaceAttribute, ...] = ()
    track_id: int = 0
    """The number of its track in a stream that was asked for tracks, or 0."""

    def describe(self) -> str:
        """What the classifiers of faces say, in a few words; empty if there are none."""
        live = [] if self.liveness is None else [f"liveness {self.liveness:.2f}"]
        return ", ".join([*live, *(f"{one.label} {one.score:.2f}" for one in self.attributes)])


@dataclass(frozen=True)
class Faces(Answer):
    """The faces of a picture, largest first. found: how many it shows; embedder: None without embeddings."""

    faces: tuple[Face, ...]
    image_size: Size
    detector: Model
    embedder: Model | None = None
    found: int = 0

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True)
class FaceComparison(Answer):
    """Whether the largest faces of two pictures are of the same person; similarity is a cosine, -1 to 1.

    beyond_calibration: the threshold is above all that the calibration measured, and the expected rate an upper bound.
    """

    is_match: bool
    similarity: float
    match_threshold: float
    expected_false_match_rate: float
    first: Face
    second: Face
    embedder: Model
    first_faces_found: int
    second_faces_found: int
    beyond_calibration: bool = False


@dataclass(frozen=True)
class GenuineCalibration(Answer):
    """For each similarity (rising): the share of a person's photos that stay below it, and its upper 95 % bound."""

    similarity: tuple[float, ...]
    false_non_match_rate: tuple[float, ...]
    false_non_match_rate_upper: tuple[float, ...]
    pairs: int
    dataset: str


@dataclass(frozen=True)
class FaceCalibration(Answer):
    """For each similarity (rising): the share of strangers who reach it (falling), and its upper 95 % bound.

    genuine: how similar photos of one person are; None if it was not measured.
    """

    similarity: tuple[float, ...]
    false_match_rate: tuple[float, ...]
    false_match_rate_upper: tuple[float, ...]
    impostor_pairs: int
    tail_model: str
    dataset: str
    genuine: GenuineCalibration | None = None


@dataclass(frozen=True)
class FaceModel(Answer):
    """The models that the faces service uses, and the embedder's calibration."""

    detector: Model
    embedder: Model
    embedder_sha256: str
    embedding_size: int
    default_match_threshold: float
    calibration: FaceCalibration
    liveness: tuple[Model, ...] = ()
    attributes: tuple[Model, ...] = ()


def read_face(message: faces_pb2.Face) -> Face:
    """One face."""
    marks, quality = message.landmarks, message.quality
    return Face(
        read_box(message.box),
        message.detection_score,
        Landmarks(*map(read_point, (marks.left_eye, marks.right_eye, marks.nose, marks.mouth_left, marks.mouth_right))),
        FaceQuality(
            quality.score,
            quality.size,
            quality.sharpness,
            quality.exposure,
            quality.frontality,
            quality.likeness if quality.HasField("likeness") else None,
            quality.visibility if quality.HasField("visibility") else None,
        ),
        read_embedding(message.embedding.values) if message.HasField("embedding") else None,
        read_picture(message.aligned_crop) if message.aligned_crop else None,
        message.liveness if message.HasField("liveness") else None,
        tuple(FaceAttribute(read_model(one.model), one.label, one.score) for one in message.attributes),
        message.track_id,
    )


def read_faces(response: faces_pb2.DetectFacesResponse | faces_pb2.EmbedFacesResponse) -> list[Faces]:
    """One for each picture."""
    detector = read_model(response.detector)
    embedder = None
    if isinstance(response, faces_pb2.EmbedFacesResponse) and response.HasField("embedder"):
        embedder = read_model(response.embedder)
    return [
        Faces(tuple(map(read_face, result.faces)), read_size(result.image_size), detector, embedder, result.found)
        for result in response.results
    ]


def read_comparison(response: faces_pb2.CompareFacesResponse) -> FaceComparison:
    """Read the answer to compare_faces."""
    return FaceComparison(
        response.is_match,
        response.similarity,
        response.match_threshold,
        response.expected_false_match_rate,
        read_face(response.first),
        read_face(response.second),
        read_model(response.embedder),
        response.first_faces_found,
        response.second_faces_found,
        response.beyond_calibration,
    )


def read_face_model(response: faces_pb2.GetFaceModelResponse) -> FaceModel:
    """The models in use."""
    table = response.calibration
    return FaceModel(
        read_model(response.detector),
        read_model(response.embedder),
        response.embedder_sha256,
        response.embedding_size,
        response.default_match_threshold,
        FaceCalibration(
            tuple(table.similarity),
            tuple(table.false_match_rate),
            tuple(table.false_match_rate_upper),
            table.impostor_pairs,
            table.tail_model,
            table.dataset,
            _read_genuine(table.genuine) if table.HasField("genuine") else None,
        ),
        tuple(map(read_model, response.liveness)),
        tuple(map(read_model, response.attributes)),
    )


def _read_genuine(message: faces_pb2.GenuineCalibration) -> GenuineCalibration:
    return GenuineCalibration(
        tuple(message.similarity),
        tuple(message.false_non_match_rate),
        tuple(message.false_non_match_rate_upper),
        message.pairs,
        message.dataset,
    )
