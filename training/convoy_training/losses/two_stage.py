"""The loss of a two-stage detector: which anchors and regions answer for which object, and the loss of each.

Source: Faster R-CNN (Ren et al. 2015, sections 3.1.2 and 3.1.3; approximate joint training, section 3.2).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.box_geometry import compute_overlaps, decode_boxes, encode_boxes, in_crowds

DELTA_SCALE = (0.1, 0.1, 0.2, 0.2)
"""The second stage's steps are small; divided by this they have about unit variance (Fast R-CNN's published code)."""
ANCHORS, REGIONS = 256, 64
"""How many anchors and regions of each picture are used; at most half of the anchors lie on objects."""
OBJECTS = REGIONS // 4
"""How many regions lie on objects at most."""


class Stages(NamedTuple):
    """The answers of both stages.

    First stage: objectness [N,A] (logits) and anchor_steps [N,A,4] from `anchors` [A,4]. Second stage, about `regions`
    [N,K,4]: logits [N,K,C+1], the last one background, and steps [N,K,C,4].
    """

    objectness: Tensor
    anchor_steps: Tensor
    anchors: Tensor
    regions: Tensor
    logits: Tensor
    steps: Tensor

    def decode(self) -> tuple[Tensor, Tensor]:
        """Boxes [N,K*C,4] and scores [N,K*C,C]: each class has its own boxes, with a score for that class alone."""
        scores = self.logits.softmax(-1)[..., :-1]
        scale = torch.tensor(DELTA_SCALE, device=scores.device)
        boxes = decode_boxes(self.steps * scale, self.regions[:, :, None])
        return boxes.flatten(1, 2), torch.diag_embed(scores).flatten(1, 2)


def compute_two_stage_loss(
    stages: Stages, truth_boxes: Tensor, truth_labels: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum of four losses; truth_boxes [N,M,4], truth_labels [N,M], -1 where padded, crowds from CROWD down.

    What lies in a crowd is no background: it is neither right nor wrong to find an object there.
    """
    kinds, owners = label_anchors(stages.anchors, truth_boxes, truth_labels)
    everywhere = stages.anchors.expand(len(truth_boxes), -1, -1)
    kinds = torch.where(in_crowds(everywhere, truth_boxes, truth_labels) & (kinds == 0), -1, kinds)
    chosen = torch.stack([_sample(kind, ANCHORS) for kind in kinds])
    count, positive = chosen.sum().clamp(min=1), chosen & (kinds == 1)
    entropy = functional.binary_cross_entropy_with_logits(stages.objectness[chosen], (kinds[chosen] == 1).float())
    targets = encode_boxes(_take(truth_boxes, owners), stages.anchors)
    place = functional.smooth_l1_loss(stages.anchor_steps[positive], targets[positive], reduction="sum", beta=1 / 9)
    labels, owners = label_regions(stages.regions, truth_boxes, truth_labels, background=stages.logits.shape[-1] - 1)
    named = functional.cross_entropy(stages.logits.flatten(0, 1), labels.flatten())
    found = labels < stages.logits.shape[-1] - 1
    targets = encode_boxes(_take(truth_boxes, owners), stages.regions) / torch.tensor(DELTA_SCALE, device=labels.device)
    steps = stages.steps[found].gather(1, labels[found][:, None, None].expand(-1, 1, 4))[:, 0]
    refined = functional.smooth_l1_loss(steps, targets[found], reduction="sum") / labels.numel()
    parts = {"objectness": entropy, "anchors": place / count, "classes": named, "boxes": refined}
    return torch.stack(list(parts.values())).sum(), parts


def label_anchors(anchors: Tensor, truth_boxes: Tensor, truth_labels: Tensor) -> tuple[Tensor, Tensor]:
    """The kind of each anchor [N,A] (1 object, 0 background, -1 neither), and the row of its object.

    An anchor is an object if it overlaps one by 0.7, or overlaps it more than any other anchor does. It is background
    if it overlaps every object by less than 0.3.
    """
    overlaps = _overlap(anchors.expand(len(truth_boxes), -1, -1), truth_boxes, truth_labels)
    best, owners = overlaps.max(2)
    kinds = torch.where(best >= 0.7, 1, torch.where(best < 0.3, 0, -1))
    best_anchors = (overlaps == overlaps.amax(1, keepdim=True)) & (overlaps > 0)
    owners = torch.where(best_anchors.any(2), best_anchors.int().argmax(2), owners)
    return torch.where(best_anchors.any(2), 1, kinds), owners


def label_regions(regions: Tensor, truth_boxes: Tensor, truth_labels: Tensor, background: int) -> tuple[Tensor, Tensor]:
    """The class of each region [N,K] (`background` if no object overlaps it by 0.5), and the row of its object."""
    best, owners = _overlap(regions, truth_boxes, truth_labels).max(2)
    return torch.where(best >= 0.5, truth_labels.gather(1, owners), background), owners


def sample_regions(proposals: Tensor, truth_boxes: Tensor, truth_labels: Tensor) -> Tensor:
    """Draws `REGIONS` regions [N,R,4] to learn from; at most OBJECTS lie on objects, whose own boxes may be drawn.

    Those that lie on objects come first.
    """
    candidates = torch.cat([truth_boxes, proposals], 1)
    best = _overlap(candidates, truth_boxes, truth_labels).amax(2)
    best[:, : truth_boxes.shape[1]][truth_labels < 0] = -1  # padding is not a candidate
    kinds = torch.where(best >= 0.5, 1, torch.where(best >= 0, 0, -1))
    # Of a picture that is all crowd something must be left to choose from.
    crowded = in_crowds(candidates, truth_boxes, truth_labels) & (kinds == 0)
    kinds = torch.where(crowded & (~crowded & (kinds >= 0)).any(1, keepdim=True), -1, kinds)
    regions = []
    for boxes, kind in zip(candidates, kinds, strict=True):
        rows = _sample(kind, REGIONS, objects=OBJECTS).nonzero()[:, 0]
        rows = rows[kind[rows].argsort(descending=True, stable=True)]
        # If there are too few to choose from, some are used twice.
        regions.append(boxes[rows[torch.arange(REGIONS, device=rows.device) % len(rows)]])
    return torch.stack(regions)


def _sample(kinds: Tensor, count: int, objects: int | None = None) -> Tensor:
    """A mask [A] of `count` random rows: at most half (or `objects`) of kind 1, the rest of kind 0, none of kind -1."""
    objects = count // 2 if objects is None else objects
    chosen = torch.zeros_like(kinds, dtype=torch.bool)
    for kind, most in ((1, objects), (0, count)):
        rows = (kinds == kind).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), device=rows.device)[: min(most, count - int(chosen.sum()))]]
        chosen[rows] = True
    return chosen


def _overlap(boxes: Tensor, truth_boxes: Tensor, truth_labels: Tensor) -> Tensor:
    return torch.where(truth_labels[:, None] >= 0, compute_overlaps(boxes, truth_boxes), 0.0)


def _take(truth_boxes: Tensor, owners: Tensor) -> Tensor:
    return truth_boxes.gather(1, owners[..., None].expand(-1, -1, 4))
