"""Faces as CompreFace shows them. Age, gender, mask and pose are absent, as from a plugin that is off."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from convoy.v1 import common_pb2, faces_pb2
from convoy.web.doors.given import Given

LANDMARKS, CALCULATOR = "landmarks", "calculator"
VERSIONS = {"detector": "convoy.FaceDetector", "calculator": "convoy.FaceEmbedder"}


@dataclass(frozen=True)
class Wish:
    """What a client wants of each face. with_status: also how long it took, and what answered."""

    plugins: frozenset[str]
    with_status: bool
    began: float

    @classmethod
    def of(cls, given: Given) -> "Wish":
        """From the parameters. Plugins that are not here are passed over, as CompreFace does."""
        named = frozenset(slug.strip() for slug in given.text("face_plugins").split(","))
        return cls(named, given.flag("status"), time.perf_counter())

    @property
    def wants_embedding(self) -> bool:
        """Whether each face is to have its embedding."""
        return CALCULATOR in self.plugins

    def face(self, face: faces_pb2.Face, embedding: faces_pb2.Embedding | None = None) -> dict[str, object]:
        """One face."""
        shown: dict[str, object] = {"box": _box(face)}
        if LANDMARKS in self.plugins:
            shown[LANDMARKS] = [[round(point.x), round(point.y)] for point in _points(face.landmarks)]
        if self.wants_embedding and embedding is not None:
            shown["embedding"] = list(embedding.values)
        if self.with_status:
            shown["execution_time"] = {"detector": round((time.perf_counter() - self.began) * 1000, 1)}
        return shown

    def close(self, result: list[dict[str, object]]) -> dict[str, object]:
        """The whole answer."""
        answer: dict[str, object] = {"result": result}
        if self.with_status:
            answer["plugins_versions"] = VERSIONS
        return answer


def nearest_embedding(faces: list[faces_pb2.Face]) -> Callable[[faces_pb2.Face], faces_pb2.Embedding | None]:
    """Finds the embedding of a face that another call found in the same picture: that of the face in the same place."""

    def find(face: faces_pb2.Face) -> faces_pb2.Embedding | None:
        found = min(faces, key=lambda one: _apart(one.box, face.box), default=None)
        return found.embedding if found is not None and _apart(found.box, face.box) <= 1.0 else None

    return find


def _apart(first: common_pb2.Box, second: common_pb2.Box) -> float:
    """The largest difference of two boxes' edges, in pixels."""
    edges = ("x_min", "y_min", "x_max", "y_max")
    return float(max(abs(getattr(first, edge) - getattr(second, edge)) for edge in edges))


def _box(face: faces_pb2.Face) -> dict[str, float | int]:
    box = face.box
    return {
        "probability": round(face.detection_score, 5),
        "x_max": round(box.x_max),
        "y_max": round(box.y_max),
        "x_min": round(box.x_min),
        "y_min": round(box.y_min),
    }


def _points(found: faces_pb2.Landmarks) -> tuple[common_pb2.Point, ...]:
    return (found.left_eye, found.right_eye, found.nose, found.mouth_left, found.mouth_right)
