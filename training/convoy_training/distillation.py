"""A teacher of classifiers, detectors and segmenters: a published model whose answers a student learns too.

The teacher looks at the very pictures that the student sees, after every change. It is a graph in ONNX Runtime, so that
imported models teach too. (Face embedders learn vectors: see `teacher` and `lessons`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from convoy.core.errors import ConvoyError
from convoy.core.manifest import GRAPH_FILE, Manifest, Task, load_manifest
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from convoy_training.errors import RecipeError
from convoy_training.recipe import Positive, Strict, Weight
from convoy_training.session import open_onnx
from convoy_training.task import Predict
from convoy_training.teacher import find_model


class Teacher(Strict):
    """Whom a student learns from, and how much of the loss that is."""

    model: str = Field(
        min_length=1, description="a <model>/<version> folder, a <model> folder, or a name in exported_models"
    )
    weight: Weight = Field(1.0, description="of the difference from the teacher's answers, beside the labels' loss")
    temperature: Positive = Field(
        2.0, description="of classifiers: above 1, what the teacher thinks unlikely counts more"
    )


@dataclass(frozen=True)
class OpenTeacher:
    """A teacher that was found, proven by its digest, and that knows the student's classes.

    columns: the teacher's number of each class of the student.
    """

    manifest: Manifest
    predict: Predict
    columns: NDArray[np.int64]

    def ask(self, images: Tensor) -> dict[str, Tensor]:
        """The graph's outputs for pictures [N,H,W,3] in 0..255. A graph of one size sees them resized."""
        spec, size = self.manifest.input, images.shape[1:3]
        if spec.height and spec.width and size != (spec.height, spec.width):
            planes = images.permute(0, 3, 1, 2).float()
            wanted = (spec.height, spec.width)
            images = functional.interpolate(planes, wanted, mode="bilinear", antialias=True).permute(0, 2, 3, 1)
        pixels = images.detach().round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        answers = self.predict(np.ascontiguousarray(pixels))
        return {name: torch.from_numpy(np.asarray(value)).to(images.device) for name, value in answers.items()}

    def describe(self) -> str:
        """Who taught, by digest, and under which terms, as a sentence for manifests and cards."""
        facts = self.manifest
        told = f"Taught by {facts.name}/{facts.version} (SHA-256 {facts.sha256}; {facts.training.recipe})"
        return (
            f"{told}, whose terms are: {facts.licence}. What the teacher was trained on may include held-out pictures"
        )


@cache
def open_teacher(name: str, task: str, classes: tuple[str, ...]) -> OpenTeacher:
    """The teacher that a recipe names.

    Raises RecipeError where there is none, where it does another task, or where it lacks a class of the student.
    """
    folder = find_model(name)
    try:
        manifest = load_manifest(folder)
    except ConvoyError as error:
        raise RecipeError(f"teacher.model: {error.message}") from None
    if manifest.task is not Task(task):
        raise RecipeError(f"teacher.model: {folder} does {manifest.task}; a student of {task} needs a teacher of it")
    if missing := [name for name in classes if name not in manifest.labels]:
        known = ", ".join(manifest.labels[:20])
        raise RecipeError(f"teacher.model: {folder} does not know the class '{missing[0]}'; it knows {known}")
    columns = np.array([manifest.labels.index(name) for name in classes], np.int64)
    return OpenTeacher(manifest, open_onnx(folder / GRAPH_FILE), columns)


def compare_labels(logits: Tensor, images: Tensor, teacher: OpenTeacher, temperature: float) -> Tensor:
    """The difference of a classifier's logits [N,C] from the teacher's probabilities (Hinton et al. 2015).

    Both are softened by the temperature, whose square keeps the gradients' size.
    """
    told = teacher.ask(images)["probabilities"][:, torch.from_numpy(teacher.columns).to(images.device)]
    softened = (told.float().clamp(min=1e-8).log() / temperature).log_softmax(1)
    mine = (logits.float() / temperature).log_softmax(1)
    return functional.kl_div(mine, softened, reduction="batchmean", log_target=True) * temperature**2


def compare_cells(logits: Tensor, boxes: Tensor, images: Tensor, teacher: OpenTeacher) -> Tensor:
    """The difference of a detector's scores [N,A,C] (logits) and boxes [N,A,4] from the teacher's, cell by cell.

    Scores by binary cross-entropy, weighed by how far apart they are (Li et al. 2020, quality focal loss); boxes by the
    distance of their edges, as a share of the picture, where the teacher is sure. Raises RecipeError if the teacher's
    graph has other cells.
    """
    told = teacher.ask(images)
    columns = torch.from_numpy(teacher.columns).to(logits.device)
    scores, places = told["scores"][..., columns].float(), told["boxes"].float()
    if scores.shape != logits.shape:
        have = f"{teacher.manifest.name} answers with {scores.shape[1]} cells, the student with {logits.shape[1]}"
        raise RecipeError(f"teacher.model: {have}: take a YOLO of the same strides, such as one of ours")
    apart = (scores - logits.detach().sigmoid()).square()
    entropy = functional.binary_cross_entropy_with_logits(logits, scores, reduction="none")
    sure = scores.amax(2)
    total = sure.sum().clamp(min=1)
    edges = (boxes - places).abs().mean(2) / max(images.shape[1:3])
    return (entropy * apart).sum() / total + (edges * sure).sum() / total


def compare_maps(logits: Tensor, images: Tensor, teacher: OpenTeacher, ignore: int) -> Tensor:
    """The cross-entropy of a segmenter's logits [N,C,H,W] with the teacher's class map; unlabelled pixels learn too.

    Pixels to which the teacher gives a class that the student lacks teach nothing.
    """
    told = teacher.ask(images)["class_map"].long()
    numbers = torch.full((256,), ignore, device=logits.device)
    numbers[torch.from_numpy(teacher.columns).to(logits.device)] = torch.arange(
        len(teacher.columns), device=logits.device
    )
    target = numbers[told]
    if target.shape[1:] != logits.shape[2:]:
        target = functional.interpolate(target[:, None].float(), logits.shape[2:], mode="nearest")[:, 0].long()
    if not (target != ignore).any():
        return logits.sum() * 0.0
    return functional.cross_entropy(logits, target, ignore_index=ignore)


def describe_teacher(wanted: Teacher | None, task: str, classes: Sequence[str]) -> str:
    """Whom a student learns from, for its provenance; empty without a teacher. Opens it, so that errors show now."""
    return open_teacher(wanted.model, task, tuple(classes)).describe() if wanted else ""
