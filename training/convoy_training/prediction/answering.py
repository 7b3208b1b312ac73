"""Answers about pictures, as the service would give them: the same preparation and interpretation around the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from convoy.classification import task as classification
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, Task, load_manifest
from convoy.core.pictures.decoding import Picture
from convoy.detection import task as detection
from convoy.imaging import task as imaging
from convoy.segmentation import task as segmentation
from numpy.typing import NDArray

from convoy_training.errors import RecipeError
from convoy_training.evaluation import open_subject
from convoy_training.session import open_onnx
from convoy_training.task import Predict, settle


@dataclass(frozen=True)
class Found:
    """One thing that a model says of a picture.

    score: its probability, or the share of the picture's pixels for a class of a mask. box_xyxy: of a detector, in
    pixels of the upright picture.
    """

    label: str
    index: int
    score: float
    box_xyxy: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture, best first; width and height are those of the upright picture.

    mask: uint8 [H,W] class ids, of a segmenter. made: uint8 [H,W,3] or grey [H,W], of a model that makes pictures.
    """

    width: int
    height: int
    found: list[Found] = field(default_factory=list)
    mask: NDArray[np.uint8] | None = None
    made: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Answerer:
    """A model that answers. task: that of the service which would answer with it."""

    name: str
    task: Task
    manifest: Manifest
    predict: Predict
    detection_threshold: float | None = None
    top: int = 5

    def answer(self, picture: Picture, hole: NDArray[np.uint8] | None = None) -> Answer:
        """What it says of one picture. hole: uint8 [H,W], bright where a model that fills in is to do so."""
        if self.task is Task.PICTURE_TO_PICTURE:
            made = imaging.transform(self.predict, picture.image_rgb, self.manifest, mask=hole)
            return Answer(picture.width, picture.height, made=made)
        say: Callable[[Answerer, Picture], Answer] = ANSWERS[self.task]
        return say(self, picture)

    @property
    def needs_holes(self) -> bool:
        """Whether it needs a mask for each picture."""
        return bool(self.manifest.picture and "mask" in self.manifest.picture.inputs)

    def run(self, canvas: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The graph's outputs for one canvas [H,W,3]."""
        return {name: values[0] for name, values in self.predict(canvas[None]).items()}


def open_answerer(target: Path, detection_threshold: float | None = None) -> Answerer:
    """A published or imported <model>/<version> folder, or a run, whose data must be at hand.

    Raises RecipeError for a task whose answers are no labels, boxes, masks or pictures.
    """
    if (target / MANIFEST_FILE).exists():
        manifest = load_manifest(target)
        name, kind, predict = f"{manifest.name}/{manifest.version}", str(manifest.task), open_onnx(target / GRAPH_FILE)
    else:
        subject = open_subject(target, other_data=True)
        config = subject.config
        if detection_threshold is None:
            config = settle(subject.task, config, subject.predict)
        told = subject.task.describe(config)
        name, kind, predict = subject.config.name, told.task or subject.config.task, subject.predict
        manifest = told.preview().model_copy(update={"name": name})
    if kind not in (*ANSWERS, Task.PICTURE_TO_PICTURE):
        known = ", ".join((*ANSWERS, Task.PICTURE_TO_PICTURE))
        raise RecipeError(f"{target} does {kind}; predict shows what {known} say of pictures")
    return Answerer(name, Task(kind), manifest, predict, detection_threshold)


def _classify(model: Answerer, picture: Picture) -> Answer:
    canvas, _ = classification.prepare(picture, model.manifest)
    options = classification.Options(top_k=model.top)
    labels = classification.interpret(model.run(canvas), model.manifest, options)
    return Answer(picture.width, picture.height, [Found(one.name, one.index, one.probability) for one in labels])


def _detect(model: Answerer, picture: Picture) -> Answer:
    canvas, where = detection.prepare(picture, model.manifest)
    options = detection.Options(detection_threshold=model.detection_threshold)
    objects = detection.interpret(model.run(canvas), where, picture, model.manifest, options)
    found = [Found(one.label, one.index, one.score, one.box_xyxy) for one in objects]
    return Answer(picture.width, picture.height, found)


def _segment(model: Answerer, picture: Picture) -> Answer:
    canvas, where = segmentation.prepare(picture, model.manifest)
    mask = segmentation.interpret(model.run(canvas), where, picture)
    regions = segmentation.regions(mask, model.manifest)
    found = [Found(one.label, one.index, one.area) for one in regions]
    return Answer(picture.width, picture.height, found, mask)


ANSWERS: Mapping[str, Callable[[Answerer, Picture], Answer]] = {
    Task.CLASSIFICATION: _classify,
    Task.DETECTION: _detect,
    Task.SEGMENTATION: _segment,
}
