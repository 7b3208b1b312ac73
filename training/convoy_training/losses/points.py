"""The loss of named points: how far each lies from its place, and whether it is visible."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.losses.detection import Assignment


def compute_point_loss(
    points: Tensor, assignment: Assignment, truth: Tensor, sigmas: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """The mean over labelled points of cells that answer for an object, and over all of their points.

    points [N,A,P,3]: x, y in input pixels, and the logit of being visible; truth [N,K,P,3] as in `Places`; sigmas: of
    each point, as COCO has them. Near its place, a point costs -log of COCO's object similarity; further away the cost
    grows like the distance and not like its square (Huber), so that far points do not rule and still learn.
    """
    owner = assignment.owner[..., None, None].expand(-1, -1, *truth.shape[2:])
    wanted = truth.gather(1, owner)[assignment.positive]
    found = points[assignment.positive].float()
    if not len(found):
        nothing = points.sum() * 0.0
        return nothing, nothing
    sides = assignment.target_boxes[assignment.positive]
    area = (sides[:, 2:] - sides[:, :2]).prod(1).clamp(min=1)
    # COCO: similarity = exp(-distance^2 / (2 * area * (2 * sigma)^2)).
    scale = 2 * torch.tensor(sigmas, device=found.device) * area.sqrt()[:, None]
    away = (found[..., :2] - wanted[..., :2]).square().sum(-1).clamp(min=1e-12).sqrt() / scale
    cost = functional.huber_loss(away, torch.zeros_like(away), reduction="none")
    labelled = (wanted[..., 2] > 0).to(cost.dtype)
    places = (cost * labelled).sum() / labelled.sum().clamp(min=1)
    visible = functional.binary_cross_entropy_with_logits(found[..., 2], (wanted[..., 2] == 2).to(cost.dtype))
    return places, visible
