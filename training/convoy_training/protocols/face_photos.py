"""Finds, judges and embeds the faces of photos as the faces service does, with a detector and an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from convoy.core.manifest import GRAPH_FILE, Manifest, Task, load_manifest
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.faces import task
from convoy.faces.judging import JudgedFace, judge_all
from convoy.faces.looks import merge_looks, take_looks
from convoy.faces.task import Options

from convoy_training.errors import RecipeError
from convoy_training.session import open_onnx
from convoy_training.task import Predict

AS_USUAL = Options()


@dataclass(frozen=True)
class Models:
    """The folders of the face detector and the face embedder that a protocol measures together."""

    detector: Path
    embedder: Path

    @classmethod
    def choose(cls, target: Path, detector: Path, embedder: Path) -> Models:
        """The target as what it is, beside the other one. Raises RecipeError if it is neither."""
        task = load_manifest(target).task
        if task is Task.FACE_DETECTION:
            return cls(target, embedder)
        if task is Task.FACE_EMBEDDING:
            return cls(detector, target)
        raise RecipeError(f"{target} does {task}; the protocol is for face detectors and face embedders")


class FaceFinder:
    """Detector and embedder of a faces service, without the service. Without an embedder, faces have no embedding."""

    def __init__(self, detector: Path, embedder: Path | None = None) -> None:
        self._detector, self._detect = _open(detector, Task.FACE_DETECTION)
        self._embed = _open(embedder, Task.FACE_EMBEDDING)[1] if embedder else None

    def find(
        self, image_rgb: Pixels, options: Options = AS_USUAL, classifiers: Sequence[Manifest] = ()
    ) -> list[JudgedFace]:
        """The faces of a picture [H,W,3] with quality, embedding and the inputs of classifiers, largest first."""
        picture, found = self._locate(image_rgb, options)
        judged = judge_all(picture, found, self._detector, options, classifiers)
        return [self._with_embedding(face) for face in judged.faces]

    def cut(self, image_rgb: Pixels, options: Options) -> list[Pixels]:
        """The aligned crops of the faces of a picture, not judged."""
        picture, found = self._locate(image_rgb, options)
        return [task.align(picture, face) for face in found]

    def _locate(self, image_rgb: Pixels, options: Options) -> tuple[Picture, list[task.DetectedFace]]:
        height, width = image_rgb.shape[:2]
        picture = Picture(image_rgb, width, height)
        looks = take_looks(picture, self._detector, options)
        outputs = [first_row(self._detect(look.canvas[None])) for look in looks]
        return picture, merge_looks(outputs, [look.place for look in looks], picture, self._detector, options)

    def _with_embedding(self, face: JudgedFace) -> JudgedFace:
        if self._embed is None:
            return face
        return replace(face, embedding=first_row(self._embed(face.aligned_rgb[None]))["embeddings"])


def _open(folder: Path, task: Task) -> tuple[Manifest, Predict]:
    manifest = load_manifest(folder)
    if manifest.task is not task:
        raise RecipeError(f"{folder} does {manifest.task}, not {task}")
    return manifest, open_onnx(folder / GRAPH_FILE, threads=1)


def first_row(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of the first input of a batch."""
    return {name: rows[0] for name, rows in outputs.items()}
