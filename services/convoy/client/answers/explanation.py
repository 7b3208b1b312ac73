"""Answers that explain other answers."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Box, Model, Point, Size, read_box, read_model, read_size
from convoy.client.answers.decoding import read_picture
from convoy.client.answers.faces import Face, read_face
from convoy.v1 import classification_pb2, detection_pb2, explanation_pb2, faces_pb2, segmentation_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SIMILARITY = "similarity"
"""The label of what makes two faces alike."""
_MIDDLE, _REACH = 128, 127


@dataclass(frozen=True)
class Explanation(Answer):
    """Which places of a picture an answer rests on.

    heat: float32 [h, w], by how much the score falls when a place is covered, negative where it rises; its size is that
    of the picture, reduced to 1,024 pixels. peak: its largest absolute value; score: of the whole picture; looks: how
    many times the network looked; overlay_png: the picture with the map laid over it, if the call asked for it.
    """

    label: str
    index: int
    score: float
    peak: float
    looks: int
    heat: "npt.NDArray[np.float32]" = field(repr=False, compare=False)
    image_size: Size
    model: Model
    overlay_png: bytes = field(default=b"", repr=False, compare=False)

    @property
    def strongest(self) -> Point:
        """The place that speaks most for the answer, in pixels of the picture."""
        height, width = self.heat.shape
        row, column = divmod(int(self.heat.argmax()), width)
        return Point(
            float((column + 0.5) * self.image_size.width / width), float((row + 0.5) * self.image_size.height / height)
        )


@dataclass(frozen=True)
class ExplainedDetection(Explanation):
    """Which places of a picture make a detector see an object; place: where the object is."""

    place: Box | None = None


@dataclass(frozen=True)
class ExplainedComparison(Answer):
    """What in a face makes it similar to another one: `explanation`, whose score is the cosine similarity.

    explanation: None for callers without the scope `scores`; its overlay shows the aligned face.
    """

    explanation: Explanation | None
    first: Face
    second: Face
    embedder: Model


def read_explanation(
    response: classification_pb2.ExplainResponse | segmentation_pb2.ExplainSegmentationResponse,
) -> Explanation:
    """From the answer of a service that explains a label."""
    return Explanation(**_facts(response.explanation, response.label, response.index, read_model(response.model)))


def read_detection(response: detection_pb2.ExplainDetectionResponse) -> ExplainedDetection:
    """From the answer of detection."""
    facts = _facts(response.explanation, response.label, response.index, read_model(response.model))
    return ExplainedDetection(**facts, place=read_box(response.place))


def read_comparison(response: faces_pb2.ExplainComparisonResponse) -> ExplainedComparison:
    """From the answer of faces."""
    model, message = read_model(response.embedder), response.explanation
    explanation = Explanation(**_facts(message, SIMILARITY, 0, model)) if response.HasField("explanation") else None
    return ExplainedComparison(explanation, read_face(response.first), read_face(response.second), model)


def _facts(message: explanation_pb2.Explanation, label: str, index: int, model: Model) -> dict[str, Any]:
    return {
        "label": label,
        "index": index,
        "score": message.score,
        "peak": message.peak,
        "looks": message.looks,
        "heat": _read_map(message),
        "image_size": read_size(message.image_size),
        "model": model,
        "overlay_png": message.overlay,
    }


def _read_map(message: explanation_pb2.Explanation) -> "npt.NDArray[np.float32]":
    import numpy as np

    if message.map_format == explanation_pb2.MAP_FORMAT_FLOAT32:
        shape = message.map_size.height, message.map_size.width
        return np.frombuffer(message.map, "<f4").reshape(shape).astype(np.float32)
    grey = read_picture(message.map).astype(np.float32)
    return np.asarray((grey - _MIDDLE) * (message.peak / _REACH), np.float32)
