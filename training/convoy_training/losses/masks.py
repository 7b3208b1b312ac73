"""The loss of masks that are sums of prototypes: cross-entropy and Dice inside each object's box."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.losses.detection import Assignment


def compute_mask_loss(
    coefficients: Tensor, prototypes: Tensor, assignment: Assignment, instances: Tensor, stride: int, most: int
) -> Tensor:
    """The mean over cells that answer for an object: binary cross-entropy over its box's pixels, plus 1 - Dice.

    coefficients [N,A,M]; prototypes [N,M,h,w]; instances int [N,h,w]: numbers of the true boxes from 1; stride: pixels
    of the input for one of the map. At most `most` cells of each picture are looked at, chosen at random, since masks
    of all of them would fill the memory.
    """
    height, width = prototypes.shape[2:]
    rows, columns = (torch.arange(side, device=prototypes.device) + 0.5 for side in (height, width))
    total, count = prototypes.sum() * 0.0, 0
    for picture in range(len(prototypes)):
        cells = assignment.positive[picture].nonzero()[:, 0]
        if len(cells) > most:
            cells = cells[torch.randperm(len(cells))[:most].to(cells.device)]
        if not len(cells):
            continue
        logits = (coefficients[picture, cells].float() @ prototypes[picture].float().flatten(1)).view(-1, height, width)
        truth = (instances[picture] == assignment.owner[picture, cells][:, None, None] + 1).to(logits.dtype)
        x0, y0, x1, y1 = (assignment.target_boxes[picture, cells] / stride).unbind(1)
        inside = ((columns >= x0[:, None]) & (columns < x1[:, None]))[:, None] & (
            (rows >= y0[:, None]) & (rows < y1[:, None])
        )[:, :, None]
        inside = inside.to(logits.dtype)
        entropy = functional.binary_cross_entropy_with_logits(logits, truth, inside, reduction="none").sum((1, 2))
        area = inside.sum((1, 2)).clamp(min=1)
        found = logits.sigmoid() * inside
        dice = (2 * (found * truth).sum((1, 2)) + 1) / (found.sum((1, 2)) + (truth * inside).sum((1, 2)) + 1)
        total = total + (entropy / area + 1 - dice).sum()
        count += len(cells)
    return total / max(count, 1)
