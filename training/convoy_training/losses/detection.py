"""The loss of detectors without anchors: which cells answer for which object, and the loss of each.

Cells are assigned by the alignment of score and overlap (Feng et al. 2021, TOOD, arXiv:2108.07755); boxes learn by
complete IoU (Zheng et al. 2020, arXiv:1911.08287).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.box_geometry import compute_complete_iou, compute_iou
from convoy_training.structures import CROWD


@dataclass(frozen=True)
class Assignment:
    """Per cell: `positive` bool [N,A], `target_boxes` [N,A,4], `target_scores` [N,A,C] in 0..1.

    owner: the row of the true box that the cell answers for, int64 [N,A].
    """

    positive: Tensor
    target_boxes: Tensor
    target_scores: Tensor
    owner: Tensor


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, centres: Tensor, truth_boxes: Tensor, truth_labels: Tensor, top: int = 10
) -> Assignment:
    """Gives each object the `top` cells inside it with the highest score^0.5 * IoU^6.

    scores [N,A,C], boxes [N,A,4], centres [A,2]; truth_boxes [N,K,4] and truth_labels [N,K], -1 where padded.
    """
    real = truth_labels >= 0
    overlap = compute_iou(truth_boxes[:, :, None], boxes[:, None]).clamp(min=0)
    index = truth_labels.clamp(min=0)[:, None].expand(-1, scores.shape[1], -1)
    alignment = scores.gather(2, index).transpose(1, 2).sqrt() * overlap**6
    inside = _inside(centres, truth_boxes) & real[:, :, None]
    alignment = torch.where(inside, alignment, 0.0)
    best = alignment.topk(min(top, alignment.shape[2]), dim=2).indices
    chosen = torch.zeros_like(inside).scatter_(2, best, True) & inside
    # A cell that several objects choose goes to the one that it overlaps most.
    owner = torch.where(chosen, overlap, -1.0).argmax(1)
    positive = chosen.any(1)
    mine = functional.one_hot(owner, chosen.shape[1]).transpose(1, 2).bool() & chosen
    alignment = torch.where(mine, alignment, 0.0)
    strength = alignment * (torch.where(mine, overlap, 0.0).amax(2) / alignment.amax(2).clamp(min=1e-9))[:, :, None]
    strength = strength.amax(1)
    labels = truth_labels.clamp(min=0).gather(1, owner)
    target_scores = functional.one_hot(labels, scores.shape[2]) * (strength * positive)[:, :, None]
    target_boxes = truth_boxes.gather(1, owner[:, :, None].expand(-1, -1, 4))
    return Assignment(positive, target_boxes, target_scores, owner)


def find_crowds(centres: Tensor, boxes: Tensor, labels: Tensor, classes: int) -> Tensor | None:
    """Which cells lie in a crowd of which class, bool [N,A,C]; None if there is none.

    centres [A,2]; boxes [N,K,4]; labels [N,K], those of crowds from CROWD down. Nobody has told apart the objects of a
    crowd: a cell in it may answer with its class or not, and neither is wrong (COCO's `iscrowd`).
    """
    crowd = labels <= CROWD
    if not crowd.any():
        return None
    inside = _inside(centres, boxes) & crowd[:, :, None]
    kinds = functional.one_hot((CROWD - labels).clamp(min=0), classes).bool()
    return (inside[..., None] & kinds[:, :, None]).any(1)


def compute_detection_loss(
    logits: Tensor, boxes: Tensor, assignment: Assignment, box_weight: float, crowds: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Binary cross-entropy on soft scores, plus (1 - complete IoU) on cells that answer for an object.

    crowds: scores that teach nothing, bool [N,A,C], unless the cell answers for an object. Returns the sum and its
    parts.
    """
    total, positive = assignment.target_scores.sum().clamp(min=1), assignment.positive
    taught = None if crowds is None else (~crowds | positive[..., None]).to(logits.dtype)
    score_loss = (
        functional.binary_cross_entropy_with_logits(logits, assignment.target_scores, taught, reduction="sum") / total
    )
    weights = assignment.target_scores.sum(2)[positive]
    overlap = compute_complete_iou(boxes[positive], assignment.target_boxes[positive])
    box_loss = ((1 - overlap) * weights).sum() / total
    return score_loss + box_weight * box_loss, {"score_loss": score_loss, "box_loss": box_loss}


def _inside(centres: Tensor, boxes: Tensor) -> Tensor:
    near = centres - boxes[:, :, None, :2]
    far = boxes[:, :, None, 2:] - centres
    return torch.minimum(near, far).amin(-1) > 1e-9
