"""The loss of the face detector: which cells answer for which face, and the loss of each."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CENTRE_RADIUS_STRIDES = 1.5
CANDIDATES = 10


def compute_face_loss(
    predictions: tuple[Tensor, Tensor, Tensor], cells: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor, Tensor]
) -> dict[str, Tensor]:
    """The score, box and landmark losses of a batch, each divided by the number of cells that answer for a face.

    `predictions`: boxes [N,A,4], score logits [N,A,1], landmarks [N,A,5,2]; `cells`: centres [A,2], strides [A,1];
    `targets`: boxes [N,M,4], landmarks [N,M,5,2] (NaN where unknown), kinds [N,M] (0 none, 1 face, 2 to ignore).
    """
    sums = {name: predictions[0].new_zeros(()) for name in ("score", "box", "landmark")}
    positives = 0
    for boxes, logits, landmarks, *target in zip(*predictions, *targets, strict=True):
        losses, count = _compute_image_loss(boxes, logits[:, 0], landmarks, cells, *target)
        sums = {name: total + losses[name] for name, total in sums.items()}
        positives += count
    return {name: total / max(positives, 1) for name, total in sums.items()}


def _compute_image_loss(
    boxes: Tensor, logits: Tensor, landmarks: Tensor, cells: tuple[Tensor, Tensor],
    true_boxes: Tensor, true_landmarks: Tensor, kinds: Tensor,
) -> tuple[dict[str, Tensor], int]:  # fmt: skip
    faces = kinds == 1
    owners = assign_cells(boxes.detach(), logits.detach(), *cells, true_boxes[faces])
    positive = owners >= 0
    owned = true_boxes[faces][owners[positive]]
    overlaps, distances = compare_boxes(boxes[positive], owned)
    scores = torch.zeros_like(logits)
    scores[positive] = overlaps.detach().clamp(min=0)
    counted = positive | ~_lies_in(cells[0], true_boxes[kinds == 2])
    points = true_landmarks[faces][owners[positive]]
    known = ~points.isnan().flatten(1).any(dim=1)
    size = (owned[:, 2:] - owned[:, :2]).prod(dim=1).sqrt()
    errors = (landmarks[positive][known] - points[known]).abs() / size[known, None, None]
    return {
        "score": quality_focal_loss(logits, scores)[counted].sum(),
        "box": (1 - distances).sum(),
        "landmark": F.smooth_l1_loss(errors, torch.zeros_like(errors), beta=0.02, reduction="none").mean((1, 2)).sum(),
    }, int(positive.sum())


def assign_cells(boxes: Tensor, logits: Tensor, centres: Tensor, strides: Tensor, true_boxes: Tensor) -> Tensor:
    """The row [A] of the face that each cell answers for, or -1.

    A face takes the cells near its centre with the lowest cost by score and overlap. It takes as many as the overlaps
    of its ten best cells add up to. Source: SimOTA (Ge et al., "YOLOX", 2021, section 2.2).
    """
    owners = torch.full((len(boxes),), -1, dtype=torch.long, device=boxes.device)
    if len(true_boxes) == 0:
        return owners
    middle = (true_boxes[:, None, :2] + true_boxes[:, None, 2:]) / 2
    near = ((centres[None] - middle).abs() < CENTRE_RADIUS_STRIDES * strides[None]).all(dim=2)
    overlaps = compare_boxes(boxes[None], true_boxes[:, None])[0].clamp(min=0)
    score_cost = F.binary_cross_entropy_with_logits(logits[None].expand_as(overlaps), overlaps, reduction="none")
    cost = score_cost - 3 * (overlaps + 1e-6).log() + 1e5 * ~near
    counts = (
        torch.where(near, overlaps, 0).topk(min(CANDIDATES, len(boxes)), dim=1).values.sum(dim=1).int().clamp(min=1)
    )
    chosen = cost.argsort(dim=1).argsort(dim=1) < counts[:, None]
    chosen &= near
    best = torch.where(chosen, cost, torch.inf).min(dim=0)
    return torch.where(best.values.isfinite(), best.indices, owners)


def quality_focal_loss(logits: Tensor, qualities: Tensor, beta: float = 2.0) -> Tensor:
    """Cross-entropy against a quality between 0 and 1, weighted by the error (Li et al., NeurIPS 2020, equation 2)."""
    weight = (logits.sigmoid() - qualities).abs().pow(beta)
    return weight * F.binary_cross_entropy_with_logits(logits, qualities, reduction="none")


def compare_boxes(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and distance IoU of boxes xyxy, which broadcast (Zheng et al., AAAI 2020, equation 7)."""
    shared = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(
        min=0
    )
    hull = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    areas = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (first, second)]
    intersection = shared.prod(dim=-1)
    overlap = intersection / (areas[0] + areas[1] - intersection + 1e-6)
    offset = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    return overlap, overlap - offset.square().sum(dim=-1) / (hull.square().sum(dim=-1) + 1e-6)


def _lies_in(centres: Tensor, boxes: Tensor) -> Tensor:
    """Whether each point [A] lies in any of the boxes."""
    inside = (centres[None] >= boxes[:, None, :2]) & (centres[None] <= boxes[:, None, 2:])
    return inside.all(dim=2).any(dim=0)
