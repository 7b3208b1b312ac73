"""Explains a photo, as the service sees it, and draws the map over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from convoy.classification import task
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, Task, load_manifest
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.heat import lay_over
from convoy.core.pictures.occlusion import lay_out
from numpy.typing import NDArray

from convoy_training.errors import TrainingError
from convoy_training.explanation.maps import Explain, Floats, grad_cam, occlude
from convoy_training.explanation.measuring import METHODS, build_predict
from convoy_training.explanation.network import open_classifier
from convoy_training.session import open_onnx
from convoy_training.task import Predict

OCCLUSION, GRAD_CAM = "occlusion", "grad-cam"


@dataclass(frozen=True)
class ExplainedPhoto:
    """A label with its probability, its map of the photo, and the photo with the map over it, uint8 RGB [H,W,3]."""

    label: str
    probability: float
    heat: Floats
    drawn: NDArray[np.uint8]


@dataclass(frozen=True)
class Answers:
    """A classifier by its answers alone: how a service prepares a photo for it, and uint8 RGB [N,H,W,3] -> answers."""

    manifest: Manifest
    predict: Predict


@dataclass(frozen=True)
class Way:
    """What explains a photo: the answers, the method, and why it is not the usual one; empty if it is."""

    answers: Answers
    explain: Explain
    note: str = ""


def open_way(target: Path, method: str = "", layer: str = "") -> Way:
    """How the photos of a run or of a published classifier are explained.

    method: a name of `METHODS`; empty for Grad-CAM, or occlusion where a published graph has no gradients, such as an
    imported one, or one in smaller numbers. layer: of Grad-CAM. Raises TrainingError.
    """
    published = (target / MANIFEST_FILE).exists()
    if published and method == OCCLUSION:
        return occlude_graph(target)
    try:
        opened = open_classifier(target)
    except TrainingError as error:
        if method or layer or not published:
            raise
        return occlude_graph(target, f"by occlusion, since it has no gradients: {error}")
    answers = Answers(opened.task.describe(opened.config).preview(), build_predict(opened))
    return Way(answers, METHODS[method](opened) if method not in ("", GRAD_CAM) else grad_cam(opened, layer))


def occlude_graph(target: Path, note: str = "") -> Way:
    """Occlusion of a published classifier, which needs nothing but its answers. Raises TrainingError."""
    manifest = load_manifest(target)
    if manifest.task is not Task.CLASSIFICATION:
        raise TrainingError(f"{target} does {manifest.task}; only classifiers of pictures are explained here")
    answers = Answers(manifest, open_onnx(target / GRAPH_FILE))
    return Way(answers, occlude(answers.predict), note)


def find_label(labels: Sequence[str], label: str) -> int:
    """The position of a label. Raises TrainingError if the classifier does not know it."""
    if label not in labels:
        raise TrainingError(f"there is no label '{label}'; there are {', '.join(labels[:20])}")
    return list(labels).index(label)


def explain_photo(way: Way, photo: bytes, label: str = "") -> ExplainedPhoto:
    """Explains a picture file; label: empty for the most probable one. Raises TrainingError, InvalidArgument."""
    manifest = way.answers.manifest
    index = find_label(manifest.labels, label) if label else None
    picture = decode_image(photo, window=manifest.input.window)
    canvas, placement = task.prepare(picture, manifest)
    probabilities = way.answers.predict(canvas[None])["probabilities"][0]
    index = int(probabilities.argmax()) if index is None else index
    heat = lay_out(way.explain(canvas, index), placement, picture)
    size = (picture.image_rgb.shape[1], picture.image_rgb.shape[0])
    over = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)
    drawn = lay_over(picture.image_rgb, np.asarray(over, np.float32))
    return ExplainedPhoto(manifest.labels[index], float(probabilities[index]), heat, drawn)
