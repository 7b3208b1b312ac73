"""Landmarks: whether there is a face, and where its points are (Sun et al. 2013; Ng, Conv. Neural Networks, week 3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture


class LandmarkHead(nn.Module):
    """Features [N,C,H,W] -> logit [N] that there is a face, points [N,points,2] as x, y shares of the picture."""

    def __init__(self, inputs: int, points: int = 5, side: int = 4) -> None:
        super().__init__()
        self.points = points
        self.reduce = nn.Sequential(nn.Conv2d(inputs, 32, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(side), nn.Flatten())
        self.answer = nn.Linear(32 * side * side, 1 + 2 * points)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        answer = self.answer(self.reduce(features))
        return answer[:, 0], torch.sigmoid(answer[:, 1:]).unflatten(1, (self.points, 2))


@architecture("face-landmarks", task="face_landmarks", input=(64, 64), pixels_last=True)
class LandmarkNet(nn.Module):
    """uint8 RGB [N,H,W,3] with at most one face -> the answer of `LandmarkHead`; H and W are multiples of 32."""

    def __init__(self, widths: Sequence[int] = (16, 32, 64), points: int = 5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([3, *widths]):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = LandmarkHead(widths[-1], points)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = (images.permute(0, 3, 1, 2).float() - 127.5) / 127.5
        logits, points = self.head(self.features(pixels))
        return logits, points


def compute_landmark_loss(
    face_logits: Tensor, points: Tensor, face: Tensor, truth: Tensor, weight: float = 5.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """The logistic loss of the face and, if there is one, the smooth L1 loss of its points, in eye distances.

    face bool [N]; truth [N,points,2], NaN where a point is unknown; the first two points are the eyes.
    """
    presence = functional.binary_cross_entropy_with_logits(face_logits, face.float())
    known = face[:, None] & truth.isfinite().all(-1)
    eyes = (truth[:, 0] - truth[:, 1]).norm(dim=-1).nan_to_num(1.0).clamp(min=0.02)
    distance = (points - truth.nan_to_num()) / eyes[:, None, None]
    error = functional.smooth_l1_loss(distance[known], torch.zeros_like(distance[known]), reduction="sum", beta=0.1)
    place = error / known.sum().clamp(min=1)
    return presence + weight * place, {"face": presence, "points": place}
