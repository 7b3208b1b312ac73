"""The loss of an embedder with a teacher: its vectors come near the teacher's, and so do the similarities of pairs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convoy_training.structures import UNNAMED
from convoy_training.teacher import Teacher


class Teaching(nn.Module):
    """One minus the cosine to the teacher's vectors, plus `relations` times the difference of the similarities.

    `vectors` and `answers` are [N,D]; returns the mean loss and its parts. The similarities of all pairs in the batch
    are compared by their mean squared difference (the distance-wise relations of Park et al., CVPR 2019, with cosines).
    """

    def __init__(self, relations: float = 20.0) -> None:
        super().__init__()
        self.relations = relations

    def forward(self, vectors: Tensor, answers: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of a batch, with the mean cosine and the mean squared difference for the curves."""
        with torch.autocast(vectors.device.type, enabled=False):  # bfloat16 has too few digits for similarities
            vectors, answers = F.normalize(vectors.float()), F.normalize(answers.float())
            cosine = (vectors * answers).sum(1).mean()
            relations = (vectors @ vectors.T - answers @ answers.T).square().mean()
        parts = {"teacher_cosine": cosine.detach(), "teacher_relations": relations.detach()}
        return 1 - cosine + self.relations * relations, parts


class Student(nn.Module):
    """An embedder that learns from a teacher and, if you give a `margin`, from the names of the people too."""

    training_only = ("margin",)

    def __init__(self, embedder: nn.Module, margin: nn.Module | None, teacher: Teacher) -> None:
        super().__init__()
        self.embedder, self.margin, self.teacher = embedder, margin, teacher
        self.teaching = Teaching(teacher.relations)

    def forward(self, images: Tensor, labels: Tensor, answers: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of a batch, and its parts."""
        vectors = self.embedder(images)
        loss, parts = self.teaching(vectors, answers)
        loss = self.teacher.weight * loss
        named = labels != UNNAMED
        if self.margin is not None and bool(named.any()):
            margin = self.margin(vectors[named], labels[named])
            loss, parts = loss + self.teacher.margin * margin, {**parts, "margin": margin.detach()}
        return loss, parts
